/* SPDX-License-Identifier: MIT */
/* See order.h. */
#include "tests/bench/order.h"

#include <math.h>

enum { SCATTER_PRIME = 7919 };

uint64_t order_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/* Visits each of `count` once where the prime does not divide it. */
static size_t scattered(size_t i, size_t count)
{
	return i % count * SCATTER_PRIME % count;
}

static size_t holes(const struct order *o, size_t i)
{
	return scattered(o->home / ORDER_HOLE_EVERY + i,
			 o->page_count / ORDER_HOLE_EVERY) * ORDER_HOLE_EVERY;
}

static size_t backward(const struct order *o, size_t i)
{
	size_t above = o->page_count / 2 + o->home + 2 * o->page_count;

	return (above - 1 - i % o->page_count) % o->page_count;
}

static size_t strided(const struct order *o, size_t i)
{
	size_t way = i * ORDER_STRIDE;

	return (o->home + way + way / o->page_count) % o->page_count;
}

static size_t moving(const struct order *o, size_t i, uint64_t random)
{
	size_t hot = o->page_count / ORDER_HOT_PART;
	size_t first = o->page_count - hot + i / ORDER_MOVE_EVERY;
	uint64_t which = order_mix(random);

	if (hot == 0 || random % ORDER_HOT_PART == 0)
		return which % o->page_count;
	return (o->home + first + which % hot) % o->page_count;
}

/* ---- Zipf's law; the names are those of the paper */

void zipf_init(struct zipf *z, size_t count, double theta)
{
	z->count = (double)count;
	z->zeta = 0;
	for (size_t r = 1; r <= count; r++)
		z->zeta += pow((double)r, -theta);
	z->zeta_2 = 1 + pow(2, -theta);
	z->alpha = 1 / (1 - theta);
	z->eta = (1 - pow(2 / z->count, 1 - theta)) /
		 (1 - z->zeta_2 / z->zeta);
}

size_t zipf_rank(const struct zipf *z, double u)
{
	double uz = u * z->zeta, rank;

	if (uz < 1 || z->count < 2)
		return 0;
	if (uz < z->zeta_2 || z->count < 3)
		return 1;
	rank = z->count * pow(z->eta * u - z->eta + 1, z->alpha);
	return rank < z->count ? (size_t)rank : (size_t)z->count - 1;
}

/* ---- */

size_t order_page(const struct order *o, size_t i)
{
	uint64_t random = order_mix(o->seed + i);

	switch (o->kind) {
	case ORDER_FORWARD:
	case ORDER_LOOP:
		return (o->home + i) % o->page_count;
	case ORDER_BACKWARD:
		return backward(o, i);
	case ORDER_STRIDED:
		return strided(o, i);
	case ORDER_SCATTERED:
		return scattered(o->home + i, o->page_count);
	case ORDER_HOLES:
		return holes(o, i);
	case ORDER_RANDOM:
		return random % o->page_count;
	case ORDER_ZIPF:
		return order_mix(zipf_rank(o->zipf,
					   (double)(random >> 11) * 0x1p-53)) %
		       o->page_count;
	case ORDER_MOVING:
		return moving(o, i, random);
	}
	return 0;
}
