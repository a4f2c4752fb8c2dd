/* SPDX-License-Identifier: MIT */
/* Clock2Q+ (VLDB 2026): a small queue for pages that are new, a clock for those
 * that are used again, and ghosts of those that left the small queue.  A use
 * soon after the first one, while the page is in the newer half of the small
 * queue, tells nothing. */
#include "tests/policy/reference.h"

#include "common/checks.h"
#include "tests/policy/lists.h"

#include <stdlib.h>

enum { SMALL, MAIN, GHOST };

struct clock2q_plus {
	struct lists list;
	bool *is_used;		/* since it came to its queue's end */
	uint64_t *came;		/* number of the page in the small queue */
	uint64_t small_serial;
	uint32_t frames, small_most;
};

static void *clock2q_plus_start(uint32_t page_count, uint32_t frames)
{
	struct clock2q_plus *s = calloc(1, sizeof(*s));

	ASSERT(s != NULL);
	s->is_used = calloc(page_count, sizeof(*s->is_used));
	s->came = calloc(page_count, sizeof(*s->came));
	ASSERT(s->is_used != NULL && s->came != NULL);
	lists_init(&s->list, page_count, 3);
	s->frames = frames;
	s->small_most = MAX(frames / 10, 1u);
	return s;
}

static void clock2q_plus_end(void *state)
{
	struct clock2q_plus *s = state;

	lists_fini(&s->list);
	free(s->is_used);
	free(s->came);
	free(s);
}

static bool clock2q_plus_is_here(const void *state, uint32_t page)
{
	const struct clock2q_plus *s = state;

	return lists_has(&s->list, SMALL, page) ||
	       lists_has(&s->list, MAIN, page);
}

static void to_queue(struct clock2q_plus *s, unsigned queue, uint32_t page)
{
	lists_remove(&s->list, page);
	lists_add(&s->list, queue, page);
	s->is_used[page] = false;
}

static void look_at_oldest(struct clock2q_plus *s)
{
	struct lists *l = &s->list;
	bool is_small = l->count[SMALL] >= s->small_most ||
			l->count[MAIN] == 0;
	uint32_t page = lists_oldest(l, is_small ? SMALL : MAIN);

	if (s->is_used[page]) {
		to_queue(s, MAIN, page);
		return;
	}
	if (!is_small) {
		lists_remove(l, page);
		return;
	}
	to_queue(s, GHOST, page);
	if (l->count[GHOST] > s->frames / 2)
		lists_remove(l, lists_oldest(l, GHOST));
}

static void clock2q_plus_use(void *state, uint32_t page)
{
	struct clock2q_plus *s = state;
	struct lists *l = &s->list;
	bool is_ghost = lists_has(l, GHOST, page);

	if (lists_has(l, MAIN, page)) {
		s->is_used[page] = true;
		return;
	}
	if (lists_has(l, SMALL, page)) {
		s->is_used[page] |= s->small_serial - s->came[page] >=
				    s->small_most / 2;
		return;
	}
	if (is_ghost)
		lists_remove(l, page);
	while (l->count[SMALL] + l->count[MAIN] == s->frames)
		look_at_oldest(s);
	lists_add(l, is_ghost ? MAIN : SMALL, page);
	s->is_used[page] = false;
	s->came[page] = s->small_serial += !is_ghost;
}

const struct reference_policy clock2q_reference = {
	.name = "2Q+",
	.start = clock2q_plus_start,
	.is_here = clock2q_plus_is_here,
	.use = clock2q_plus_use,
	.end = clock2q_plus_end,
};
