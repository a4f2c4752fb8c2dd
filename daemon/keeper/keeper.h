/* SPDX-License-Identifier: MIT */
/* Copies of the clients' userfaultfds, kept until the memory that they watch is
 * gone.
 *
 * Why: when the last descriptor of a userfaultfd is closed, the kernel stops
 * watching, and from then on a touch of a missing page makes a page of zeros in
 * the data file.  A process that dies closes its own descriptors while threads
 * of it still touch memory (the kernel on their behalf: a write(2) under way,
 * the list of robust mutexes).  Those who share the segment would read zeros.
 *
 *   K1  A session attaches a named segment only after its copies have come
 *       (handle_userfaultfd() and attach()).  Each session sends all it has, in
 *       one message, before it maps anything.
 *   K2  A copy is closed only when an ioctl on it has said ESRCH, so that its
 *       address space is gone, or when the client has said Goodbye: it has
 *       unmapped everything.  The end of the connection or of the process does
 *       not say so: an address space ends at exec, and outlives its process
 *       where another one shares it (CLONE_VM).
 *   K3  Each copy is in two processes: in memd, and in the keeper, a small
 *       process of memd's that goes on when memd is killed, until K2 holds for
 *       all it has.  A keeper that dies is made again and given all copies.
 *   K4  memd never closes the last descriptor of a copy whose address space
 *       lives, and makes no ioctl on any: both can wait for a lock that the
 *       client may hold as long as it likes.  The keeper does, by a child of
 *       its own (keeper_process.c).
 *   K5  A descriptor that came as a userfaultfd and is none, or not ready
 *       (UFFDIO_API, O_NONBLOCK), is never closed: closing it could wait for
 *       a file system that the client itself serves.  So there may be few of
 *       them; after that, nothing is taken from their user any more.
 *   K6  When the library's thread has ended and the memory lives on, the keeper
 *       answers faults, by an error: keeper_process.c.
 *   K7  A program whose session broke brings the same userfaultfds with its
 *       next one: the new copy takes the place of the ended one, so there are
 *       no more of them however often that happens.
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

LIST_HEAD(pin_list, pin);

/* live ──> ended ──> freed (K2)
 *  └─── Goodbye ──────┘
 * foreign: K5; never freed while memd runs. */
enum copy_state { COPY_LIVE, COPY_ENDED, COPY_FOREIGN, COPY_STATES };

/* What the keeper knows of one. */
enum copy_told { COPY_UNTOLD, COPY_TOLD_KEEP, COPY_TOLD_ENDED };

struct uffd_copy {
	uint64_t serial;
	int fd;				/* -1: closed, the keeper has it */
	int lifeline;			/* tells that nobody answers its faults
					 * any more; -1: none */
	enum copy_state state;
	enum copy_told told;
	bool is_unmapped;		/* ENDED: by Goodbye */
	bool is_gone;			/* LIVE: says the keeper */
	ino_t file;			/* its inode, which no other has */
	struct account *account;	/* its uid's; held */
	struct pin_list pins;		/* ENDED: kept for its process */
	bool is_queued;
	TAILQ_ENTRY(uffd_copy) queue_link;	/* there is something to tell */
	LIST_ENTRY(uffd_copy) session_link;	/* LIVE: of its session */
	UT_hash_handle hh;
	UT_hash_handle of_file;		/* ENDED: by `file` */
};

LIST_HEAD(uffd_copy_list, uffd_copy);

struct keeper {
	bool is_on;			/* false: embedded, or not started */
	pid_t pid;			/* 0: there is none just now */
	pid_t ended_pid;		/* one to be waited for */
	int socket;
	struct event readable, writable;
	struct event_base *base;	/* borrowed */
	struct accounts *accounts;	/* borrowed */
	void (*release_pins)(void *ctx, struct pin_list *pins);
	void *ctx;			/* borrowed */
	uint64_t last_serial;
	uint32_t count[COPY_STATES];
	bool is_lacking;		/* the keeper had no room for some */
	struct uffd_copy *copies;	/* uthash, by serial */
	struct uffd_copy *ended;	/* uthash, by file */
	TAILQ_HEAD(, uffd_copy) queue;
};

/* The flag with which memd's program becomes a keeper. */
#define KEEPER_FLAG "--keeper"

/* Start the process.  release_pins: what a copy kept pinned need not be any
 * more, and leaves the list.  0, or -errno: -ENOENT (no /proc), -EAGAIN … */
int keeper_init(struct keeper *k, struct event_base *base,
		struct accounts *accounts,
		void (*release_pins)(void *ctx, struct pin_list *pins),
		void *ctx) MUST_CHECK;

/* Close memd's copies; the keeper goes on as long as it must. */
void keeper_fini(struct keeper *k);

/* Add to the copies of a session those of `fds`, userfaultfds and perhaps a
 * pipe, the lifeline of the first of them; all are the keeper's from now on, on
 * failure too.  0, -EBADF (one is no userfaultfd), -ENOMEM. */
int keeper_add(struct keeper *k, struct uffd_copy_list *copies,
	       struct account *uid_account, const int *fds, unsigned count)
	MUST_CHECK;

/* May descriptors be taken from this user?  Not after some that were no
 * userfaultfds (K5), nor when more than `most_ended` are kept for programs of
 * his whose sessions have ended. */
bool keeper_trusts(const struct account *uid_account, uint64_t most_ended);

/* The session ends; is_unmapped: it has said Goodbye. */
void keeper_end_session(struct keeper *k, struct uffd_copy_list *copies,
			bool is_unmapped);

/* Once a second: see that there is a keeper.  Returns 0, 1 where a new one was
 * made, or -errno: there is none. */
int keeper_tick(struct keeper *k) MUST_CHECK;

/* Keep no pins any more (pin.h): memd is stopping. */
void keeper_release_pins(struct keeper *k);

/* How many descriptors memd has for it. */
uint32_t keeper_descriptors(const struct keeper *k);

#endif
