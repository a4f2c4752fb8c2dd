/* SPDX-License-Identifier: MIT */
/* How much a test is to do: the tier that tests/run.sh was asked for, in
 * MEMD_TEST_TIER, and the seed of what is left to chance, in MEMD_TEST_SEED.
 * CONTRIBUTING.md says what the tiers are for. */
#ifndef MEMD_TESTS_TIER_H
#define MEMD_TESTS_TIER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum tier { TIER_QUICK, TIER_RUN, TIER_NIGHT };

/* TIER_RUN without the variable.  Ends the program for any other word. */
static inline enum tier tier_get(void)
{
	static const char *const names[] = { "quick", "run", "night" };
	const char *name = getenv("MEMD_TEST_TIER");

	if (name == NULL)
		return TIER_RUN;
	for (unsigned i = TIER_QUICK; i <= TIER_NIGHT; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum tier)i;
	fprintf(stderr, "MEMD_TEST_TIER=%s: quick, run or night\n", name);
	exit(2);
}

static inline bool tier_is_night(void)
{
	return tier_get() == TIER_NIGHT;
}

/* 1 without the variable. */
static inline uint64_t tier_seed(void)
{
	const char *text = getenv("MEMD_TEST_SEED");

	return text == NULL ? 1 : strtoull(text, NULL, 10);
}

/* Is case `idx` of a list that is too long for the tier run in the sample?  All
 * are at night, else about one in `one_in`, chosen by the seed.  A test that
 * samples prints which case has failed. */
static inline bool tier_takes(uint64_t idx, unsigned one_in)
{
	uint64_t x = (idx + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
		     tier_seed() * UINT64_C(0xbf58476d1ce4e5b9);

	x ^= x >> 31;
	x *= UINT64_C(0x94d049bb133111eb);
	return tier_is_night() || (x ^ x >> 29) % one_in == 0;
}

#endif
