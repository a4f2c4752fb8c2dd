/* SPDX-License-Identifier: MIT */
#include "tests/policy/reference.h"

#include "common/checks.h"

#include <stdlib.h>

/* A heap of pages that are in memory, the one used last on top.  An entry that
 * was overtaken by a newer use of its page stays until it comes to the top. */
struct use {
	uint32_t next, page;
};
struct heap {
	struct use *use;
	size_t count;
};

static void heap_push(struct heap *h, struct use use)
{
	size_t i = h->count++;

	for (; i > 0 && h->use[(i - 1) / 2].next < use.next; i = (i - 1) / 2)
		h->use[i] = h->use[(i - 1) / 2];
	h->use[i] = use;
}

static struct use heap_pop(struct heap *h)
{
	struct use top = h->use[0], last = h->use[--h->count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < h->count) {
		if (child + 1 < h->count &&
		    h->use[child + 1].next > h->use[child].next)
			child++;
		if (h->use[child].next <= last.next)
			break;
		h->use[i] = h->use[child];
		i = child;
	}
	h->use[i] = last;
	return top;
}

/* For each access, the next one to its page; UINT32_MAX: none. */
static uint32_t *next_uses(const struct trace *t)
{
	uint32_t *next = calloc(t->count, sizeof(*next));
	uint32_t *seen = calloc(t->page_count, sizeof(*seen));

	ASSERT(next != NULL && seen != NULL);
	for (size_t i = t->count; i-- > 0;) {
		uint32_t later = seen[t->page[i]];

		next[i] = later != 0 ? later : UINT32_MAX;
		seen[t->page[i]] = (uint32_t)i;
	}
	free(seen);
	return next;
}

uint64_t reference_opt(const struct trace *t, uint32_t frames)
{
	uint32_t *next = next_uses(t), used = 0;
	/* When the page is used next; 0: it is not in memory. */
	uint32_t *due = calloc(t->page_count, sizeof(*due));
	struct heap h = { .use = calloc(t->count + 1, sizeof(*h.use)) };
	uint64_t misses = 0;

	ASSERT(due != NULL && h.use != NULL);
	for (size_t i = 0; i < t->count; i++) {
		uint32_t page = t->page[i];

		if (due[page] == 0) {
			misses++;
			used++;
		}
		while (used > frames) {
			struct use top = heap_pop(&h);

			if (due[top.page] != top.next)
				continue;
			due[top.page] = 0;
			used--;
		}
		due[page] = next[i];
		heap_push(&h, (struct use){ next[i], page });
	}
	free(next);
	free(due);
	free(h.use);
	return misses;
}
