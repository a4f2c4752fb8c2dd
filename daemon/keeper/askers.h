/* SPDX-License-Identifier: MIT */
/* Children that ask whether the memory of copies is gone, and close what is
 * dropped: see kept.h. */
#ifndef MEMD_KEEPER_ASKERS_H
#define MEMD_KEEPER_ASKERS_H

#include "daemon/keeper/kept.h"

/* The first one in this state, or NULL. */
struct asker *askers_find(struct keeping *k, enum asker_state state);

/* Has somebody of this user's got an asker stuck? */
bool askers_blame(const struct keeping *k, uint32_t uid);

/* Start one, if there is something to ask and none is running. */
void askers_start(struct keeping *k);

/* It has ended: take what it found. */
void asker_finish(struct keeping *k, struct asker *a);

/* It is running: has it got stuck? */
void asker_note_progress(struct keeping *k, struct asker *a);

#endif
