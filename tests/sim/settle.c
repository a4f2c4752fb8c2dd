/* SPDX-License-Identifier: MIT */
/* Coming to rest.  When nothing new is asked and the disk answers, the pager
 * must end everything it has begun, within a bounded number of rounds, and
 * then stop; and at the end of the world every byte is looked at and every
 * frame and slot must be free again. */
#include "tests/sim/sim.h"

#include <errno.h>

enum {
	ROUNDS_MAX = 20000,	/* each: one run, and all the I/O there is */
	QUIET_ROUNDS = 3,
};

/* Returns true when anything happened. */
static bool settle_round(struct sim *sim)
{
	bool is_busy;

	sim->now_ns += 10000000;
	(void)pager_retry_refused(sim->pager);
	sim->in_pager = true;
	is_busy = pager_run(sim->pager, sim->now_ns);
	sim->in_pager = false;
	if (pager_asks_loans(sim->pager))
		programs_recall(sim);
	answer_promises_kept(sim);
	while (late_step(sim))
		is_busy = true;
	while (disk_issue(sim))
		is_busy = true;
	while (disk_deliver(sim))
		is_busy = true;
	return is_busy;
}

static void show_waiting(struct sim *sim)
{
	struct pager_stats st;

	pager_stats_get(sim->pager, &st);
	fprintf(stderr, "frames: %llu, free %llu, resident %llu, loading %llu,"
		" evicting %llu, pinned %llu; slots: free %llu, bad %llu\n",
		(unsigned long long)st.frame_count,
		(unsigned long long)st.free_frames,
		(unsigned long long)st.resident_frames,
		(unsigned long long)st.loading_frames,
		(unsigned long long)st.evicting_frames,
		(unsigned long long)st.pinned_frames,
		(unsigned long long)st.free_slots,
		(unsigned long long)st.quarantined_slots);
	for (unsigned i = 0; i < SIM_FAULTS_MAX; i++)
		if (sim->fault[i].is_used)
			fprintf(stderr, "fault #%x s%u page %llu waits\n",
				sim->fault[i].number, sim->fault[i].ordinal,
				(unsigned long long)sim->fault[i].page);
	for (unsigned i = 0; i < SIM_ADVICE_MAX; i++)
		if (sim->advice[i].is_used)
			fprintf(stderr, "advice %d s%u [%llu, +%llu) waits\n",
				(int)sim->advice[i].kind,
				sim->advice[i].ordinal,
				(unsigned long long)sim->advice[i].first,
				(unsigned long long)sim->advice[i].count);
}

/* What must hold when nothing is under way. */
static void check_rest(struct sim *sim)
{
	const struct sim_profile *pr = &sim->profile;
	struct pager_stats st;

	pager_stats_get(sim->pager, &st);
	if (sim->fault_count != 0 || sim->advice_count != 0) {
		show_waiting(sim);
		sim_fail(sim, "at rest with %u faults and %u advices waiting",
			 sim->fault_count, sim->advice_count);
	}
	if (!pager_is_idle(sim->pager))
		sim_fail(sim, "at rest and not idle");
	if (st.free_frames + st.resident_frames != st.frame_count)
		sim_fail(sim, "at rest: %llu frames free, %llu resident, of "
			 "%llu", (unsigned long long)st.free_frames,
			 (unsigned long long)st.resident_frames,
			 (unsigned long long)st.frame_count);
	/* Holes of a zero-fill that ran out of memory count as resident. */
	if (sim->present_units > st.resident_frames ||
	    (sim->present_units < st.resident_frames &&
	     pr->install_fail == 0))
		sim_fail(sim, "at rest: %llu units are present, %llu are "
			 "said to be resident",
			 (unsigned long long)sim->present_units,
			 (unsigned long long)st.resident_frames);
	if (st.quarantined_slots < sim->disk.bad_slots)
		sim_fail(sim, "%u slots have failed, %llu are quarantined",
			 sim->disk.bad_slots,
			 (unsigned long long)st.quarantined_slots);
	if (st.quarantined_slots != 0 && pr->does_only_forget)
		sim_fail(sim, "%llu slots are quarantined, and only lost "
			 "what they had",
			 (unsigned long long)st.quarantined_slots);
	sim->events[SIM_FULL_STORE] += st.free_slots == 0 &&
				       st.slot_count != 0;
}

/* Accounts come down to their limits, where eviction is possible at all. */
static void check_limits(struct sim *sim)
{
	struct pager_stats st;

	pager_stats_get(sim->pager, &st);
	if (st.free_slots < st.resident_frames || st.pinned_frames != 0 ||
	    sim->profile.has_store_faults)
		return;
	for (unsigned i = 0; i < SIM_ACCOUNTS_MAX; i++) {
		const struct sim_account *ac = &sim->account[i];
		struct account_info info;

		if (!ac->is_used || ac->limit_frames == 0)
			continue;
		pager_account_get(sim->pager, ac->id, &info);
		if (info.used_frames > MAX(ac->limit_frames,
					   UINT64_C(4) << sim_order[
						sim->profile.orders - 1]) &&
		    info.used_frames > 64)
			sim_fail(sim, "account %u uses %llu frames, its limit "
				 "is %llu", ac->id,
				 (unsigned long long)info.used_frames,
				 (unsigned long long)ac->limit_frames);
	}
}

void settle(struct sim *sim)
{
	unsigned quiet = 0, rounds = 0;

	TRACE(sim, "settle");
	sim->is_calm = true;
	programs_rest(sim);
	while (quiet < QUIET_ROUNDS) {
		if (++rounds > ROUNDS_MAX) {
			show_waiting(sim);
			sim_fail(sim, "does not come to rest in %d rounds",
				 ROUNDS_MAX);
		}
		quiet = settle_round(sim) ? 0 : quiet + 1;
	}
	check_rest(sim);
	check_limits(sim);
	sim->is_calm = false;
	sim->events[SIM_SETTLED]++;
}

