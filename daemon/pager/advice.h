/* SPDX-License-Identifier: MIT */
/* Advice that is under way. */
#ifndef MEMD_PAGER_ADVICE_H
#define MEMD_PAGER_ADVICE_H

#include "daemon/pager/tables.h"

/* Begin a turn: set how much work advice may do in it. */
void advice_begin_turn(struct pager *pg);
/* Go on with all advice, as far as the work of the turn goes.  True: some can
 * go on at once. */
bool advice_step_all(struct pager *pg);
/* There will be no frames: fail all PINs that wait for one (-ENOMEM).  True if
 * there are any. */
bool advice_fail_wanting(struct pager *pg);
/* The segment goes: end its advice with -EFAULT. */
void advice_end_segment(struct pager *pg, segment_id segment);

#endif
