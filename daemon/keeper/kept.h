/* SPDX-License-Identifier: MIT */
/* The keeper process: holds copies of userfaultfds.  When the session of a copy
 * has ended, the keeper asks the kernel whether the memory of the copy is
 * gone.
 *
 * A copy is an *orphan* if the library's thread that answered its faults has
 * ended, but the memory lives.  Then the program is inside exec, which still
 * reads its list of robust mutexes; or another process shares its memory.  The
 * keeper must answer such faults, or the thread that touches the memory would
 * wait for ever.  The answer is an error, SIGBUS or EFAULT: the keeper poisons
 * the page.  (Before Linux 6.6 that is not possible, and the thread waits until
 * it is killed.)  A *lifeline* tells that the thread has ended: it is a pipe
 * whose other end is only in that thread's table of descriptors.
 *
 * Two operations may wait for a lock of a client's address space: the ioctl
 * that asks, and the last close of a dropped copy.  A child does them, the
 * *asker*.  An asker serves one user.  A client that holds the lock delays this
 * child and nothing else: after ASKER_PATIENCE_NS another asker goes on with
 * the other users.  Until the stuck child has ended, the keeper does not ask
 * about or close copies of that user.
 *
 * A descriptor is removed from epoll before it is closed: memd or a child may
 * still have the same file open, and then epoll would still report events of
 * it. */
#ifndef MEMD_KEEPER_KEPT_H
#define MEMD_KEEPER_KEPT_H

#include "common/checks.h"
#include "daemon/keeper/keeper_message.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum {
	KEPT_EVENTS_MAX = 64,		/* taken in one step */
	KEPT_UNIT_BYTES = 4096,
	ASKERS = 8,
	ASKER_BATCH_MAX = 256,
};

/* The pause before a copy is asked about again; doubled each time. */
#define ASK_PAUSE_FIRST_NS	UINT64_C(10000000)
#define ASK_PAUSE_MOST_NS	UINT64_C(1000000000)

/* An asker that makes no progress for this long is stuck. */
#define ASKER_PATIENCE_NS	UINT64_C(2000000000)

/* One copy. */
struct kept {
	uint64_t serial;
	int fd;
	int lifeline;			/* -1: none, or it has ended */
	uint32_t uid;
	bool is_ended;
	bool is_orphan;
	bool is_watched;		/* orphan: epoll reports its next
					 * fault */
	struct asker *asker;		/* the asker that asks about it now;
					 * NULL: none */
	uint64_t ask_ns, pause_ns;	/* ended: when to ask, and the next
					 * pause */
	TAILQ_ENTRY(kept) link;		/* ended: roughly in the order of
					 * ask_ns */
	UT_hash_handle hh;
};

TAILQ_HEAD(kept_list, kept);

/* The results of an asker, in memory that it shares with the keeper. */
struct asker_findings {
	atomic_uint progress;		/* results of so many copies are
					 * there */
	atomic_bool may_end;		/* the keeper has closed its dropped
					 * ones */
	struct {
		atomic_bool is_gone, has_answered;
	} of[ASKER_BATCH_MAX];
};

enum asker_state { ASKER_FREE, ASKER_RUNNING, ASKER_STUCK };

struct asker {
	enum asker_state state;
	pid_t pid;
	int pipe;			/* the child's end closes when it
					 * exits */
	uint32_t uid;			/* the user that it serves */
	struct asker_findings *findings;
	uint64_t since_ns;		/* when it last made progress */
	unsigned progress, count;
	struct kept *batch[ASKER_BATCH_MAX];	/* NULL: left out meanwhile */
};

/* The data of an epoll event: a serial or the index of an asker, with one of
 * these. */
#define SOURCE_SOCKET	UINT64_C(0)
#define SOURCE_ASKER	(UINT64_C(1) << 61)
#define SOURCE_LIFELINE	(UINT64_C(2) << 61)
#define SOURCE_UFFD	(UINT64_C(3) << 61)
#define SOURCES		(UINT64_C(3) << 61)

struct keeping {
	int socket;			/* -1: memd has ended */
	int epoll_fd;
	uint64_t now_ns;
	uint64_t probe;			/* an address: see is_memory_gone() */
	struct kept *all;		/* hash table (uthash), by serial */
	struct kept_list ended;		/* copies whose sessions have ended */
	struct {
		int fd;
		uint32_t uid;
	} dropped[ASKER_BATCH_MAX];		/* an asker will close them */
	unsigned dropped_count;
	struct asker asker[ASKERS];
};

/* Returns NULL if the keeper does not have it. */
struct kept *kept_find(const struct keeping *k, uint64_t serial);

/* Keep a copy, with its lifeline or -1.  Takes both descriptors.  On failure
 * memd is told KEEPER_LACKS. */
void kept_add_or_refuse(struct keeping *k, uint64_t serial, uint32_t uid,
			int fd, int lifeline);

/* The session of the copy has ended: begin to ask about it. */
void kept_end(struct keeping *k, struct kept *kept);

/* The thread that answered the faults of the copy has ended. */
void kept_become_orphan(struct keeping *k, struct kept *kept);

/* Have the next fault of an orphan wake an asker. */
void kept_watch_orphan(struct keeping *k, struct kept *kept);

/* Forget a copy.  Returns its descriptor, which the caller must close. */
int kept_let_go(struct keeping *k, struct kept *kept);

/* Send a message about a copy to memd. */
void keeping_tell(const struct keeping *k, uint64_t serial,
		  enum keeper_kind kind);

/* Have epoll report events of the descriptor.  Returns false if that fails. */
bool keeping_watch(const struct keeping *k, int fd, uint32_t events,
		   uint64_t source);
void keeping_unwatch(const struct keeping *k, int fd);

#endif
