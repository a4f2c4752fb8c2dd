/* SPDX-License-Identifier: MIT */
#include "tests/policy/reference.h"

#include "common/checks.h"
#include "tests/policy/lists.h"

#include <stdlib.h>

/* ---- OPT */

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

/* ---- LRU */

uint64_t reference_lru(const struct trace *t, uint32_t frames)
{
	struct lists l;
	uint64_t misses = 0;

	lists_init(&l, t->page_count, 1);
	for (size_t i = 0; i < t->count; i++) {
		uint32_t page = t->page[i];

		if (lists_has(&l, 0, page)) {
			lists_remove(&l, page);
		} else {
			misses++;
			if (l.count[0] == frames)
				lists_remove(&l, lists_oldest(&l, 0));
		}
		lists_add(&l, 0, page);
	}
	lists_fini(&l);
	return misses;
}

/* ---- ARC */

/* Used once, used more often; and which pages of each have left. */
enum { ONCE, OFTEN, ONCE_LEFT, OFTEN_LEFT };

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

uint64_t reference_arc(const struct trace *t, uint32_t frames)
{
	double target = 0;	/* pages used once */
	uint64_t misses = 0;
	struct lists l;

	lists_init(&l, t->page_count, 4);
	for (size_t i = 0; i < t->count; i++) {
		uint32_t page = t->page[i];

		if (lists_has(&l, ONCE, page) || lists_has(&l, OFTEN, page)) {
			arc_move(&l, page, OFTEN);
			continue;
		}
		misses++;
		if (lists_has(&l, ONCE_LEFT, page)) {
			target = MIN(target + at_least_one(l.count[OFTEN_LEFT],
							   l.count[ONCE_LEFT]),
				     frames);
			arc_evict(&l, target, false);
			arc_move(&l, page, OFTEN);
		} else if (lists_has(&l, OFTEN_LEFT, page)) {
			target = MAX(target - at_least_one(l.count[ONCE_LEFT],
							   l.count[OFTEN_LEFT]),
				     0);
			arc_evict(&l, target, true);
			arc_move(&l, page, OFTEN);
		} else {
			arc_new(&l, target, frames, page);
		}
	}
	lists_fini(&l);
	return misses;
}

/* ---- LIRS */

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

uint64_t reference_lirs(const struct trace *t, uint32_t frames)
{
	struct lirs s = {
		.is_low = calloc(t->page_count, 1),
		.is_here = calloc(t->page_count, 1),
		.low_most = frames - MAX(frames / 100, 2u),
		.frames = frames,
	};
	uint64_t misses = 0;

	ASSERT(s.is_low != NULL && s.is_here != NULL);
	lists_init(&s.stack, t->page_count, 1);
	lists_init(&s.queue, t->page_count, 1);
	for (size_t i = 0; i < t->count; i++) {
		if (s.is_here[t->page[i]]) {
			lirs_hit(&s, t->page[i]);
			continue;
		}
		misses++;
		lirs_miss(&s, t->page[i]);
	}
	lists_fini(&s.stack);
	lists_fini(&s.queue);
	free(s.is_low);
	free(s.is_here);
	return misses;
}
