/* SPDX-License-Identifier: MIT */
#include "daemon/replace/replace.h"

#include "daemon/replace/groups.h"
#include "daemon/replace/two_hands.h"

#include <errno.h>
#include <stdlib.h>

/* ---- made and gone */

static int make_tables(struct replace *rp)
{
	size_t frames = rp->config.frame_count + 1ul;
	int err = table_init(&rp->flag_table, "memd-references",
			     sizeof(*rp->flags), frames);

	if (err == 0)
		err = table_init(&rp->link_table, "memd-rings",
				 sizeof(*rp->link), frames);
	if (err == 0)
		err = table_init(&rp->group_table, "memd-groups",
				 sizeof(*rp->group),
				 rp->config.group_count + 1ul);
	if (err == 0)
		err = frame_line_init(&rp->cold, "memd-cold",
				      rp->config.frame_count);
	return err;
}

int replace_create(const struct replace_config *config,
		   const struct replace_owner *owner, void *owner_ctx,
		   struct replace **ret_replace)
{
	struct replace *rp = calloc(1, sizeof(*rp));
	int err;

	if (rp == NULL)
		return -ENOMEM;
	rp->config = *config;
	rp->owner = owner;
	rp->owner_ctx = owner_ctx;
	err = make_tables(rp);
	if (err != 0) {
		replace_destroy(rp);
		return err;
	}
	rp->flags = rp->flag_table.base;
	rp->link = rp->link_table.base;
	rp->group = rp->group_table.base;
	rp->back_hand = 1;
	*ret_replace = rp;
	return 0;
}

void replace_destroy(struct replace *rp)
{
	if (rp == NULL)
		return;
	frame_line_fini(&rp->cold);
	table_fini(&rp->group_table);
	table_fini(&rp->link_table);
	table_fini(&rp->flag_table);
	free(rp);
}

void replace_group_add(struct replace *rp, group_id group, group_id parent)
{
	ASSERT(group != 0 && !rp->group[group].is_used);
	rp->group[group] = (struct group){ .parent = parent, .is_used = true };
}

void replace_group_remove(struct replace *rp, group_id group)
{
	ASSERT(rp->group[group].is_used && rp->group[group].frames_below == 0);
	rp->group[group] = (struct group){ .is_used = false };
}

uint32_t replace_frames_of(const struct replace *rp, group_id group)
{
	return rp->group[group].frames_of;
}

uint32_t replace_frames_below(const struct replace *rp, group_id group)
{
	return rp->group[group].frames_below;
}

/* ---- what happens to frames */

void replace_add(struct replace *rp, group_id group, frame_id frame)
{
	ASSERT(!(rp->flags[frame] & IS_USED));
	rp->frame_top = MAX(rp->frame_top, frame);
	frame_mark(rp, frame, IS_USED | IS_REFERENCED, IS_EXPECTED | IS_COLD);
	groups_add_frame(rp, group, frame);
}

void replace_remove(struct replace *rp, group_id group, frame_id frame)
{
	ASSERT(rp->flags[frame] & IS_USED);
	groups_remove_frame(rp, group, frame);
	frame_mark(rp, frame, 0, (uint8_t)~IN_COLD);
}

void replace_expect(struct replace *rp, frame_id frame)
{
	frame_mark(rp, frame, IS_EXPECTED, 0);
}

void replace_touch(struct replace *rp, frame_id frame)
{
	frame_mark(rp, frame, IS_REFERENCED, IS_COLD | IS_EXPECTED);
}

void replace_cool(struct replace *rp, frame_id frame)
{
	if (!(rp->flags[frame] & IN_COLD))
		frame_line_add(&rp->cold, frame);
	frame_mark(rp, frame, IS_COLD | IN_COLD, IS_REFERENCED);
}

bool replace_is_idle(const struct replace *rp, frame_id frame)
{
	return !(rp->flags[frame] & IS_REFERENCED);
}

/* ---- searching */

static void count_look(struct replace_search *search)
{
	search->looks_left--;
	search->looks++;
}

/* A frame that was advised cold and is so still. */
static frame_id next_cold(struct replace *rp, struct replace_search *search)
{
	while (search->looks_left > 0) {
		frame_id id = frame_line_take(&rp->cold);
		bool is_cold;

		if (id == 0)
			return 0;
		count_look(search);
		is_cold = rp->flags[id] & IS_COLD;
		frame_mark(rp, id, 0, IN_COLD | IS_COLD);
		if (is_cold && is_victim(rp, id, true))
			return id;
	}
	return 0;
}

/* Two rounds may do no more than spare and age everything.  The third one takes
 * what is referenced, too: a search may take many turns, and programs that use
 * all of their pages again meanwhile must not let it end in vain.  After three
 * rounds there is no victim. */
frame_id replace_next(struct replace *rp, group_id group,
		      struct replace_search *search)
{
	struct group *g = &rp->group[group];
	uint64_t *vain = group != 0 ? &g->vain_looks : &rp->vain_looks;
	uint64_t round = group != 0 ? g->frames_below : rp->frame_top;
	frame_id id = group == 0 ? next_cold(rp, search) : 0;

	while (id == 0 && *vain < 3 * round) {
		bool is_spared;

		if (search->looks_left == 0) {
			search->is_cut_short = true;
			return 0;
		}
		count_look(search);
		is_spared = ++*vain <= 2 * round;
		id = group != 0 ? groups_look(rp, group, is_spared) :
				  two_hands_look(rp, is_spared);
	}
	*vain = 0;
	search->is_vain |= id == 0;
	return id;
}

void replace_search_anew(struct replace *rp, group_id group)
{
	rp->vain_looks = 0;
	for (; group != 0; group = rp->group[group].parent)
		rp->group[group].vain_looks = 0;
}

/* ---- check */

void replace_check(const struct replace *rp)
{
	uint32_t in_cold = 0;

	for (frame_id id = 1; id <= rp->config.frame_count; id++) {
		uint8_t flags = rp->flags[id];

		in_cold += (flags & IN_COLD) != 0;
		ASSERT(!(flags & IS_COLD) || (flags & IN_COLD));	/* R3 */
		ASSERT(!(flags & IS_USED) || id <= rp->frame_top);
	}
	ASSERT(in_cold == rp->cold.count);				/* R3 */
	groups_check(rp);
}

uint64_t replace_memory_bytes(const struct replace *rp)
{
	return table_memory_bytes(&rp->flag_table) +
	       table_memory_bytes(&rp->link_table) +
	       table_memory_bytes(&rp->group_table) +
	       table_memory_bytes(&rp->cold.table) + sizeof(*rp);
}
