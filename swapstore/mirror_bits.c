/* SPDX-License-Identifier: MIT */
/* Bitmaps of slots: see mirror_bits.h.  They are sparse memory: only parts with
 * used slots take memory. */
#include "swapstore/mirror_bits.h"

#include <errno.h>
#include <sys/mman.h>

static size_t map_bytes(uint32_t slot_count)
{
	return BITMAP_WORDS((size_t)slot_count) * sizeof(uint64_t);
}

int mirror_bits_init(struct mirror_bits *b, uint32_t slot_count)
{
	*b = (struct mirror_bits){ .slot_count = slot_count };
	for (unsigned c = 0; c < 2; c++) {
		void *at = mmap(NULL, map_bytes(slot_count),
				PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);

		if (at == MAP_FAILED) {
			mirror_bits_fini(b);
			return -ENOMEM;
		}
		b->has[c] = at;
	}
	return 0;
}

void mirror_bits_fini(struct mirror_bits *b)
{
	for (unsigned c = 0; c < 2; c++)
		if (b->has[c] != NULL)
			munmap(b->has[c], map_bytes(b->slot_count));
	*b = (struct mirror_bits){ 0 };
}

static void set_one(struct mirror_bits *b, unsigned c, uint32_t slot, bool has)
{
	bool has_other = bitmap_test(b->has[1 - c], slot);
	/* the child whose count of missing slots changes */
	unsigned whose = has_other ? c : 1 - c;

	if (bitmap_test(b->has[c], slot) == has)
		return;
	if (has)
		bitmap_set(b->has[c], slot);
	else
		bitmap_clear(b->has[c], slot);
	b->slots[c] += has ? 1 : (uint64_t)-1;
	b->missing[whose] += has == has_other ? (uint64_t)-1 : 1;
}

void mirror_bits_set(struct mirror_bits *b, unsigned c, uint32_t slot,
		     uint32_t count, bool has)
{
	for (uint32_t i = slot; i < slot + count; i++)
		set_one(b, c, i, has);
}

/* The first set bit from `slot` on in has[c], or (is_missed) in the slots that
 * only the other child has. */
static uint32_t next_bit(const struct mirror_bits *b, unsigned c,
			 bool is_missed, uint32_t slot)
{
	while (slot < b->slot_count) {
		uint64_t word = b->has[c][slot / 64];

		if (is_missed)
			word = ~word & b->has[1 - c][slot / 64];
		word >>= slot % 64;
		if (word != 0)
			return slot + (uint32_t)__builtin_ctzll(word);
		if (b->slot_count - slot <= 64 - slot % 64)
			break;
		slot += 64 - slot % 64;
	}
	return b->slot_count;
}

uint32_t mirror_bits_next(const struct mirror_bits *b, unsigned c,
			  uint32_t slot)
{
	return next_bit(b, c, false, slot);
}

uint32_t mirror_bits_next_missed(const struct mirror_bits *b, unsigned c,
				 uint32_t slot)
{
	return next_bit(b, c, true, slot);
}

void mirror_bits_check(const struct mirror_bits *b)
{
	for (unsigned c = 0; c < 2; c++) {
		uint64_t missing = 0;

		for (uint32_t s = mirror_bits_next_missed(b, c, 0);
		     s < b->slot_count;
		     s = mirror_bits_next_missed(b, c, s + 1))
			missing++;
		ASSERT(b->missing[c] == missing);
		ASSERT(b->slots[c] == bitmap_count(b->has[c], b->slot_count));
	}
	ASSERT(b->slots[0] + b->missing[0] == b->slots[1] + b->missing[1]);
}
