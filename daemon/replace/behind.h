/* SPDX-License-Identifier: MIT */
/* Drop-behind: pages that a reader in order has passed go first, the newest
 * first, except for the very newest.  So of a pass over more than the pool, a
 * part as large as the pool stays until the next pass; going by age, nothing
 * would. */
#ifndef MEMD_REPLACE_BEHIND_H
#define MEMD_REPLACE_BEHIND_H

#include "daemon/replace/state.h"

/* A stream has passed the page in the frame.  When BEHIND_NEAR more have come,
 * it gets IS_BEHIND. */
void behind_add(struct replace *rp, frame_id id);
/* The newest frame that is IS_BEHIND; it is no longer, then.  0: there is
 * none, or none among the last few. */
frame_id behind_take(struct replace *rp);

#endif
