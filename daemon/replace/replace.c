/* SPDX-License-Identifier: MIT */
#include "daemon/replace/replace.h"

#include "daemon/replace/age_marks.h"
#include "daemon/replace/groups.h"
#include "daemon/replace/lirs.h"
#include "daemon/replace/queue.h"
#include "daemon/replace/two_hands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AGES_PER_LOOK = 8 };	/* to age so many costs as much as a look */

static const struct pool_policy *const policies[] = { &lirs, &two_hands };

/* ---- made and gone */

const char *replace_policy_name(unsigned i)
{
	return i < ARRAY_SIZE(policies) ? policies[i]->name : NULL;
}

static const struct pool_policy *find_policy(const char *name)
{
	if (name == NULL)
		return policies[0];
	for (unsigned i = 0; i < ARRAY_SIZE(policies); i++)
		if (strcmp(policies[i]->name, name) == 0)
			return policies[i];
	return NULL;
}

static int make_tables(struct replace *rp)
{
	int err = table_init(&rp->frame_table, "memd-frame-states",
			     sizeof(*rp->frame),
			     rp->config.frame_count + 1ul);

	if (err == 0)
		err = table_init(&rp->group_table, "memd-groups",
				 sizeof(*rp->group),
				 rp->config.group_count + 1ul);
	return err;
}

int replace_create(const struct replace_config *config,
		   const struct replace_owner *owner, void *owner_ctx,
		   struct replace **ret_replace)
{
	const struct pool_policy *policy = find_policy(config->policy);
	struct replace *rp;
	int err;

	if (policy == NULL || config->frame_count > FRAMES_MAX)
		return -EINVAL;
	rp = calloc(1, sizeof(*rp));
	if (rp == NULL)
		return -ENOMEM;
	rp->config = *config;
	rp->owner = owner;
	rp->owner_ctx = owner_ctx;
	rp->policy = policy;
	err = make_tables(rp);
	if (err != 0) {
		replace_destroy(rp);
		return err;
	}
	rp->frame = rp->frame_table.base;
	rp->group = rp->group_table.base;
	rp->back_hand = 1;
	*ret_replace = rp;
	return 0;
}

void replace_destroy(struct replace *rp)
{
	if (rp == NULL)
		return;
	table_fini(&rp->group_table);
	table_fini(&rp->frame_table);
	free(rp);
}

/* Forget what only the old policy has known of the frame. */
static void start_over(struct replace *rp, frame_id id)
{
	struct frame_state *f = &rp->frame[id];

	f->is_expected = f->is_passed = false;
	f->is_queued = f->is_aged = f->is_main = f->is_marked = false;
	if (f->is_used && rp->policy->add != NULL)
		rp->policy->add(rp, id, 0);
}

int replace_choose(struct replace *rp, const char *name)
{
	const struct pool_policy *policy = find_policy(name);

	if (policy == NULL)
		return -EINVAL;
	if (policy == rp->policy)
		return 0;
	rp->cold = rp->small = rp->main = rp->expected =
		(struct queue){ .head = 0 };
	rp->marks.count = 0;
	/* All that has left until now did so long ago. */
	rp->now += rp->config.frame_count;
	rp->full_count = rp->expected_peak = rp->small_extra = 0;
	rp->age_credit = 0;
	rp->is_filling = false;
	rp->refusals = 0;
	rp->policy = policy;
	for (frame_id id = 1; id <= rp->frame_top; id++)
		start_over(rp, id);
	return 0;
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
	return group != 0 ? rp->group[group].frames_below : rp->used_count;
}

/* ---- what happens to frames */

void replace_add(struct replace *rp, group_id group, frame_id frame,
		 uint32_t left)
{
	struct frame_state *f = &rp->frame[frame];

	ASSERT(!f->is_used);
	rp->frame_top = MAX(rp->frame_top, frame);
	rp->used_count++;
	*f = (struct frame_state){ .is_used = true, .is_referenced = true };
	groups_add_frame(rp, group, frame);
	if (rp->policy->add != NULL)
		rp->policy->add(rp, frame, left);
}

uint32_t replace_leave(struct replace *rp, frame_id frame)
{
	return rp->policy->leave != NULL ? rp->policy->leave(rp, frame) : 0;
}

void replace_stay(struct replace *rp, frame_id frame)
{
	if (rp->policy->stay != NULL)
		rp->policy->stay(rp, frame);
}

void replace_remove(struct replace *rp, group_id group, frame_id frame)
{
	ASSERT(rp->frame[frame].is_used);
	groups_remove_frame(rp, group, frame);
	if (rp->policy->remove != NULL)
		rp->policy->remove(rp, frame);
	rp->used_count--;
	rp->frame[frame] = (struct frame_state){ .is_used = false };
}

void replace_expect(struct replace *rp, frame_id frame)
{
	if (rp->policy->expect != NULL)
		rp->policy->expect(rp, frame);
	else
		rp->frame[frame].is_expected = true;
}

void replace_touch(struct replace *rp, frame_id frame)
{
	frame_touch(rp, frame);
}

void replace_pass(struct replace *rp, frame_id frame)
{
	if (rp->policy->pass != NULL)
		rp->policy->pass(rp, frame);
}

void replace_cool(struct replace *rp, frame_id frame)
{
	rp->frame[frame].is_referenced = false;
	if (rp->policy->cool != NULL)
		rp->policy->cool(rp, frame);
}

bool replace_is_idle(const struct replace *rp, frame_id frame)
{
	const struct frame_state *f = &rp->frame[frame];

	return f->is_passed || (!f->is_referenced && !f->is_main);
}

bool replace_is_aged(const struct replace *rp, frame_id frame)
{
	return !rp->frame[frame].is_referenced;
}

/* ---- searching */

static void count_looks(struct replace_search *search, uint32_t count)
{
	search->looks_left -= MIN(search->looks_left, count);
	search->looks += count;
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
	frame_id id = 0;

	while (id == 0 && *vain < 3 * round) {
		bool is_spared;

		if (search->looks_left == 0) {
			search->is_cut_short = true;
			return 0;
		}
		rp->aged_count = 0;
		is_spared = ++*vain <= 2 * round && !search->takes_any;
		id = group != 0 ? groups_look(rp, group, is_spared) :
				  rp->policy->look(rp, is_spared);
		count_looks(search, 1 + rp->aged_count / AGES_PER_LOOK);
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

void replace_check(const struct replace *rp, uint32_t leaving)
{
	uint32_t used = 0, queued = 0;

	for (frame_id id = 1; id <= rp->config.frame_count; id++) {
		const struct frame_state *f = &rp->frame[id];

		used += f->is_used;
		queued += f->is_queued;
		ASSERT(!f->is_used || id <= rp->frame_top);
	}
	ASSERT(used == rp->used_count);
	ASSERT(queued == rp->cold.count + rp->small.count + rp->main.count +
			 rp->expected.count);
	ASSERT(rp->policy->add == NULL ||
	       (queued <= used && queued + leaving >= used));
	queue_check(rp, &rp->cold);
	queue_check(rp, &rp->small);
	queue_check(rp, &rp->main);
	queue_check(rp, &rp->expected);
	age_marks_check(rp);
	groups_check(rp);
}

uint64_t replace_memory_bytes(const struct replace *rp)
{
	return table_memory_bytes(&rp->frame_table) +
	       table_memory_bytes(&rp->group_table) + sizeof(*rp);
}
