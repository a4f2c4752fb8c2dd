/* SPDX-License-Identifier: MIT */
/* Jiang and Zhang, "LIRS: an efficient low inter-reference recency set
 * replacement policy", SIGMETRICS 2002. */
#include "tests/policy/reference.h"

#include "common/checks.h"
#include "tests/policy/lists.h"

#include <stdlib.h>

/* A page is LOW (its last two uses were near each other) or not.  The stack has
 * the LOW pages and those used since the oldest LOW one was; the queue has
 * those in memory that are not LOW. */
struct lirs {
	struct lists stack, queue;
	uint8_t *is_low, *is_here;
	uint32_t low_count, here_count, low_most, frames;
};

static void lirs_prune(struct lirs *s)
{
	uint32_t page;

	while ((page = lists_oldest(&s->stack, 0)) != UINT32_MAX &&
	       !s->is_low[page])
		lists_remove(&s->stack, page);
}

static void lirs_to_top(struct lirs *s, uint32_t page)
{
	if (lists_has(&s->stack, 0, page))
		lists_remove(&s->stack, page);
	lists_add(&s->stack, 0, page);
}

/* The page becomes LOW in place of the oldest one. */
static void lirs_promote(struct lirs *s, uint32_t page)
{
	uint32_t oldest;

	lirs_to_top(s, page);
	s->is_low[page] = 1;
	oldest = lists_oldest(&s->stack, 0);
	s->is_low[oldest] = 0;
	lists_add(&s->queue, 0, oldest);
	lirs_prune(s);
}

static void lirs_hit(struct lirs *s, uint32_t page)
{
	if (s->is_low[page]) {
		lirs_to_top(s, page);
		lirs_prune(s);
		return;
	}
	lists_remove(&s->queue, page);
	if (lists_has(&s->stack, 0, page)) {
		lirs_promote(s, page);
		return;
	}
	lirs_to_top(s, page);
	lists_add(&s->queue, 0, page);
}

static void lirs_miss(struct lirs *s, uint32_t page)
{
	if (s->here_count == s->frames) {
		uint32_t victim = lists_oldest(&s->queue, 0);

		lists_remove(&s->queue, victim);
		s->is_here[victim] = 0;
		s->here_count--;
	}
	s->is_here[page] = 1;
	s->here_count++;
	if (s->low_count < s->low_most) {
		s->is_low[page] = 1;
		s->low_count++;
		lirs_to_top(s, page);
	} else if (lists_has(&s->stack, 0, page)) {
		lirs_promote(s, page);
	} else {
		lirs_to_top(s, page);
		lists_add(&s->queue, 0, page);
	}
}

static void *lirs_start(uint32_t page_count, uint32_t frames)
{
	struct lirs *s = calloc(1, sizeof(*s));

	ASSERT(s != NULL);
	*s = (struct lirs){
		.is_low = calloc(page_count, 1),
		.is_here = calloc(page_count, 1),
		.low_most = frames - MAX(frames / 100, 2u),
		.frames = frames,
	};
	ASSERT(s->is_low != NULL && s->is_here != NULL);
	lists_init(&s->stack, page_count, 1);
	lists_init(&s->queue, page_count, 1);
	return s;
}

static void lirs_end(void *state)
{
	struct lirs *s = state;

	lists_fini(&s->stack);
	lists_fini(&s->queue);
	free(s->is_low);
	free(s->is_here);
	free(s);
}

static bool lirs_is_here(const void *state, uint32_t page)
{
	const struct lirs *s = state;

	return s->is_here[page];
}

static void lirs_use(void *state, uint32_t page)
{
	struct lirs *s = state;

	if (s->is_here[page])
		lirs_hit(s, page);
	else
		lirs_miss(s, page);
}

const struct reference_policy lirs_reference = {
	.name = "LIRS",
	.start = lirs_start,
	.is_here = lirs_is_here,
	.use = lirs_use,
	.end = lirs_end,
};
