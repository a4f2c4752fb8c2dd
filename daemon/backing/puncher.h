/* SPDX-License-Identifier: MIT */
/* A puncher: one helper process, as memd sees it.  It is started, gets orders,
 * is watched, and ends.  punchers.c decides which puncher works for whom. */
#ifndef MEMD_BACKING_PUNCHER_H
#define MEMD_BACKING_PUNCHER_H

#include "common/checks.h"
#include "daemon/backing/handover.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum puncher_state {
	PUNCHER_DEAD,		/* no process */
	PUNCHER_READY,
	PUNCHER_BUSY,		/* with orders that are not seen to be done */
	PUNCHER_STATES
};

/* One punch and its result.  is_truncation: instead, the file is truncated to
 * length 0, and offset and length are not used. */
struct punch {
	bool is_truncation;
	/* The caller's number of the file: 1 … files_max. */
	uint32_t file;
	int fd;
	uint64_t offset, length;
	/* Result: see struct handover_order. */
	uint64_t next_data, left_bytes;
	int error;
};

struct puncher {
	enum puncher_state state;
	pid_t pid;
	int socket;
	uint32_t user;			/* BUSY: for whom */
	uint64_t started_ns;
	uint32_t starts;		/* how many times it was started */
	struct handover *handover;
	bool is_bindable;
	int cpu;			/* the CPU it is bound to; -1: none */
	uint32_t asked;			/* orders given */
	uint32_t seen;			/* orders seen to be done */
	/* Owned, [files_max + 1]: it has the descriptor of the file.  NULL: of
	 * none. */
	bool *knows;
	bool must_drop_all;		/* it has files that are gone */
	/* BUSY: it was in one and the same uninterruptible sleep at two looks
	 * of puncher_watch(). */
	bool is_stuck;
	bool was_asleep;		/* at the last look, and in which */
	uint64_t sleep;
	uint32_t at, looks;		/* looks at one order */
};

/* What all punchers share. */
struct puncher_ground {
	int event_fd;
	uint32_t files_max;
};

/* Start a DEAD puncher; it becomes READY.  is_first: the caller has nothing yet
 * that a child could inherit.  Returns 0 or -errno. */
int puncher_start(struct puncher *p, const struct puncher_ground *ground,
		  bool is_first) MUST_CHECK;

/* End the puncher for good.  Waits for its process, unless it is BUSY; then it
 * ends when its punch returns. */
void puncher_end(struct puncher *p);

/* False: the process has ended, and the puncher is DEAD now. */
bool puncher_is_alive(struct puncher *p);

/* The number means another file from now on, or none. */
void puncher_forget(struct puncher *p, uint32_t file);

/* Give the punches to a puncher that is READY, or BUSY for the same user; it is
 * BUSY then.  is_lent: the caller will lend it its CPU.  Else the eventfd tells
 * when they are done.  *ret_first: the number of the first one's order; the
 * others follow.  Returns 0, or -EAGAIN (there is no room), or -errno; then
 * none was given to it. */
int puncher_post(struct puncher *p, const struct puncher_ground *ground,
		 const struct punch *punch, unsigned count, bool is_lent,
		 uint32_t *ret_first) MUST_CHECK;

/* Sleep until these orders are done, at most limit_ns (below a second), and see
 * what is done.  If they are not, the eventfd tells when they are. */
void puncher_lend(struct puncher *p, uint32_t first, unsigned count,
		  uint64_t limit_ns);

/* See what is done.  The results of orders that are seen to be done must be
 * taken before the next post. */
void puncher_look(struct puncher *p);

/* These orders are seen to be done. */
bool puncher_has_done(const struct puncher *p, uint32_t first, unsigned count);

/* Take the results of orders that are seen to be done. */
void puncher_results(struct puncher *p, uint32_t first, struct punch *punch,
		     unsigned count);

/* The order that a BUSY puncher is at is one of these.  /  Its file. */
bool puncher_is_at(const struct puncher *p, uint32_t first, unsigned count);
uint32_t puncher_file(const struct puncher *p);

/* One look at a BUSY puncher, for is_stuck.  A puncher that was stopped by a
 * signal is ended. */
void puncher_watch(struct puncher *p);

#endif
