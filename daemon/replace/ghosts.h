/* SPDX-License-Identifier: MIT */
/* Which pages have left memory lately: half as many as there are frames.  Two
 * bytes for each; in one of 16 000 questions a page is mistaken for another. */
#ifndef MEMD_REPLACE_GHOSTS_H
#define MEMD_REPLACE_GHOSTS_H

#include "daemon/replace/state.h"

/* Returns 0 or -errno, as table_init(). */
int ghosts_init(struct ghosts *g, uint32_t frame_count) MUST_CHECK;
/* Accepts zeroed ghosts. */
void ghosts_fini(struct ghosts *g);
void ghosts_add(struct ghosts *g, uint32_t key);
/* Was it there?  It is not, afterwards. */
bool ghosts_take(struct ghosts *g, uint32_t key);

#endif
