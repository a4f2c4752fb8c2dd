/* SPDX-License-Identifier: MIT */
/* A puncher: one helper process, as memd sees it.  It is started, gets work, is
 * watched, and ends.  punchers.c decides which puncher gets which work. */
#ifndef MEMD_BACKING_PUNCHER_H
#define MEMD_BACKING_PUNCHER_H

#include "common/checks.h"
#include "daemon/backing/handover.h"
#include <stdbool.h>
#include <sys/types.h>

/* How long one sleep may last before the puncher counts as stuck.  A healthy
 * punch takes microseconds.  If it sleeps, it waits for a page from the
 * kernel's swap, which takes milliseconds.  Clients wait 10 s for an answer by
 * default, so memd can bear a few hostile owners at once. */
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
	int cpu;			/* the CPU it is bound to; -1: none */
	uint64_t started_ns;
	struct handover *handover;
	/* STUCK: the file of that punch; 0: forgotten */
	uint32_t file;
	uint32_t owner;			/* STUCK: the owner of that file */
};

/* Start a DEAD puncher; it becomes READY.  is_first: the caller has nothing yet
 * that a child could inherit.  Returns 0 or -errno. */
int puncher_start(struct puncher *p, bool is_first) MUST_CHECK;

/* End the puncher for good.  Waits for its process, unless it is stuck; a stuck
 * process ends when its punch returns. */
void puncher_end(struct puncher *p);

/* False: the process has ended, and the puncher is DEAD now. */
bool puncher_is_alive(struct puncher *p);

/* For a STUCK puncher: true if it has answered after all (it is READY now), or
 * its process has ended (it is DEAD now). */
bool puncher_has_come_back(struct puncher *p);

/* Send a descriptor to the process.  Returns 0 or -errno. */
int puncher_send_fd(const struct puncher *p, int fd) MUST_CHECK;

/* Hand over the request in p->handover, and wait for the answer.
 *
 * patience_ns  how long one sleep may last; one number for each run.
 *
 * Returns 0; -ECHILD: the process has ended; -ETIMEDOUT: it is stuck.  In the
 * last two cases *ret_claim is the number of runs that were claimed. */
int puncher_ask(struct puncher *p, enum handover_kind kind,
		const uint64_t *patience_ns, uint32_t *ret_claim) MUST_CHECK;

/* A request that needs no file's lock.  Returns 0, or -ECHILD: this puncher
 * cannot be used now. */
int puncher_tell(struct puncher *p, enum handover_kind kind);

/* After -ETIMEDOUT: the puncher becomes STUCK, with that file of that owner. */
void puncher_get_stuck(struct puncher *p, uint32_t file, uint32_t owner);

#endif
