/* SPDX-License-Identifier: MIT */
/* A world from its seed to its end, and what is said when it breaks. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

uint64_t sim_seed_now;
uint32_t sim_step_now;

static const struct pager_ops sim_ops = {
	.install = datafile_install,
	.install_for = answer_install_for,
	.capture = datafile_capture,
	.look = programs_look,
	.collect = late_collect,
	.submit = disk_submit,
	.discard_slots = disk_discard_slots,
	.is_slot_lost = disk_is_slot_lost,
};

static const struct pager_callbacks sim_callbacks = {
	.segment_gone = answer_gone,
	.file_filled = areas_filled,
	.reply = answer_fault,
	.ready = answer_ready,
	.age = client_age,
	.done = answer_advice,
};

void sim_fail(const struct sim *sim, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "FAILED seed %llu step %u: ",
		(unsigned long long)sim->seed, sim->step);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();		/* main.c tells how to see it again */
}

void sim_trace(const struct sim *sim, const char *format, ...)
{
	va_list args;

	printf("%6u ", sim->step);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void sim_check(struct sim *sim)
{
	struct pager_stats st;
	uint64_t only_in_flight = disk_units_written_out(sim) +
				  late_units_out(sim);

	pager_check(sim->pager);
	pager_stats_get(sim->pager, &st);
	if (st.faults_waiting != sim->fault_count)
		sim_fail(sim, "%llu faults wait in the pager, %u outside",
			 (unsigned long long)st.faults_waiting,
			 sim->fault_count);
	if (st.lent_frames != programs_lent(sim))
		sim_fail(sim, "%llu frames are lent, programs were given %llu",
			 (unsigned long long)st.lent_frames,
			 (unsigned long long)programs_lent(sim));
	if (sim->present_units + only_in_flight + st.free_frames >
	    st.frame_count)
		sim_fail(sim, "%llu units present, %llu on their way out, "
			 "%llu frames free: more than the pool's %llu",
			 (unsigned long long)sim->present_units,
			 (unsigned long long)only_in_flight,
			 (unsigned long long)st.free_frames,
			 (unsigned long long)st.frame_count);
	sim->events[SIM_CHECKS]++;
}

static void describe(const struct sim *sim)
{
	const struct sim_profile *pr = &sim->profile;
	const struct pager_config *c = &pr->config;

	TRACE(sim, "%u frames (low %u, high %u), %u slots, %u areas, %u "
	      "segments, %u faults, readahead %u, staging %zu KiB",
	      c->frame_count, c->low_watermark, c->high_watermark,
	      c->slot_count, c->areas_max, c->segments_max, pr->faults_max,
	      c->readahead_max, c->staging_bytes >> 10);
	TRACE(sim, "orders %u, writes %u%% (zeros %u%%, same %u%%), meddle "
	      "%u%%, install fails %u, capture fails %u, late %u, "
	      "queue %u",
	      pr->orders, pr->write, pr->write_zero, pr->write_same,
	      pr->meddle, pr->install_fail, pr->capture_fail, pr->late,
	      sim->disk.depth);
	TRACE(sim, "store: read %u write %u nospace %u torn %u short %u "
	      "corrupt %u misdirect %u lost %u forget %u delay %u",
	      pr->faults.read_error_rate, pr->faults.write_error_rate,
	      pr->faults.no_space_rate, pr->faults.torn_rate,
	      pr->faults.short_rate, pr->faults.corrupt_rate,
	      pr->faults.misdirect_rate, pr->faults.lost_write_rate,
	      pr->faults.forget_rate, pr->faults.delay_max);
}

static void world_init(struct sim *sim, void *staging)
{
	int err;

	profile_choose(&sim->profile, &sim->rng, sim->seed);
	sim->staging = staging;
	sim->profile.config.staging = staging;
	sim->next_ordinal = 1;
	sim->now_ns = 1;
	disk_init(sim);
	describe(sim);
	err = pager_create(&sim->profile.config, &sim_ops, sim,
			   &sim_callbacks, sim, &sim->pager);
	if (err != 0)
		sim_fail(sim, "pager_create: %s", strerror(-err));
	programs_init(sim);
	for (uint32_t n = rng_between(&sim->rng, 1, 4); n > 0; n--)
		owner_create_segment(sim);
}

static void world_fini(struct sim *sim)
{
	programs_fini(sim);
	pager_destroy(sim->pager);
	disk_fini(sim);
}

void sim_run_seed(uint64_t seed, uint32_t step_count, void *staging,
		  bool is_traced, uint64_t *total_events)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	ASSERT(sim != NULL);
	sim->seed = seed;
	sim->step_count = step_count;
	sim->is_traced = is_traced;
	sim->rng.state = seed;
	sim_seed_now = seed;
	sim_step_now = 0;
	world_init(sim, staging);
	for (sim->step = 1; sim->step <= step_count; sim->step++) {
		sim_step_now = sim->step;
		action_random(sim);
		if (sim->step % sim->profile.check_every == 0)
			sim_check(sim);
	}
	settle_and_end(sim);
	world_fini(sim);
	for (unsigned i = 0; i < SIM_EVENT_COUNT; i++)
		total_events[i] += sim->events[i];
	free(sim);
}
