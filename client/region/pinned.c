/* SPDX-License-Identifier: MIT */
/* The table of pinned ranges: see pinned.h. */
#include "client/region/pinned.h"

#include <errno.h>

int pinned_add(struct pinned *pd, const struct region *r, uint64_t first,
	       uint64_t end)
{
	if (pd->count == PINNED_RANGES_MAX)
		return -ENOMEM;
	pd->range[pd->count++] = (struct pinned_range){r, first, end};
	return 0;
}

static void remove_at(struct pinned *pd, size_t i)
{
	pd->range[i] = pd->range[--pd->count];
}

void pinned_remove(struct pinned *pd, const struct region *r, uint64_t first,
		   uint64_t end)
{
	for (size_t i = 0; i < pd->count; i++)
		if (pd->range[i].region == r && pd->range[i].first == first &&
		    pd->range[i].end == end) {
			remove_at(pd, i);
			return;
		}
}

void pinned_forget(struct pinned *pd, const struct region *r)
{
	for (size_t i = pd->count; i-- > 0;)
		if (r == NULL || pd->range[i].region == r)
			remove_at(pd, i);
}

bool pinned_has(const struct pinned *pd, const struct region *r, uint64_t page,
		uint64_t *end)
{
	for (size_t i = 0; i < pd->count; i++) {
		const struct pinned_range *range = &pd->range[i];

		if (range->region != r || range->end <= page)
			continue;
		if (range->first <= page) {
			*end = MIN(*end, range->end);
			return true;
		}
		*end = MIN(*end, range->first);
	}
	return false;
}
