/* SPDX-License-Identifier: MIT */
/* The clock of each group: a hand that goes round the frames of the group and
 * of the groups below it, and gives each a second chance. */
#ifndef MEMD_REPLACE_GROUPS_H
#define MEMD_REPLACE_GROUPS_H

#include "daemon/replace/state.h"

void groups_add_frame(struct replace *rp, group_id group, frame_id id);
void groups_remove_frame(struct replace *rp, group_id group, frame_id id);
/* One look at the frames of `group`.  is_spared: what is referenced stays.  A
 * victim, or 0. */
frame_id groups_look(struct replace *rp, group_id group, bool is_spared);
void groups_check(const struct replace *rp);

#endif
