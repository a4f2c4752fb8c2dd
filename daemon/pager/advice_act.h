/* SPDX-License-Identifier: MIT */
/* What each kind of advice does to one page. */
#ifndef MEMD_PAGER_ADVICE_ACT_H
#define MEMD_PAGER_ADVICE_ACT_H

#include "daemon/pager/tables.h"

enum advice_step {
	STEP_NEXT,		/* this page (or run) is done: go on */
	STEP_PARK,		/* try again after the next completion */
	STEP_WANT,		/* as STEP_PARK; a frame is missing */
	STEP_STOP,		/* the advice has ended */
};

/* One step.  In: how many units it may act on.  Out: what it has done. */
struct advice_turn {
	/* A page that is larger may exceed this. */
	uint64_t most_units;
	uint64_t pages;			/* pages that are done */
	/* Units captured, discarded, filled or read. */
	uint64_t units;
	int result;			/* 0 or -errno */
};

typedef enum advice_step advice_act(struct pager *pg, struct advice *ad,
				    struct advice_turn *turn);

/* Indexed by enum pager_advice: the step of the first walk, and the step of the
 * second walk, or NULL if there is none. */
struct advice_acts {
	advice_act *act, *end;
};
extern const struct advice_acts advice_acts[];

#endif
