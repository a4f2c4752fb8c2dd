/* SPDX-License-Identifier: MIT */
/* Copies of the clients' userfaultfds.  They are kept until the memory that
 * they watch is gone.
 *
 * Why: when the last descriptor of a userfaultfd is closed, the kernel stops
 * watching.  From then on, a touch of a missing page makes a page of zeros in
 * the data file.  A dying process closes its descriptors while its threads
 * still touch memory (the kernel does it for them: a write(2) in progress, the
 * list of robust mutexes).  Other programs that share the segment would then
 * read zeros.
 *
 *   K1  A session attaches a named segment only after memd has its copies
 *       (handle_userfaultfd() and attach()).  Each session sends all its
 *       userfaultfds, in one message, before it maps anything.
 *   K2  A copy is closed only if an ioctl on it says ESRCH, so that its address
 *       space is gone, or if the client has said Goodbye, so that it has
 *       unmapped everything.  The end of the connection or of the process is
 *       not enough: an address space ends at exec, and it outlives its process
 *       if another process shares it (CLONE_VM).
 *   K3  Each copy is in two processes: in memd, and in the keeper.  The keeper
 *       is a small process of memd.  If memd is killed, the keeper goes on
 *       until K2 holds for all its copies.  If the keeper dies, memd starts
 *       another one and gives it all copies.
 *   K4  memd never closes the last descriptor of a copy whose address space
 *       lives, and makes no ioctl on a copy.  Both may wait for a lock that the
 *       client can hold as long as it likes.  A child of the keeper does these
 *       (askers.c).
 *   K5  A client may send a descriptor that is no userfaultfd, or one that is
 *       not ready (UFFDIO_API, O_NONBLOCK).  memd never closes such a foreign
 *       descriptor: that could wait for a file system that the client itself
 *       serves.  So each user may have only a few of them.  After that, memd
 *       takes no descriptors from that user.
 *   K6  If the library's thread has ended but the memory lives, the keeper
 *       answers the faults with an error: see kept.h.
 *   K7  If the session of a program breaks, its next session sends the same
 *       userfaultfds.  The new copy replaces the ended one, so the number of
 *       copies does not grow.
 *
 * An embedded memd has no keeper: its clients are threads of its process. */
#ifndef MEMD_KEEPER_KEEPER_H
#define MEMD_KEEPER_KEEPER_H

#include "common/checks.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct account;
struct accounts;
struct pin;
struct session_desk;

LIST_HEAD(pin_list, pin);

/* live ──> ended ──> freed (K2)
 *  └─── Goodbye ──────┘
 * foreign: K5; never freed while memd runs. */
enum copy_state { COPY_LIVE, COPY_ENDED, COPY_FOREIGN, COPY_STATES };

/* What the keeper has been told about a copy. */
enum copy_told { COPY_UNTOLD, COPY_TOLD_KEEP, COPY_TOLD_ENDED };

struct uffd_copy {
	uint64_t serial;
	int fd;				/* -1: memd has closed it, the keeper
					 * has it */
	int lifeline;			/* a pipe that ends when nobody answers
					 * its faults any more; -1: none */
	enum copy_state state;
	enum copy_told told;
	bool is_unmapped;		/* ENDED: the client said Goodbye */
	bool is_gone;			/* LIVE: the keeper says that its memory
					 * is gone */
	ino_t file;			/* its inode number, which identifies
					 * the userfaultfd */
	struct account *account;	/* its uid's; held */
	struct pin_list pins;		/* ENDED: pins that last as long as its
					 * memory */
	struct session_desk *desk;	/* ENDED: the same, desks; NULL: none */
	bool is_queued;
	TAILQ_ENTRY(uffd_copy) queue_link;	/* in keeper.queue */
	LIST_ENTRY(uffd_copy) session_link;	/* LIVE: in its session's
						 * list */
	UT_hash_handle hh;
	UT_hash_handle of_file;		/* ENDED: in keeper.ended */
};

LIST_HEAD(uffd_copy_list, uffd_copy);

struct keeper {
	bool is_on;			/* false: embedded, or not started */
	pid_t pid;			/* 0: the process is not running now */
	pid_t ended_pid;		/* a process to be waited for; 0:
					 * none */
	int socket;
	struct event readable, writable;
	struct event_base *base;	/* borrowed */
	struct accounts *accounts;	/* borrowed */
	void (*release_pins)(void *ctx, struct pin_list *pins);
	void (*release_desk)(void *ctx, struct session_desk *desk);
	void *ctx;			/* borrowed */
	uint64_t last_serial;
	uint32_t count[COPY_STATES];
	uint64_t last_ended_ns;		/* when a copy became ENDED */
	bool is_lacking;		/* the keeper had no room for some
					 * copies */
	struct uffd_copy *copies;	/* hash table (uthash), by serial */
	struct uffd_copy *ended;	/* hash table (uthash), by file */
	TAILQ_HEAD(, uffd_copy) queue;
};

/* Start the process.  release_pins: called when the pins of a copy need not be
 * kept any more; it empties the list.  release_desk: called when the memory of
 * a copy is gone, with what its `desk` is.  Returns 0, or -errno: -ENOENT (no
 * /proc), -EAGAIN … */
int keeper_init(struct keeper *k, struct event_base *base,
		struct accounts *accounts,
		void (*release_pins)(void *ctx, struct pin_list *pins),
		void (*release_desk)(void *ctx, struct session_desk *desk),
		void *ctx) MUST_CHECK;

/* Close memd's copies.  The keeper goes on as long as it has to. */
void keeper_fini(struct keeper *k);

/* Add descriptors to the copies of a session: userfaultfds, and perhaps a pipe,
 * the lifeline of the first userfaultfd.  Takes all of `fds`, also on failure.
 * Returns 0, -EBADF (one is foreign: K5), or -ENOMEM. */
int keeper_add(struct keeper *k, struct uffd_copy_list *copies,
	       struct account *uid_account, const int *fds, unsigned count)
	MUST_CHECK;

/* Whether descriptors may be taken from this user.  Not after too many foreign
 * ones (K5), and not if more than `most_ended` copies are kept for programs of
 * this user whose sessions have ended. */
bool keeper_trusts(const struct account *uid_account, uint64_t most_ended);

/* True if a program has ended lately.  Until its memory is gone, its segments
 * are kept. */
bool keeper_has_lately_ended(const struct keeper *k);

/* The session ends.  is_unmapped: the client has said Goodbye. */
void keeper_end_session(struct keeper *k, struct uffd_copy_list *copies,
			bool is_unmapped);

/* Call once a second: restart the keeper if it has died.  Returns 0, 1 (a new
 * one was started), or -errno: there is none. */
int keeper_tick(struct keeper *k) MUST_CHECK;

/* memd stops: release all kept pins (pin.h). */
void keeper_release_pins(struct keeper *k);

/* How many descriptors memd has open for copies, at most. */
uint32_t keeper_descriptors(const struct keeper *k);

#endif
