/* SPDX-License-Identifier: MIT */
/* Ready and Age: see hint.h. */
#include "client/fault/hint.h"
#include "client/region/told.h"

#include <errno.h>

/* The mark among the pages of the range; TOLD_NO_PAGE: none. */
static uint64_t mark_in(const Memd__Ready *ready, const Memd__Range *range)
{
	for (size_t i = 0; i < ready->n_mark; i++)
		if (ready->mark[i] >= range->first &&
		    ready->mark[i] - range->first < range->count)
			return ready->mark[i];
	return TOLD_NO_PAGE;
}

static void map_ready(const struct space *sp, struct region *r,
		      const Memd__Ready *ready)
{
	for (size_t i = 0; i < ready->n_range; i++) {
		const struct told told = {
			.first = ready->range[i]->first,
			.count = ready->range[i]->count,
			.mark = mark_in(ready, ready->range[i]),
		};

		told_map_ready(r, space_uffd(sp, r), &told);
	}
}

void hint_take_ready(struct space *sp, struct link *l,
		     const Memd__Ready *ready)
{
	struct region *r = NULL;

	if (ready->n_range > WIRE_RANGES_MAX ||
	    ready->n_mark > WIRE_MARKS_MAX) {
		link_drop(l, -EPROTO, "the daemon sent a malformed Ready");
		return;
	}
	while ((r = regions_of_segment(&sp->regions, ready->segment, r)) !=
	       NULL)
		map_ready(sp, r, ready);
}

/* Unmap the pages of one range that are inside the region and not pinned. */
static void forget_range(struct space *sp, const struct region *r,
			 const Memd__Range *range)
{
	uint64_t page_count = region_page_count(r);
	uint64_t end, next;

	if (range->first >= page_count)
		return;
	end = range->first + MIN(range->count, page_count - range->first);
	for (uint64_t page = range->first; page < end; page = next) {
		next = end;
		if (!pinned_has(&sp->pinned, r, page, &next))
			zap_add(&sp->zap, region_page_start(r, page),
				(size_t)(next - page) << r->page_shift);
	}
}

void hint_take_age(struct space *sp, struct touched *t, struct link *l,
		   const Memd__Age *age)
{
	struct region *r = NULL;

	if (age->n_range > WIRE_RANGES_MAX) {
		link_drop(l, -EPROTO, "the daemon sent a malformed Age");
		return;
	}
	while ((r = regions_of_segment(&sp->regions, age->segment, r)) != NULL)
		for (size_t i = 0; i < age->n_range; i++)
			forget_range(sp, r, age->range[i]);
	zap_flush(&sp->zap);
	touched_send(t, &sp->regions, l);
}
