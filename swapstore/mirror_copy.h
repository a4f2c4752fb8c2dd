/* SPDX-License-Identifier: MIT */
/* Copies of a mirror: slots that only one child has are copied to the other
 * one, in the background, while both are up.  Requests of the mirror's owner
 * are in mirror_request.h. */
#ifndef MEMD_SWAPSTORE_MIRROR_COPY_H
#define MEMD_SWAPSTORE_MIRROR_COPY_H

#include "swapstore/mirror_state.h"

int mirror_copies_init(struct store_mirror *sm) MUST_CHECK;
void mirror_copies_fini(struct store_mirror *sm);
/* Start copies, and go on with those that wait. */
void mirror_copies_start(struct store_mirror *sm);
void mirror_copy_ended(struct store_mirror *sm, unsigned which, int result);
/* These slots are written, discarded or lost: make the copies of them void
 * (MI3). */
void mirror_copies_void(struct store_mirror *sm, uint32_t slot, uint32_t count);

#endif
