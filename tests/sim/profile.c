/* SPDX-License-Identifier: MIT */
/* How a seed behaves.  Each stresses something else (swarm testing): a world
 * that does everything at once rarely gets deep into anything. */
#include "daemon/replace/replace.h"
#include "tests/sim/sim.h"

const unsigned sim_order[SIM_ORDERS] = { 0, 2, 4, 9 };

/* One of the values, each as likely. */
#define PICK(rng, ...)							\
	(((const uint32_t[]){ __VA_ARGS__ })[rng_below(			\
		rng, ARRAY_SIZE(((const uint32_t[]){ __VA_ARGS__ })))])

enum {
	HUGE_EVERY = 250,	/* seeds: 2 MiB pages are slow to move */
	READERS_EVERY = 16,
};

static void choose_config(struct pager_config *c, struct rng *rng,
			  bool is_huge)
{
	uint32_t frames = 64u << rng_below(rng, 5);
	uint32_t ratio = PICK(rng, 0, 4, 8, 16, 32, 64, 96);

	frames += rng_below(rng, frames);
	if (is_huge)
		frames = 8192 + rng_below(rng, 2048);
	*c = (struct pager_config){
		.frame_count = frames,
		.slot_count = (uint32_t)((uint64_t)frames * ratio / 16),
		.segments_max = rng_between(rng, 1, SIM_SEGMENTS_MAX),
		.accounts_max = rng_between(rng, 1, SIM_ACCOUNTS_MAX),
		.readahead_max = PICK(rng, 0, 1, 8, 32, 64, 512, 512),
		.lent_max = PICK(rng, 0, 16, frames / 4),
		.requests_max = PICK(rng, 0, 1, 4, 32),
		.staging_bytes = PICK(rng, 512u << 10, 1u << 20, 4u << 20),
	};
	if (c->slot_count != 0 && rng_chance(rng, 1, 2))
		c->areas_max = rng_between(rng, 1, SIM_AREAS_MAX);
	c->fills_files = c->areas_max != 0 && rng_chance(rng, 3, 4);
	if (is_huge)
		c->staging_bytes = PICK(rng, 8u << 20, 16u << 20);
	if (rng_chance(rng, 1, 2)) {
		c->low_watermark = rng_between(rng, 1, frames / 8);
		c->high_watermark = c->low_watermark +
				    rng_between(rng, 1, frames / 8);
	}
}

static void choose_store_faults(struct sim_profile *pr, struct rng *rng,
				uint64_t seed)
{
	uint32_t most = PICK(rng, 60, 400, 2500);
	uint32_t *const rate[] = {
		&pr->faults.read_error_rate, &pr->faults.write_error_rate,
		&pr->faults.no_space_rate, &pr->faults.torn_rate,
		&pr->faults.short_rate, &pr->faults.corrupt_rate,
		&pr->faults.misdirect_rate, &pr->faults.lost_write_rate,
		&pr->faults.forget_rate,
	};

	pr->faults.seed = seed;
	pr->faults.delay_max = PICK(rng, 0, 2, 10);
	if (rng_chance(rng, 2, 5))
		return;
	pr->does_only_forget = rng_chance(rng, 1, 6);
	if (pr->does_only_forget) {
		pr->faults.forget_rate = most;
		pr->has_store_faults = true;
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(rate); i++)
		if (rng_chance(rng, 1, 3)) {
			*rate[i] = rng_between(rng, 1, most);
			pr->has_store_faults = true;
		}
}

static void choose_weights(struct sim_profile *pr, struct rng *rng)
{
	static const uint32_t usual[DO_ACTIONS] = {
		[DO_ACCESS] = 5000,
		[DO_BAD_FAULT] = 60,
		[DO_TOUCHED] = 200,
		[DO_ISSUE] = 1800,
		[DO_DELIVER] = 1800,
		[DO_RUN] = 1500,
		[DO_ADVISE] = 300,
		[DO_PIN] = 60,
		[DO_CREATE] = 16,
		[DO_DESTROY] = 8,
		[DO_ACCOUNT] = 30,
		[DO_SETTLE] = 4,
		[DO_SLEEP] = 20,
		[DO_AREAS] = 20,
		[DO_LATE] = 1000,
		[DO_RETRY] = 20,
		[DO_PROGRAMS] = 4000,
	};

	for (unsigned i = 0; i < DO_ACTIONS; i++) {
		pr->weight[i] = usual[i] * PICK(rng, 1, 4, 4, 4, 16) / 4;
		pr->weight_sum += pr->weight[i];
	}
}

static void choose_manners(struct sim_profile *pr, struct rng *rng)
{
	pr->orders = rng_between(rng, 1, 3);
	pr->install_fail = PICK(rng, 0, 0, 0, 4, 60);
	pr->capture_fail = PICK(rng, 0, 0, 0, 10, 120);
	pr->late = PICK(rng, 0, 0, 10, 200, 1024);
	pr->store_busy = PICK(rng, 0, 0, 20, 300);
	pr->obey_age = PICK(rng, 0, 50, 100, 100);
	pr->report_minor = PICK(rng, 0, 50, 100, 100);
	pr->write = PICK(rng, 3, 20, 50, 90);
	pr->write_zero = PICK(rng, 0, 2, 20);
	pr->write_same = PICK(rng, 0, 10, 40);
	pr->meddle = PICK(rng, 0, 5, 30, 100);
	pr->walk = PICK(rng, 5, 25, 80, 98);
	pr->ask_anyway = PICK(rng, 0, 10, 60);
	pr->hot = PICK(rng, 10, 50, 90);
	pr->one_sided = PICK(rng, 0, 60, 95, 100);
	if (pr->one_sided == 0) {
		pr->weight_sum -= pr->weight[DO_PROGRAMS];
		pr->weight[DO_PROGRAMS] = 0;
	}
	pr->sleeps = PICK(rng, 0, 20, 200);
	pr->credits = PICK(rng, 2, 16, 64);
	pr->time_step_ns = PICK(rng, 1000, 50000, 5000000);
}

void profile_choose(struct sim_profile *pr, struct rng *rng, uint64_t seed)
{
	bool is_huge = seed % HUGE_EVERY == 7;

	*pr = (struct sim_profile){ 0 };
	choose_config(&pr->config, rng, is_huge);
	pr->faults_max = PICK(rng, 3, 32, 64, 256, 256);
	choose_store_faults(pr, rng, seed);
	choose_weights(pr, rng);
	choose_manners(pr, rng);
	/* Readers that are faster than the disk. */
	if (seed % READERS_EVERY == 3) {
		pr->config.readahead_max = 512;
		pr->walk = 98;
		pr->write = 3;
	}
	if (is_huge)
		pr->orders = SIM_ORDERS;
	pr->config.replacement = replace_policy_name(1 - seed / 2 % 2);
	/* Recounting takes long where there is much to count. */
	pr->check_every = pr->config.frame_count < 192 &&
			  rng_chance(rng, 1, 8) ? 1 :
			  PICK(rng, 500, 1000, 2500);
}
