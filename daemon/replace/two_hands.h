/* SPDX-License-Identifier: MIT */
/* A clock with two hands over all frames of the pool, in the order of their
 * numbers.  The front hand ages frames.  The back hand follows a quarter of the
 * pool behind, and evicts what has stayed unreferenced.  Before that go frames
 * that were advised cold, which stand in a queue.  (Two-handed clock: 4.3BSD
 * and SVR4.) */
#ifndef MEMD_REPLACE_TWO_HANDS_H
#define MEMD_REPLACE_TWO_HANDS_H

#include "daemon/replace/state.h"

extern const struct pool_policy two_hands;

#endif
