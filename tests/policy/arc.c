/* SPDX-License-Identifier: MIT */
/* Megiddo and Modha, "ARC: A self-tuning, low overhead replacement cache",
 * FAST 2003. */
#include "tests/policy/reference.h"

#include "common/checks.h"
#include "tests/policy/lists.h"

#include <stdlib.h>

/* Used once, used more often; and which pages of each have left. */
enum { ONCE, OFTEN, ONCE_LEFT, OFTEN_LEFT };

struct arc {
	struct lists list;
	uint32_t frames;
	double target;		/* pages used once */
};

static void arc_move(struct lists *l, uint32_t page, unsigned to)
{
	lists_remove(l, page);
	lists_add(l, to, page);
}

static void arc_evict(struct lists *l, double target, bool was_often)
{
	bool is_once = l->count[ONCE] != 0 &&
		       (l->count[ONCE] > target ||
			(was_often && l->count[ONCE] >= target) ||
			l->count[OFTEN] == 0);

	if (is_once)
		arc_move(l, lists_oldest(l, ONCE), ONCE_LEFT);
	else
		arc_move(l, lists_oldest(l, OFTEN), OFTEN_LEFT);
}

/* A page that was neither in memory nor has left it lately. */
static void arc_new(struct lists *l, double target, uint32_t frames,
		    uint32_t page)
{
	uint32_t once = l->count[ONCE] + l->count[ONCE_LEFT];
	uint32_t often = l->count[OFTEN] + l->count[OFTEN_LEFT];

	if (once == frames && l->count[ONCE] == frames) {
		lists_remove(l, lists_oldest(l, ONCE));
	} else {
		if (once == frames)
			lists_remove(l, lists_oldest(l, ONCE_LEFT));
		else if (once + often == 2 * frames)
			lists_remove(l, lists_oldest(l, OFTEN_LEFT));
		if (l->count[ONCE] + l->count[OFTEN] >= frames)
			arc_evict(l, target, false);
	}
	lists_add(l, ONCE, page);
}

static double at_least_one(uint32_t a, uint32_t b)
{
	return a > b ? (double)a / b : 1;
}

static void *arc_start(uint32_t page_count, uint32_t frames)
{
	struct arc *s = calloc(1, sizeof(*s));

	ASSERT(s != NULL);
	lists_init(&s->list, page_count, 4);
	s->frames = frames;
	return s;
}

static void arc_end(void *state)
{
	struct arc *s = state;

	lists_fini(&s->list);
	free(s);
}

static bool arc_is_here(const void *state, uint32_t page)
{
	const struct arc *s = state;

	return lists_has(&s->list, ONCE, page) ||
	       lists_has(&s->list, OFTEN, page);
}

/* The page has left lately: the list that it was in is too short. */
static void arc_came_back(struct arc *s, uint32_t page)
{
	struct lists *l = &s->list;
	bool was_often = lists_has(l, OFTEN_LEFT, page);

	if (was_often)
		s->target = MAX(s->target -
				at_least_one(l->count[ONCE_LEFT],
					     l->count[OFTEN_LEFT]), 0);
	else
		s->target = MIN(s->target +
				at_least_one(l->count[OFTEN_LEFT],
					     l->count[ONCE_LEFT]), s->frames);
	arc_evict(l, s->target, was_often);
	arc_move(l, page, OFTEN);
}

static void arc_use(void *state, uint32_t page)
{
	struct arc *s = state;

	if (arc_is_here(s, page))
		arc_move(&s->list, page, OFTEN);
	else if (lists_has(&s->list, ONCE_LEFT, page) ||
		 lists_has(&s->list, OFTEN_LEFT, page))
		arc_came_back(s, page);
	else
		arc_new(&s->list, s->target, s->frames, page);
}

const struct reference_policy arc_reference = {
	.name = "ARC",
	.start = arc_start,
	.is_here = arc_is_here,
	.use = arc_use,
	.end = arc_end,
};
