/* SPDX-License-Identifier: MIT */
/* What happens next: one random thing at a time, as often as the seed's
 * weights say. */
#include "tests/sim/sim.h"

static struct sim_segment *live_random(struct sim *sim)
{
	unsigned at = rng_below(&sim->rng, SIM_SEGMENTS_MAX);

	for (unsigned i = 0; i < SIM_SEGMENTS_MAX; i++) {
		struct sim_segment *sg =
			&sim->segment[(at + i) % SIM_SEGMENTS_MAX];

		if (sg->state == SIM_SEGMENT_LIVE)
			return sg;
	}
	return NULL;
}

/* Where a reader of the client goes on; now and then it begins somewhere else,
 * and may go another way. */
static uint64_t walk_on(struct sim *sim, struct sim_segment *sg,
			unsigned client)
{
	static const int64_t steps[] = { 1, 1, 1, 1, -1, -1, 2, 3, -3, 7, -16 };
	uint64_t pages = sg->page_count;
	struct sim_walk *walk = &sg->walk[client][rng_below(&sim->rng,
							    SIM_WALKS)];
	uint64_t page = walk->page;

	if (walk->step == 0 || rng_chance(&sim->rng, 1, 400)) {
		walk->step = steps[rng_below(&sim->rng, ARRAY_SIZE(steps))];
		page = rng_below(&sim->rng, (uint32_t)pages);
	}
	walk->page = (page + pages * 16 + (uint64_t)walk->step) % pages;
	return page;
}

/* Programs read on from where they were, have a working set, and jump. */
static uint64_t page_random(struct sim *sim, struct sim_segment *sg,
			    unsigned client)
{
	if (rng_chance(&sim->rng, sim->profile.walk, 100))
		return walk_on(sim, sg, client);
	if (rng_chance(&sim->rng, sim->profile.hot, 100))
		return sg->hot_first + rng_below(&sim->rng,
						 (uint32_t)sg->hot_count);
	return rng_below(&sim->rng, (uint32_t)sg->page_count);
}

static void access_random(struct sim *sim, struct sim_segment *sg)
{
	unsigned client;
	uint64_t page;

	/* Moving 2 MiB takes as long as hundreds of other steps. */
	if (sg->order == sim_order[3] && rng_chance(&sim->rng, 31, 32))
		return;
	client = rng_below(&sim->rng, sg->client_count);
	page = page_random(sim, sg, client);
	client_access(sim, sg, client, (page << sg->order) +
			      rng_below(&sim->rng, 1u << sg->order),
		      rng_chance(&sim->rng, sim->profile.write, 100));
}

/* An id where no segment lives (any more), or a page past the end. */
static void do_bad_fault(struct sim *sim)
{
	struct sim_segment *sg = live_random(sim);
	segment_id id = rng_below(&sim->rng,
				  sim->profile.config.segments_max + 1);
	uint64_t page = rng_next(&sim->rng);

	if (sg != NULL && rng_chance(&sim->rng, 1, 2)) {
		page = rng_chance(&sim->rng, 1, 2) ? sg->page_count :
			UINT64_MAX - rng_below(&sim->rng, 1000);
		client_fault(sim, sg->id, page, 0, false);
		return;
	}
	sg = segment_by_id(sim, id);
	if (sg != NULL && sg->state == SIM_SEGMENT_LIVE)
		page |= UINT64_C(1) << 62;
	else
		page %= 4096;
	client_fault(sim, id, page, 0, rng_chance(&sim->rng, 1, 2));
}

/* Reports may come late, or be nonsense. */
static void do_touched(struct sim *sim)
{
	segment_id id = rng_below(&sim->rng,
				  sim->profile.config.segments_max + 1);
	struct sim_segment *sg = live_random(sim);
	uint64_t first = rng_below(&sim->rng, 300);
	uint64_t count = rng_below(&sim->rng, 40);

	if (sg != NULL && !rng_chance(&sim->rng, 1, 8)) {
		id = sg->id;
		first = rng_below(&sim->rng, (uint32_t)sg->page_count);
	} else if (rng_chance(&sim->rng, 1, 4)) {
		count = UINT64_MAX - first;
	}
	TRACE(sim, "touched id %u [%llu, +%llu)", id,
	      (unsigned long long)first, (unsigned long long)count);
	sim->in_pager = true;
	(void)pager_touched(sim->pager, id, first, count, sim->now_ns);
	sim->in_pager = false;
	answer_promises_kept(sim);
}

