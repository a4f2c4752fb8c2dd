/* SPDX-License-Identifier: MIT */
/* Least recently used: the page whose last use is the oldest goes. */
#include "tests/policy/reference.h"

#include "common/checks.h"
#include "tests/policy/lists.h"

#include <stdlib.h>

struct lru {
	struct lists list;
	uint32_t frames;
};

static void *lru_start(uint32_t page_count, uint32_t frames)
{
	struct lru *s = calloc(1, sizeof(*s));

	ASSERT(s != NULL);
	lists_init(&s->list, page_count, 1);
	s->frames = frames;
	return s;
}

static void lru_end(void *state)
{
	struct lru *s = state;

	lists_fini(&s->list);
	free(s);
}

static bool lru_is_here(const void *state, uint32_t page)
{
	const struct lru *s = state;

	return lists_has(&s->list, 0, page);
}

static void lru_use(void *state, uint32_t page)
{
	struct lru *s = state;

	if (lists_has(&s->list, 0, page))
		lists_remove(&s->list, page);
	else if (s->list.count[0] == s->frames)
		lists_remove(&s->list, lists_oldest(&s->list, 0));
	lists_add(&s->list, 0, page);
}

const struct reference_policy lru_reference = {
	.name = "LRU",
	.start = lru_start,
	.is_here = lru_is_here,
	.use = lru_use,
	.end = lru_end,
};
