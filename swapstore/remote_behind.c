/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_behind.h"

#include "swapstore/swapstore.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { CELLS_MAX = 1 << 24 };

int behind_init(struct behind *b, size_t bytes)
{
	size_t count = bytes / SWAP_SLOT_BYTES, buckets = 1;

	*b = (struct behind){ 0 };
	TAILQ_INIT(&b->free);
	TAILQ_INIT(&b->waiting);
	if (count == 0 || count > CELLS_MAX)
		return -EINVAL;
	while (buckets < count)
		buckets *= 2;
	b->memory = mmap(NULL, count * SWAP_SLOT_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->memory == MAP_FAILED) {
		b->memory = NULL;
		return -ENOMEM;
	}
	b->cell_count = (uint32_t)count;
	b->bucket_mask = (uint32_t)buckets - 1;
	b->cells = calloc(count, sizeof(*b->cells));
	b->buckets = calloc(buckets, sizeof(*b->buckets));
	if (b->cells == NULL || b->buckets == NULL) {
		behind_fini(b);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		TAILQ_INSERT_TAIL(&b->free, &b->cells[i], link);
	return 0;
}

void behind_fini(struct behind *b)
{
	if (b->memory != NULL)
		munmap(b->memory, (size_t)b->cell_count * SWAP_SLOT_BYTES);
	free(b->cells);
	free(b->buckets);
	*b = (struct behind){ 0 };
}

/* ---- cells by slot */

static struct behind_cell **behind_bucket(const struct behind *b, uint32_t slot)
{
	return &b->buckets[slot & b->bucket_mask];
}

static struct behind_cell *cell_of(const struct behind *b, uint32_t slot)
{
	struct behind_cell *cell = *behind_bucket(b, slot);

	while (cell != NULL && cell->slot != slot)
		cell = cell->next;
	return cell;
}

static void bucket_remove(struct behind *b, struct behind_cell *cell)
{
	struct behind_cell **at = behind_bucket(b, cell->slot);

	while (*at != cell) {
		ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = cell->next;
}

uint8_t *behind_bytes(const struct behind *b, const struct behind_cell *cell)
{
	return b->memory + (size_t)(cell - b->cells) * SWAP_SLOT_BYTES;
}

const uint8_t *behind_find(const struct behind *b, uint32_t slot)
{
	const struct behind_cell *cell = cell_of(b, slot);

	return cell == NULL ? NULL : behind_bytes(b, cell);
}

/* ---- putting and dropping */

/* The cell used last is taken first: its memory is likely in the cache. */
static void cell_free(struct behind *b, struct behind_cell *cell)
{
	cell->state = BEHIND_FREE;
	TAILQ_INSERT_HEAD(&b->free, cell, link);
	b->used_count--;
}

/* The bytes of the cell are not needed any more. */
static void cell_drop(struct behind *b, struct behind_cell *cell)
{
	bucket_remove(b, cell);
	if (cell->state == BEHIND_WAITING) {
		TAILQ_REMOVE(&b->waiting, cell, link);
		cell_free(b, cell);
	} else {
		cell->state = BEHIND_DROPPED;
	}
}

static struct behind_cell *cell_get(struct behind *b, uint32_t slot)
{
	struct behind_cell **bucket = behind_bucket(b, slot);
	struct behind_cell *cell = TAILQ_FIRST(&b->free);

	if (cell == NULL)
		return NULL;
	TAILQ_REMOVE(&b->free, cell, link);
	TAILQ_INSERT_TAIL(&b->waiting, cell, link);
	b->used_count++;
	cell->slot = slot;
	cell->state = BEHIND_WAITING;
	cell->next = *bucket;
	*bucket = cell;
	return cell;
}

bool behind_put(struct behind *b, uint32_t slot, const void *bytes)
{
	struct behind_cell *old = cell_of(b, slot), *cell = old;

	if (old == NULL || old->state != BEHIND_WAITING) {
		cell = cell_get(b, slot);
		if (cell == NULL)
			return false;
		if (old != NULL)
			cell_drop(b, old);
	}
	memcpy(behind_bytes(b, cell), bytes, SWAP_SLOT_BYTES);
	return true;
}

void behind_drop(struct behind *b, uint32_t slot)
{
	struct behind_cell *cell = cell_of(b, slot);

	if (cell != NULL)
		cell_drop(b, cell);
}

uint32_t behind_send_begin(struct behind *b, uint32_t max,
			   struct behind_cells *to)
{
	struct behind_cell *cell = TAILQ_FIRST(&b->waiting);
	uint32_t count = 0;

	TAILQ_INIT(to);
	while (cell != NULL && count < max) {
		uint32_t next_slot = cell->slot + 1;

		TAILQ_REMOVE(&b->waiting, cell, link);
		TAILQ_INSERT_TAIL(to, cell, link);
		cell->state = BEHIND_SENT;
		count++;
		cell = TAILQ_FIRST(&b->waiting);
		if (cell != NULL && cell->slot != next_slot)
			break;
	}
	return count;
}

void behind_release(struct behind *b, struct behind_cells *of)
{
	struct behind_cell *cell;

	while ((cell = TAILQ_FIRST(of)) != NULL) {
		TAILQ_REMOVE(of, cell, link);
		if (cell->state == BEHIND_SENT)
			bucket_remove(b, cell);
		cell_free(b, cell);
	}
}

void behind_send_again(struct behind *b, struct behind_cells *of)
{
	struct behind_cell *cell;

	while ((cell = TAILQ_LAST(of, behind_cells)) != NULL) {
		TAILQ_REMOVE(of, cell, link);
		if (cell->state == BEHIND_SENT) {
			cell->state = BEHIND_WAITING;
			TAILQ_INSERT_HEAD(&b->waiting, cell, link);
		} else {
			cell_free(b, cell);
		}
	}
}

void behind_check(const struct behind *b, uint32_t in_flight)
{
	const struct behind_cell *cell;
	uint32_t free_count = 0, waiting = 0;

	TAILQ_FOREACH(cell, &b->free, link) {
		ASSERT(cell->state == BEHIND_FREE);
		free_count++;
	}
	TAILQ_FOREACH(cell, &b->waiting, link) {
		ASSERT(cell->state == BEHIND_WAITING);
		ASSERT(cell_of(b, cell->slot) == cell);
		waiting++;
	}
	ASSERT(free_count + b->used_count == b->cell_count);
	ASSERT(waiting + in_flight == b->used_count);
}
