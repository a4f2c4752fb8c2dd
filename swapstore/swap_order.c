/* SPDX-License-Identifier: MIT */
#include "swapstore/swap_order.h"

enum swap_class swap_order_next(const struct swap_order *so, unsigned ready)
{
	unsigned first = SWAP_CLASSES;

	for (unsigned c = SWAP_CLASSES; c-- > 0;)
		if ((ready & BIT(c)) != 0)
			first = c;
	ASSERT(first != SWAP_CLASSES);
	for (unsigned c = SWAP_CLASSES; c-- > 0;)
		if ((ready & BIT(c)) != 0 && so->passed[c] >= SWAP_TURNS_MAX)
			first = c;
	return (enum swap_class)first;
}

void swap_order_take(struct swap_order *so, unsigned waiting, unsigned ready,
		     enum swap_class taken)
{
	ASSERT((ready & BIT(taken)) != 0 && (ready & ~waiting) == 0);
	for (unsigned c = 0; c < SWAP_CLASSES; c++) {
		if (c == taken || (waiting & BIT(c)) == 0)
			so->passed[c] = 0;
		else if ((ready & BIT(c)) != 0)
			so->passed[c]++;
		ASSERT(so->passed[c] < SWAP_TURNS_MAX + SWAP_CLASSES - 1);
	}
}

/* The requests, and what is kept for classes and not in use by them, are never
 * more than `depth`: a request within what is kept for its class does not
 * change that sum, and any other only goes in if there is room for one more.
 * So a class always gets what is kept for it. */
bool swap_order_has_room(uint32_t depth,
			 const uint32_t in_flight_of[SWAP_CLASSES],
			 enum swap_class class)
{
	static const uint32_t eighths[SWAP_CLASSES] = {
		[SWAP_DEMAND] = 2, [SWAP_AHEAD] = 1, [SWAP_WRITE] = 1,
	};
	uint32_t taken = 0;

	for (unsigned c = 0; c < SWAP_CLASSES; c++)
		taken += c == class ? in_flight_of[c] :
			 MAX(in_flight_of[c], depth / 8 * eighths[c]);
	return taken < depth;
}
