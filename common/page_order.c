/* SPDX-License-Identifier: MIT */
#include "common/page_order.h"

#include <string.h>

enum { SEEN_SIZE_MIN = 64, RUN_CAPACITY_MIN = 16 };

void page_order_init(struct page_order *po, uint32_t page_max, uint64_t seed)
{
	ASSERT(page_max > 0 && page_max <= 1u << 24);
	*po = (struct page_order){ .page_max = page_max,
				   .multiplier = seed | 1 };
}

void page_order_fini(struct page_order *po)
{
	free(po->run);
	free(po->seen);
	*po = (struct page_order){ .is_full = true };
}

/* ---- the set */

/* Where the page is, or where it would be: multiply-shift hashing, whose upper
 * bits are the good ones. */
static uint32_t seen_at(const uint32_t *seen, uint32_t size,
			uint64_t multiplier, uint32_t page)
{
	uint64_t mixed = (page + UINT64_C(1)) * multiplier;
	uint32_t at = (uint32_t)(mixed >> (__builtin_clz(size) + 33));

	while (seen[at] != 0 && seen[at] != page + 1)
		at = (at + 1) & (size - 1);
	return at;
}

static bool is_seen(const struct page_order *po, uint32_t page)
{
	return po->seen_size != 0 &&
	       po->seen[seen_at(po->seen, po->seen_size, po->multiplier,
				page)] != 0;
}

/* Have room for one more, at most half full.  False: no memory. */
static bool grow_seen(struct page_order *po)
{
	uint32_t size = MAX(po->seen_size * 2, (uint32_t)SEEN_SIZE_MIN);
	uint32_t *seen;

	if (po->page_count < po->seen_size / 2)
		return true;
	seen = calloc(size, sizeof(*seen));
	if (seen == NULL)
		return false;
	for (uint32_t i = 0; i < po->seen_size; i++)
		if (po->seen[i] != 0)
			seen[seen_at(seen, size, po->multiplier,
				     po->seen[i] - 1)] = po->seen[i];
	free(po->seen);
	po->seen = seen;
	po->seen_size = size;
	return true;
}

/* ---- the runs */

static bool page_order_extends(const struct page_order *po, uint32_t page)
{
	const struct page_run *last;

	if (po->run_count == 0)
		return false;
	last = &po->run[po->run_count - 1];
	return last->first + last->count == page;
}

static bool grow_runs(struct page_order *po)
{
	uint32_t capacity = MAX(po->run_capacity * 2,
				(uint32_t)RUN_CAPACITY_MIN);
	struct page_run *run;

	if (po->run_count < po->run_capacity)
		return true;
	run = realloc(po->run, capacity * sizeof(*run));
	if (run == NULL)
		return false;
	po->run = run;
	po->run_capacity = capacity;
	return true;
}

bool page_order_add(struct page_order *po, uint32_t page)
{
	if (po->is_full || page >= PAGE_ORDER_END || is_seen(po, page))
		return false;
	if (po->page_count == po->page_max || !grow_seen(po) ||
	    !grow_runs(po)) {
		po->is_full = true;
		return false;
	}
	po->seen[seen_at(po->seen, po->seen_size, po->multiplier, page)] =
		page + 1;
	if (page_order_extends(po, page))
		po->run[po->run_count - 1].count++;
	else
		po->run[po->run_count++] = (struct page_run){ page, 1 };
	po->page_count++;
	return true;
}

void page_order_seal(struct page_order *po)
{
	struct page_run *run;

	po->is_full = true;
	free(po->seen);
	po->seen = NULL;
	po->seen_size = 0;
	if (po->run_count == 0)
		return;
	run = realloc(po->run, po->run_count * sizeof(*run));
	if (run == NULL)
		return;			/* the larger one will do */
	po->run = run;
	po->run_capacity = po->run_count;
}

uint32_t page_order_clip(const struct page_order *po, uint64_t first,
			 uint64_t count, struct page_run *to)
{
	uint64_t end = first + count;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < po->run_count; i++) {
		uint64_t from = MAX((uint64_t)po->run[i].first, first);
		uint64_t until = MIN((uint64_t)po->run[i].first +
				     po->run[i].count, end);

		if (from < until)
			to[kept++] = (struct page_run){
				(uint32_t)from, (uint32_t)(until - from) };
	}
	return kept;
}

/* ---- runs alone */

static int page_order_compare(const void *a, const void *b)
{
	const struct page_run *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

uint32_t page_runs_sort(struct page_run *run, uint32_t count)
{
	uint32_t kept = 0;

	if (count == 0)
		return 0;
	qsort(run, count, sizeof(*run), page_order_compare);
	for (uint32_t i = 1; i < count; i++) {
		uint64_t end = (uint64_t)run[kept].first + run[kept].count;
		uint64_t next_end = (uint64_t)run[i].first + run[i].count;

		if (run[i].first > end)
			run[++kept] = run[i];
		else if (next_end > end)
			run[kept].count = (uint32_t)(next_end -
						     run[kept].first);
	}
	return kept + 1;
}

void page_order_check(const struct page_order *po)
{
	struct page_run *sorted;
	uint32_t pages = 0, seen = 0;

	for (uint32_t i = 0; i < po->run_count; i++) {
		pages += po->run[i].count;
		for (uint32_t k = 0; k < po->run[i].count; k++)
			ASSERT(po->seen_size == 0 ||
			       is_seen(po, po->run[i].first + k));
	}
	ASSERT(pages == po->page_count && pages <= po->page_max);
	for (uint32_t i = 0; i < po->seen_size; i++)
		seen += po->seen[i] != 0;
	ASSERT(po->seen_size == 0 || seen == pages);
	if (po->run_count == 0)
		return;
	sorted = malloc(po->run_count * sizeof(*sorted));
	ASSERT(sorted != NULL);
	memcpy(sorted, po->run, po->run_count * sizeof(*sorted));
	qsort(sorted, po->run_count, sizeof(*sorted), page_order_compare);
	for (uint32_t i = 1; i < po->run_count; i++)
		ASSERT(sorted[i - 1].first + sorted[i - 1].count <=
		       sorted[i].first);
	free(sorted);
}