static void do_run(struct sim *sim)
{
	TRACE(sim, "run");
	sim->in_pager = true;
	(void)pager_run(sim->pager, sim->now_ns);
	sim->in_pager = false;
	if (pager_asks_loans(sim->pager))
		programs_recall(sim);
	answer_promises_kept(sim);
}

static void do_issue(struct sim *sim)
{
	for (uint32_t n = rng_between(&sim->rng, 1, 16); n > 0; n--)
		if (!disk_issue(sim))
			return;
}

static void do_deliver(struct sim *sim)
{
	for (uint32_t n = rng_between(&sim->rng, 1, 8); n > 0; n--)
		if (!disk_deliver(sim))
			return;
}

/* A program with all its threads in faults does nothing but wait. */
static bool must_wait(struct sim *sim)
{
	return sim->fault_count >= sim->profile.faults_max;
}

static void do_access(struct sim *sim)
{
	struct sim_segment *sg = live_random(sim);

	if (sg == NULL)
		return;
	for (uint32_t n = rng_between(&sim->rng, 1, 16); n > 0; n--) {
		if (!must_wait(sim)) {
			access_random(sim, sg);
			continue;
		}
		do_run(sim);
		do_issue(sim);
		do_deliver(sim);
		return;
	}
}

static void do_advise(struct sim *sim)
{
	struct sim_segment *sg = live_random(sim);

	if (sg != NULL)
		advise_random(sim, sg);
}

static void do_pin(struct sim *sim)
{
	struct sim_segment *sg = live_random(sim);

	if (sg != NULL)
		advise_pin_random(sim, sg);
}

static void do_destroy(struct sim *sim)
{
	struct sim_segment *sg = live_random(sim);

	if (sg != NULL)
		owner_destroy_segment(sim, sg);
}

static void do_areas(struct sim *sim)
{
	areas_trim(sim);
	areas_repair(sim);
	areas_end_unused(sim);
}

static void do_sleep(struct sim *sim)
{
	sim->now_ns += rng_below(&sim->rng, 1000000000);
}

static void do_late(struct sim *sim)
{
	for (uint32_t n = rng_between(&sim->rng, 1, 8); n > 0; n--)
		if (!late_step(sim))
			return;
}

static void do_retry(struct sim *sim)
{
	TRACE(sim, "retry what was refused");
	(void)pager_retry_refused(sim->pager);
}

void action_random(struct sim *sim)
{
	static void (*const action[DO_ACTIONS])(struct sim *sim) = {
		[DO_ACCESS] = do_access,
		[DO_BAD_FAULT] = do_bad_fault,
		[DO_TOUCHED] = do_touched,
		[DO_ISSUE] = do_issue,
		[DO_DELIVER] = do_deliver,
		[DO_RUN] = do_run,
		[DO_ADVISE] = do_advise,
		[DO_PIN] = do_pin,
		[DO_CREATE] = owner_create_segment,
		[DO_DESTROY] = do_destroy,
		[DO_ACCOUNT] = owner_change_account,
		[DO_SETTLE] = settle,
		[DO_SLEEP] = do_sleep,
		[DO_AREAS] = do_areas,
		[DO_LATE] = do_late,
		[DO_RETRY] = do_retry,
		[DO_PROGRAMS] = programs_act,
	};
	uint32_t die = rng_below(&sim->rng, sim->profile.weight_sum);
	unsigned at = 0;

	while (die >= sim->profile.weight[at])
		die -= sim->profile.weight[at++];
	sim->now_ns += rng_below(&sim->rng,
				 (uint32_t)sim->profile.time_step_ns);
	action[at](sim);
}
