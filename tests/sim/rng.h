/* SPDX-License-Identifier: MIT */
/* The simulator's only source of chance: splitmix64.  A seed gives the same
 * numbers on every machine.  Not for secrets. */
#ifndef MEMD_TESTS_SIM_RNG_H
#define MEMD_TESTS_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 … n - 1; 0 when n is 0. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)((rng_next(rng) >> 32) * n >> 32);
}

static inline uint32_t rng_between(struct rng *rng, uint32_t low,
				   uint32_t high)
{
	return low + rng_below(rng, high - low + 1);
}

static inline bool rng_chance(struct rng *rng, uint32_t hits, uint32_t of)
{
	return hits != 0 && rng_below(rng, of) < hits;
}

#endif
