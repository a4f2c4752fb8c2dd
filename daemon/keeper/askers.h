/* SPDX-License-Identifier: MIT */
/* Askers: children that ask whether the memory of copies is gone, and close
 * dropped copies.  See kept.h. */
#ifndef MEMD_KEEPER_ASKERS_H
#define MEMD_KEEPER_ASKERS_H

#include "daemon/keeper/kept.h"

/* The first asker in this state, or NULL. */
struct asker *askers_find(struct keeping *k, enum asker_state state);

/* Whether an asker is stuck with a copy of this user. */
bool askers_blame(const struct keeping *k, uint32_t uid);

/* Start an asker if there is something to ask and none is running. */
void askers_start(struct keeping *k);

/* The child of `a` has ended: handle its results. */
void asker_finish(struct keeping *k, struct asker *a);

/* `a` is running: check whether it is stuck. */
void asker_note_progress(struct keeping *k, struct asker *a);

#endif
