/* SPDX-License-Identifier: MIT */
/* Which of a mirror's two children has which slot (MI1), and how many.  This
 * file knows neither requests nor stores. */
#ifndef MEMD_SWAPSTORE_MIRROR_BITS_H
#define MEMD_SWAPSTORE_MIRROR_BITS_H

#include "common/bitmap.h"
#include "common/checks.h"

/* missing[c] counts the slots that only the other child has.  So
 *
 *   slots[0] + missing[0] == slots[1] + missing[1]
 *
 * is the number of slots that at least one child has. */
struct mirror_bits {
	uint32_t slot_count;
	uint64_t *has[2];
	uint64_t slots[2];
	uint64_t missing[2];
};

/* No child has a slot at first.  0 or -ENOMEM. */
int mirror_bits_init(struct mirror_bits *b, uint32_t slot_count) MUST_CHECK;
void mirror_bits_fini(struct mirror_bits *b);	/* accepts a zeroed struct */

static inline bool mirror_bits_test(const struct mirror_bits *b, unsigned c,
				    uint32_t slot)
{
	return bitmap_test(b->has[c], slot);
}

void mirror_bits_set(struct mirror_bits *b, unsigned c, uint32_t slot,
		     uint32_t count, bool has);

/* True if only the other child has the slot. */
static inline bool mirror_bits_misses(const struct mirror_bits *b, unsigned c,
				      uint32_t slot)
{
	return !bitmap_test(b->has[c], slot) &&
	       bitmap_test(b->has[1 - c], slot);
}

/* The first slot from `slot` on that child c has (next), or that only the other
 * child has (next_missed); slot_count: none. */
uint32_t mirror_bits_next(const struct mirror_bits *b, unsigned c,
			  uint32_t slot);
uint32_t mirror_bits_next_missed(const struct mirror_bits *b, unsigned c,
				 uint32_t slot);

/* Count everything again, and ASSERT that the counters agree. */
void mirror_bits_check(const struct mirror_bits *b);

#endif
