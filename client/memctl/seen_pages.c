/* SPDX-License-Identifier: MIT */
#include "client/memctl/seen_pages.h"

enum { CELL_COUNT_MIN = 64 };

void seen_pages_init(struct seen_pages *sp, uint32_t count_max)
{
	ASSERT(count_max > 0 && count_max <= 1u << 24);
	*sp = (struct seen_pages){ .count_max = count_max };
}

void seen_pages_fini(struct seen_pages *sp)
{
	free(sp->cell);
	*sp = (struct seen_pages){ .is_full = true };
}

/* The cell of the page, or the free cell where it would be.  The hash is
 * multiply-shift: the upper bits are used. */
static uint32_t seen_pages_find(const uint32_t *cell, uint32_t cell_count,
			      uint32_t page)
{
	uint64_t mixed = (page + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t at = (uint32_t)(mixed >> (__builtin_clz(cell_count) + 33));

	while (cell[at] != 0 && cell[at] != page + 1)
		at = (at + 1) & (cell_count - 1);
	return at;
}

/* Make room for one more page; at most half of the cells are used.  False: no
 * memory. */
static bool seen_pages_grow(struct seen_pages *sp)
{
	uint32_t cell_count = MAX(sp->cell_count * 2,
				  (uint32_t)CELL_COUNT_MIN);
	uint32_t *cell;

	if (sp->count < sp->cell_count / 2)
		return true;
	cell = calloc(cell_count, sizeof(*cell));
	if (cell == NULL)
		return false;
	for (uint32_t i = 0; i < sp->cell_count; i++)
		if (sp->cell[i] != 0)
			cell[seen_pages_find(cell, cell_count,
					   sp->cell[i] - 1)] = sp->cell[i];
	free(sp->cell);
	sp->cell = cell;
	sp->cell_count = cell_count;
	return true;
}

static bool seen_pages_has(const struct seen_pages *sp, uint32_t page)
{
	return sp->cell_count != 0 &&
	       sp->cell[seen_pages_find(sp->cell, sp->cell_count, page)] != 0;
}

bool seen_pages_add(struct seen_pages *sp, uint32_t page)
{
	ASSERT(page < UINT32_MAX);
	if (sp->is_full || seen_pages_has(sp, page))
		return false;
	if (sp->count == sp->count_max || !seen_pages_grow(sp)) {
		sp->is_full = true;
		return false;
	}
	sp->cell[seen_pages_find(sp->cell, sp->cell_count, page)] = page + 1;
	sp->count++;
	return true;
}

void seen_pages_check(const struct seen_pages *sp)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sp->cell_count; i++) {
		count += sp->cell[i] != 0;
		ASSERT(sp->cell[i] == 0 ||
		       seen_pages_find(sp->cell, sp->cell_count,
				     sp->cell[i] - 1) == i);
	}
	ASSERT(count == sp->count && count <= sp->count_max &&
	       count <= sp->cell_count / 2);
}