/* ---- the end of the world */

static void unpin_all(struct sim *sim)
{
	struct segment_info info;
	struct pager_stats st;

	for (unsigned i = 0; i < SIM_SEGMENTS_MAX; i++) {
		struct sim_segment *sg = &sim->segment[i];

		if (sg->state != SIM_SEGMENT_LIVE)
			continue;
		pager_segment_get(sim->pager, sg->id, &info);
		for (uint64_t page = 0; page < sg->page_count &&
					info.pinned != 0; page++)
			while (advise(sim, sg, page, 1, PAGER_UNPIN) == 0)
				;
	}
	pager_stats_get(sim->pager, &st);
	if (st.pinned_frames != 0)
		sim_fail(sim, "%llu frames are pinned and cannot be unpinned",
			 (unsigned long long)st.pinned_frames);
}

static bool is_page_present(const struct sim_segment *sg, uint64_t page)
{
	for (uint64_t i = page << sg->order; i < (page + 1) << sg->order; i++)
		if (!(sg->unit[i].flags & UNIT_PRESENT))
			return false;
	return true;
}

static void compare_page(struct sim *sim, struct sim_segment *sg,
			 uint64_t page)
{
	for (uint64_t i = page << sg->order; i < (page + 1) << sg->order; i++)
		unit_must_be(sim, sg, i, sg->unit[i].actual,
			     "the last comparison");
	sim->events[SIM_VERIFIED]++;
}

/* It has been answered, its bytes compared then, and has left again since. */
static bool was_seen(const struct sim *sim, const struct sim_segment *sg,
		     uint64_t page)
{
	return sim->seen_ordinal == sg->ordinal && sim->seen_page == page;
}

/* Fault a page in, however long it takes.  A store that has lost slots may
 * leave no room for it (-ENOMEM); then, and when it is lost, there are no
 * bytes to compare. */
static void verify_page(struct sim *sim, struct sim_segment *sg,
			uint64_t page)
{
	if (!is_page_present(sg, page)) {
		sim->seen_ordinal = 0;
		client_fault(sim, sg->id, page, 0, false);
	}
	if (!is_page_present(sg, page))
		settle(sim);
	if (is_page_present(sg, page))
		compare_page(sim, sg, page);
	else if (was_seen(sim, sg, page))
		sim->events[SIM_VERIFIED]++;
	else if (!sg->page[page].is_lost && sim->disk.bad_slots == 0 &&
		 !sim->profile.has_store_faults)
		sim_fail(sim, "s%u page %llu cannot be had", sg->ordinal,
			 (unsigned long long)page);
}

static void verify_segment(struct sim *sim, struct sim_segment *sg)
{
	sim->profile.meddle = 0;
	for (uint64_t page = 0; page < sg->page_count; page++)
		verify_page(sim, sg, page);
}

static void check_all_free(struct sim *sim)
{
	struct pager_stats st;

	pager_stats_get(sim->pager, &st);
	if (st.free_frames != st.frame_count)
		sim_fail(sim, "the end: %llu of %llu frames are free",
			 (unsigned long long)st.free_frames,
			 (unsigned long long)st.frame_count);
	if (st.free_slots + st.quarantined_slots != st.slot_count)
		sim_fail(sim, "the end: %llu of %llu slots are free, %llu bad",
			 (unsigned long long)st.free_slots,
			 (unsigned long long)st.slot_count,
			 (unsigned long long)st.quarantined_slots);
	if (st.committed_units != 0 || st.faults_waiting != 0 ||
	    sim->present_units != 0)
		sim_fail(sim, "the end: %llu committed, %llu faults, %llu "
			 "units present",
			 (unsigned long long)st.committed_units,
			 (unsigned long long)st.faults_waiting,
			 (unsigned long long)sim->present_units);
}

static void keep_stats(struct sim *sim)
{
	struct pager_stats st;

	pager_stats_get(sim->pager, &st);
	sim->events[SIM_WAITS] += st.faults_waited;
	sim->events[SIM_EVICTED] += st.evicted;
	sim->events[SIM_EVICTED_CLEAN] += st.evicted_clean;
	sim->events[SIM_EVICTED_ZERO] += st.evicted_zero;
	sim->events[SIM_READAHEAD] += st.readahead_pages;
	sim->events[SIM_READAHEAD_HITS] += st.readahead_hits;
	sim->events[SIM_READAHEAD_WASTED] += st.readahead_wasted;
	if (st.readahead_hits + st.readahead_wasted > st.readahead_pages)
		sim_fail(sim, "%llu pages read ahead, %llu used, %llu not",
			 (unsigned long long)st.readahead_pages,
			 (unsigned long long)st.readahead_hits,
			 (unsigned long long)st.readahead_wasted);
	sim->events[SIM_SLOTS_LOST] += st.quarantined_slots;
}

void settle_and_end(struct sim *sim)
{
	settle(sim);
	unpin_all(sim);
	owner_lift_limits(sim);
	for (unsigned i = 0; i < SIM_SEGMENTS_MAX; i++) {
		struct sim_segment *sg = &sim->segment[i];

		if (sg->state != SIM_SEGMENT_LIVE)
			continue;
		verify_segment(sim, sg);
		owner_destroy_segment(sim, sg);
	}
	settle(sim);
	sim_check(sim);
	keep_stats(sim);
	areas_end_unused(sim);
	sim_check(sim);
	check_all_free(sim);
}
