/* SPDX-License-Identifier: MIT */
/* The keeper: holds copies of userfaultfds and asks of those whose sessions
 * have ended whether their memory is gone.
 *
 * A copy is an *orphan* when the library's thread that answered its faults has
 * ended, but the memory lives: the program is in the middle of exec, which
 * still looks at its list of robust mutexes; or another process shares its
 * memory.  Somebody has to answer such faults, or who touches would wait for
 * ever.  The answer is an error, SIGBUS or EFAULT: the page is poisoned there.
 * (Before Linux 6.6 that cannot be done, and the thread waits until it is
 * killed.)  That a thread has ended is told by its *lifeline*, a pipe whose
 * other end lies in that thread's table of descriptors.
 *
 * What may wait for a lock of a client's address space is done by a child, the
 * *asker*: the ioctl that tells, and the last close of what is to be dropped.
 * An asker serves one user.  A client that holds the lock holds up that child
 * and nothing else: after PATIENCE_NS another asker goes on with the other
 * users, and nothing of that user's is asked of, or closed, until the child has
 * ended.
 *
 * What epoll watches is taken out of it before it is closed: memd, or a child,
 * may have the same file still, and then epoll would go on telling of it. */
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

/* Ask of a copy again after so long, doubled each time. */
#define ASK_PAUSE_FIRST_NS	UINT64_C(10000000)
#define ASK_PAUSE_MOST_NS	UINT64_C(1000000000)

/* An asker that has come no further for so long is stuck. */
#define ASKER_PATIENCE_NS	UINT64_C(2000000000)

/* One copy. */
struct kept {
	uint64_t serial;
	int fd;
	int lifeline;			/* -1: there is none, or it has ended */
	uint32_t uid;
	bool is_ended;
	bool is_orphan;
	bool is_watched;		/* ORPHAN: its next fault is heard of */
	struct asker *asker;		/* who asks of it just now */
	uint64_t ask_ns, pause_ns;	/* ended: ask then, and so much later */
	TAILQ_ENTRY(kept) link;		/* ended: by ask_ns, more or less */
	UT_hash_handle hh;
};

TAILQ_HEAD(kept_list, kept);

/* What an asker has found: memory that it shares with the keeper. */
struct asker_findings {
	atomic_uint progress;		/* of these it knows */
	atomic_bool may_end;		/* the keeper has closed its own */
	struct {
		atomic_bool is_gone, has_answered;
	} of[ASKER_BATCH_MAX];
};

enum asker_state { ASKER_FREE, ASKER_RUNNING, ASKER_STUCK };

struct asker {
	enum asker_state state;
	pid_t pid;
	int pipe;			/* ends when it ends */
	uint32_t uid;			/* it serves */
	struct asker_findings *findings;
	uint64_t since_ns;		/* when it last came further */
	unsigned progress, count;
	struct kept *batch[ASKER_BATCH_MAX];	/* NULL: not its business any
						 * more */
};

/* What epoll tells: a serial, or an asker's number, with one of these. */
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
	struct kept *all;		/* uthash */
	struct kept_list ended;
	struct {
		int fd;
		uint32_t uid;
	} dropped[ASKER_BATCH_MAX];		/* to be closed by an asker */
	unsigned dropped_count;
	struct asker asker[ASKERS];
};

struct kept *kept_find(const struct keeping *k, uint64_t serial);

/* Keep a copy of memd's, with its lifeline or -1; or say that it cannot be. */
void kept_add_or_refuse(struct keeping *k, uint64_t serial, uint32_t uid,
			int fd, int lifeline);

/* Its session has ended: from now on it is asked of. */
void kept_end(struct keeping *k, struct kept *kept);

/* The thread that answered its faults has ended. */
void kept_become_orphan(struct keeping *k, struct kept *kept);

/* The next fault of an orphan makes an asker look. */
void kept_watch_orphan(struct keeping *k, struct kept *kept);

/* Forget it.  Returns its descriptor, which is the caller's. */
int kept_let_go(struct keeping *k, struct kept *kept);

/* Say something of a copy to memd. */
void keeping_tell(const struct keeping *k, uint64_t serial,
		  enum keeper_kind kind);

/* Have epoll tell of the descriptor.  False: it cannot. */
bool keeping_watch(const struct keeping *k, int fd, uint32_t events,
		   uint64_t source);
void keeping_unwatch(const struct keeping *k, int fd);

#endif
