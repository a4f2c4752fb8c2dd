/* SPDX-License-Identifier: MIT */
/* Advice that is under way. */
#ifndef MEMD_PAGER_ADVICE_H
#define MEMD_PAGER_ADVICE_H

#include "daemon/pager/tables.h"

/* A turn begins: what may be done in it. */
void advice_begin_turn(struct pager *pg);
/* As far as the turn's work goes.  Returns true when one of them can go on at
 * once. */
bool advice_step_all(struct pager *pg);
/* There will be no frame for those that want one.  Returns true when there are
 * any. */
bool advice_fail_wanting(struct pager *pg);
/* The segment goes. */
void advice_end_segment(struct pager *pg, segment_id segment);

#endif
