/* SPDX-License-Identifier: MIT */
/* Which of a mirror's two children has which slot (MI1), and how many.  Knows
 * no requests and no stores. */
#ifndef MEMD_SWAPSTORE_MIRROR_BITS_H
#define MEMD_SWAPSTORE_MIRROR_BITS_H

#include "common/bitmap.h"
#include "common/checks.h"

/* missing[c] counts the slots that only the other one has:
 *
 *   slots[0] + missing[0] == slots[1] + missing[1]
 *
 * which is how many slots any of them has. */
struct mirror_bits {
	uint32_t slot_count;
	uint64_t *has[2];
	uint64_t slots[2];
	uint64_t missing[2];
};

/* None has any.  0, -ENOMEM. */
int mirror_bits_init(struct mirror_bits *b, uint32_t slot_count) MUST_CHECK;
void mirror_bits_fini(struct mirror_bits *b);	/* all zero is fine */

static inline bool mirror_bits_test(const struct mirror_bits *b, unsigned c,
				    uint32_t slot)
{
	return bitmap_test(b->has[c], slot);
}

void mirror_bits_set(struct mirror_bits *b, unsigned c, uint32_t slot,
		     uint32_t count, bool has);

/* Does only the other one have it? */
static inline bool mirror_bits_misses(const struct mirror_bits *b, unsigned c,
				      uint32_t slot)
{
	return !bitmap_test(b->has[c], slot) &&
	       bitmap_test(b->has[1 - c], slot);
}

/* The first slot from `slot` on that child c has, or that it misses;
 * slot_count: none. */
uint32_t mirror_bits_next(const struct mirror_bits *b, unsigned c,
			  uint32_t slot);
uint32_t mirror_bits_next_missed(const struct mirror_bits *b, unsigned c,
				 uint32_t slot);

/* Count all anew and assert that it is what was counted. */
void mirror_bits_check(const struct mirror_bits *b);

#endif
