/* SPDX-License-Identifier: MIT */
/* One helper process, as memd sees it: made, handed work, looked after, ended.
 * Which helper gets which work is decided in punchers.c. */
#ifndef MEMD_BACKING_PUNCHER_H
#define MEMD_BACKING_PUNCHER_H

#include "common/checks.h"
#include "daemon/backing/handover.h"
#include <stdbool.h>
#include <sys/types.h>

/* In one sleep.  A healthy punch takes microseconds and sleeps, if at all, for
 * a page on its way to the kernel's swap: milliseconds each.  Clients wait 10 s
 * for an answer by default, so a few hostile owners at once are endured. */
#define PUNCHER_PATIENCE_NS	UINT64_C(2000000000)

enum puncher_state {
	PUNCHER_DEAD,		/* no process */
	PUNCHER_READY,
	PUNCHER_STUCK,		/* with a punch that does not come back */
	PUNCHER_STATES
};

struct puncher {
	enum puncher_state state;
	pid_t pid;
	int socket;
	bool is_bindable;
	int cpu;			/* it is bound to; -1: to none */
	uint64_t started_ns;
	struct handover *handover;
	uint32_t file;			/* STUCK: with this; 0: forgotten */
	uint32_t owner;			/* STUCK: of this one */
};

/* Make a DEAD one READY.  is_first: there is nothing yet that a child could
 * inherit.  Returns 0 or -errno. */
int puncher_start(struct puncher *p, bool is_first) MUST_CHECK;

/* For good.  Waits for it unless it is stuck: then it ends with its punch. */
void puncher_end(struct puncher *p);

/* One that has ended is DEAD from then on. */
bool puncher_is_alive(struct puncher *p);

/* A STUCK one: has it answered after all, or ended? */
bool puncher_has_come_back(struct puncher *p);

int puncher_send_fd(const struct puncher *p, int fd) MUST_CHECK;

/* Hand over what stands in p->handover and wait for the answer.
 *
 * patience_ns  one for each run.
 *
 * Returns 0; -ECHILD: it was killed; -ETIMEDOUT: it does not come back.  In
 * both cases *ret_claim says how many runs had been claimed. */
int puncher_ask(struct puncher *p, enum handover_kind kind,
		const uint64_t *patience_ns, uint32_t *ret_claim) MUST_CHECK;

/* A handover that needs no file's lock.  Returns 0 or -ECHILD: not this one. */
int puncher_tell(struct puncher *p, enum handover_kind kind);

/* After -ETIMEDOUT: it is STUCK, with that file of that owner. */
void puncher_get_stuck(struct puncher *p, uint32_t file, uint32_t owner);

#endif
