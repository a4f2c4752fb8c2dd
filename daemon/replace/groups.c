/* SPDX-License-Identifier: MIT */
#include "daemon/replace/groups.h"

/* ---- rings */

static void ring_link(struct replace *rp, frame_id id, frame_id next)
{
	rp->frame[id].ring_next = next & FRAMES_MAX;
	rp->frame[next].ring_prev = id & FRAMES_MAX;
}

static void ring_add_frame(struct replace *rp, struct group *g, frame_id id)
{
	g->frames_of++;
	if (g->hand == 0) {
		g->hand = id;
		ring_link(rp, id, id);
		return;
	}
	/* Behind the hand: the clock comes to the new frame last. */
	ring_link(rp, rp->frame[g->hand].ring_prev, id);
	ring_link(rp, id, g->hand);
}

static void ring_remove_frame(struct replace *rp, struct group *g, frame_id id)
{
	const struct frame_state *f = &rp->frame[id];

	g->frames_of--;
	if (g->hand == id)
		g->hand = g->frames_of != 0 ? f->ring_next : 0;
	ring_link(rp, f->ring_prev, f->ring_next);
}

static void ring_add_child(struct replace *rp, struct group *g, group_id id)
{
	struct group *child = &rp->group[id], *at = &rp->group[g->child];

	g->child_count++;
	if (g->child == 0) {
		g->child = child->next = child->prev = id;
		return;
	}
	child->next = g->child;
	child->prev = at->prev;
	rp->group[at->prev].next = id;
	at->prev = id;
}

static void ring_remove_child(struct replace *rp, struct group *g, group_id id)
{
	struct group *child = &rp->group[id];

	g->child_count--;
	rp->group[child->prev].next = child->next;
	rp->group[child->next].prev = child->prev;
	if (g->child == id)
		g->child = g->child_count != 0 ? child->next : 0;
	child->next = child->prev = 0;
}

/* `from` has no frames any more: do not look at its frames. */
static void stop_looking_at(struct group *g, group_id from)
{
	if (g->looking_at == from)
		g->looks_left = 0;
}

void groups_add_frame(struct replace *rp, group_id group, frame_id id)
{
	if (group != 0)
		ring_add_frame(rp, &rp->group[group], id);
	for (; group != 0; group = rp->group[group].parent) {
		struct group *g = &rp->group[group];

		if (g->frames_below++ == 0 && g->parent != 0)
			ring_add_child(rp, &rp->group[g->parent], group);
	}
}

void groups_remove_frame(struct replace *rp, group_id group, frame_id id)
{
	if (group != 0) {
		struct group *g = &rp->group[group];

		ring_remove_frame(rp, g, id);
		if (g->frames_of == 0)
			stop_looking_at(g, group);
	}
	for (; group != 0; group = rp->group[group].parent) {
		struct group *g = &rp->group[group];
		struct group *parent = &rp->group[g->parent];

		if (--g->frames_below == 0 && g->parent != 0) {
			ring_remove_child(rp, parent, group);
			stop_looking_at(parent, group);
		}
	}
}

/* ---- the clock */

/* Choose whose frames the clock looks at next: the group's own, or those of the
 * next group below it. */
static void choose_looking_at(struct replace *rp, group_id group)
{
	struct group *g = &rp->group[group];

	if (g->hand != 0 && (g->children_left == 0 || g->child == 0)) {
		g->looking_at = group;
		g->looks_left = g->frames_of;
		g->children_left = g->child_count;
		return;
	}
	g->looking_at = g->child;
	g->looks_left = rp->group[g->child].frames_below;
	g->child = rp->group[g->child].next;
	g->children_left -= g->children_left != 0;
}

/* Move the group's clock on by one frame, and return that frame. */
static frame_id next_of_group(struct replace *rp, group_id group)
{
	struct group *g = &rp->group[group];
	frame_id id;

	if (g->frames_below == 0)
		return 0;
	for (;;) {
		if (g->looks_left == 0)
			choose_looking_at(rp, group);
		g->looks_left--;
		if (g->looking_at == group)
			break;
		group = g->looking_at;
		g = &rp->group[group];
	}
	id = g->hand;
	g->hand = rp->frame[id].ring_next;
	return id;
}

frame_id groups_look(struct replace *rp, group_id group, bool is_spared)
{
	frame_id id = next_of_group(rp, group);

	if (id == 0 || is_victim(rp, id, is_spared))
		return id;
	age_frame(rp, id);
	return 0;
}

/* ---- check */

static void check_group(const struct replace *rp, group_id id)
{
	const struct group *g = &rp->group[id];
	uint32_t own = 0, children = 0, below = 0;
	group_id child = g->child;
	frame_id at = g->hand;

	for (; at != 0 && (own == 0 || at != g->hand); own++) {
		ASSERT(rp->frame[at].is_used);				/* R1 */
		ASSERT(rp->frame[rp->frame[at].ring_next].ring_prev == at);
		at = rp->frame[at].ring_next;
	}
	for (; child != 0 && (children == 0 || child != g->child);
	     children++) {
		ASSERT(rp->group[child].parent == id);
		ASSERT(rp->group[rp->group[child].next].prev == child);
		ASSERT(rp->group[child].frames_below != 0);
		below += rp->group[child].frames_below;
		child = rp->group[child].next;
	}
	ASSERT(own == g->frames_of && children == g->child_count);
	ASSERT(g->frames_below == own + below);				/* R2 */
}

void groups_check(const struct replace *rp)
{
	for (group_id id = 1; id <= rp->config.group_count; id++)
		if (rp->group[id].is_used)
			check_group(rp, id);
}
