/* SPDX-License-Identifier: MIT */
/* What each kind of advice does to one page. */
#ifndef MEMD_PAGER_ADVICE_ACT_H
#define MEMD_PAGER_ADVICE_ACT_H

#include "daemon/pager/tables.h"

enum advice_step {
	STEP_NEXT,		/* done with this page (or run): go on */
	STEP_PARK,		/* come back after the next completion */
	STEP_WANT,		/* the same, for lack of a frame */
	STEP_STOP,		/* the advice has ended */
};

/* One step: how many units it may act on, and what it did. */
struct advice_turn {
	uint64_t most_units;		/* more only where a page is larger */
	uint64_t pages;			/* that it dealt with */
	uint64_t units;			/* captured, discarded, filled, read */
	int result;			/* what went wrong */
};

typedef enum advice_step advice_act(struct pager *pg, struct advice *ad,
				    struct advice_turn *turn);

/* By enum pager_advice: the walk that does it, and the one that ends it, where
 * there is one. */
struct advice_acts {
	advice_act *act, *end;
};
extern const struct advice_acts advice_acts[];

#endif
