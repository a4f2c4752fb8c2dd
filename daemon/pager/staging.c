/* SPDX-License-Identifier: MIT */
#include "daemon/pager/staging.h"

#include "common/bitmap.h"
#include "common/checks.h"

#include <string.h>

void staging_init(struct staging *sg, void *base, uint64_t length_bytes)
{
	memset(sg, 0, sizeof(*sg));
	sg->base = base;
	sg->unit_count = (uint32_t)MIN(length_bytes / 4096,
				       (uint64_t)STAGING_UNITS_MAX);
	bitmap_set_run(sg->free, 0, sg->unit_count);
}

uint32_t staging_get(struct staging *sg, struct staging_part part,
		     uint32_t least, uint32_t most, uint32_t *ret_first)
{
	size_t first = 0;
	uint32_t count;

	count = (uint32_t)bitmap_find_run(sg->free, part.end, part.first, most,
					  &first);
	if (count < least)
		return 0;
	bitmap_clear_run(sg->free, first, count);
	sg->used_count += count;
	*ret_first = (uint32_t)first;
	return count;
}

void staging_put(struct staging *sg, uint32_t first, uint32_t count)
{
	ASSERT(first + count <= sg->unit_count && count <= sg->used_count);
	bitmap_set_run(sg->free, first, count);
	sg->used_count -= count;
}

void staging_check(const struct staging *sg)
{
	ASSERT(bitmap_count(sg->free, sg->unit_count) + sg->used_count ==
	       sg->unit_count);
}
