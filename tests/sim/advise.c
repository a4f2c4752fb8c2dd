/* SPDX-License-Identifier: MIT */
/* Asking for advice of every kind, on ranges sensible or not.  How it ends is
 * judged in answers.c. */
#include "tests/sim/sim.h"

#include <errno.h>

static struct sim_advice *advice_get(struct sim *sim)
{
	unsigned at = 0;

	ASSERT(sim->advice_count < SIM_ADVICE_MAX);
	while (sim->advice[at].is_used)
		at++;
	sim->advice_count++;
	sim->advice[at] = (struct sim_advice){
		.is_used = true,
		.in_call = true,
		.cookie = (uint64_t)++sim->cookie_high << 16 | at,
	};
	return &sim->advice[at];
}

static bool is_in_range(const struct sim_segment *sg, uint64_t first,
			uint64_t count)
{
	return count > 0 && first < sg->page_count &&
	       count <= sg->page_count - first;
}

/* The model follows one DONTNEED of a unit at a time. */
static bool has_dontneed(const struct sim_segment *sg, uint64_t first,
			 uint64_t count)
{
	for (uint64_t i = first << sg->order; i < (first + count) << sg->order;
	     i++)
		if (sg->unit[i].flags & UNIT_DONTNEED)
			return true;
	return false;
}

static void expect_dontneed(struct sim_segment *sg, uint64_t first,
			    uint64_t count)
{
	for (uint64_t i = first << sg->order; i < (first + count) << sg->order;
	     i++) {
		sg->unit[i].flags |= UNIT_DONTNEED;
		sg->unit[i].flags &= (uint8_t)~UNIT_WRITTEN;
	}
}

/* Returns what it ended with, or 1 when it is under way (or was not asked). */
int advise(struct sim *sim, struct sim_segment *sg, uint64_t first,
	   uint64_t count, enum pager_advice kind)
{
	struct sim_advice *ad;

	if (sim->advice_count == SIM_ADVICE_MAX ||
	    !programs_settle_for(sim, sg))
		return 1;
	if (kind == PAGER_DONTNEED && is_in_range(sg, first, count)) {
		if (has_dontneed(sg, first, count))
			return 1;
		expect_dontneed(sg, first, count);
		if (sg->order == 0)
			programs_rush(sim, sg, first, count);
	}
	ad = advice_get(sim);
	ad->kind = kind;
	ad->first = first;
	ad->count = count;
	ad->ordinal = sg->ordinal;
	TRACE(sim, "advise %d s%u [%llu, +%llu)", (int)kind, sg->ordinal,
	      (unsigned long long)first, (unsigned long long)count);
	sim->in_pager = true;
	pager_advise(sim->pager, sg->id, first, count, kind, ad->cookie,
		     sim->now_ns);
	sim->in_pager = false;
	answer_promises_kept(sim);
	ad->in_call = false;
	return ad->is_used ? 1 : ad->result;
}

/* Mostly a few pages, now and then the whole segment, or what is not there. */
static void choose_range(struct sim *sim, const struct sim_segment *sg,
			 uint64_t *ret_first, uint64_t *ret_count)
{
	uint32_t pages = (uint32_t)sg->page_count;
	uint32_t die = rng_below(&sim->rng, 40);

	*ret_first = rng_below(&sim->rng, pages);
	*ret_count = rng_between(&sim->rng, 1, 16);
	if (*ret_count > sg->page_count - *ret_first)
		*ret_count = sg->page_count - *ret_first;
	switch (die) {
	case 0:
		*ret_first = 0;
		*ret_count = pages;
		break;
	case 1:
		*ret_count = UINT64_MAX - rng_below(&sim->rng, pages + 1);
		break;
	case 2:
		*ret_first = pages + rng_below(&sim->rng, 3);
		break;
	case 3:
		*ret_count = rng_chance(&sim->rng, 1, 2) ? 0 : pages + 1;
		break;
	default:
		break;
	}
}

void advise_random(struct sim *sim, struct sim_segment *sg)
{
	static const enum pager_advice kinds[] = {
		PAGER_NORMAL, PAGER_SEQUENTIAL, PAGER_RANDOM, PAGER_WILLNEED,
		PAGER_FETCH, PAGER_DONTNEED, PAGER_DONTNEED, PAGER_COLD,
		PAGER_COLD, PAGER_PAGEOUT, PAGER_PAGEOUT, PAGER_PAGEOUT,
	};
	enum pager_advice kind = kinds[rng_below(&sim->rng,
						 ARRAY_SIZE(kinds))];
	uint64_t first, count;

	choose_range(sim, sg, &first, &count);
	(void)advise(sim, sg, first, count, kind);
}

void advise_pin_random(struct sim *sim, struct sim_segment *sg)
{
	uint64_t first, count;

	choose_range(sim, sg, &first, &count);
	(void)advise(sim, sg, first, count, rng_chance(&sim->rng, 1, 2) ?
						    PAGER_PIN : PAGER_UNPIN);
}
