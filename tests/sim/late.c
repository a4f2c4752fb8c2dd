/* SPDX-License-Identifier: MIT */
/* Captures that end later: in any order, one run after the other, some in
 * error, some after their segment was destroyed, some after it was said that
 * they may never end.  Until its punch a unit is there and clients write to it;
 * what it has then is what is collected. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>

/* Captures of one account that may be under way at once. */
enum { LATE_OF_ACCOUNT = 3 };

static struct sim_late *late_random(struct sim *sim)
{
	unsigned at = rng_below(&sim->rng, PAGER_TICKETS_MAX);

	if (sim->late_count == 0)
		return NULL;
	while (!sim->late[at].is_used || sim->late[at].is_told)
		at = (at + 1) % PAGER_TICKETS_MAX;
	return &sim->late[at];
}

static uint32_t ticket_of(const struct sim *sim, const struct sim_late *lt)
{
	return (uint32_t)(lt - sim->late) + 1;
}

static bool has_unit(const struct sim_late *lt, segment_id id, uint64_t unit)
{
	for (unsigned i = 0; i < lt->run_count; i++)
		if (lt->run[i].segment == id && unit >= lt->run[i].unit &&
		    unit - lt->run[i].unit < lt->run[i].count)
			return true;
	return false;
}

int late_refusal(const struct sim *sim, const struct sim_segment *sg)
{
	unsigned count = 0;

	/* One call may begin one for each account. */
	if (sim->late_used + SIM_ACCOUNTS_MAX >= PAGER_TICKETS_MAX)
		return -EAGAIN;
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++) {
		const struct sim_late *lt = &sim->late[i];

		if (!lt->is_used || lt->is_told || lt->account != sg->account)
			continue;
		if (lt->is_stuck)
			return -EBUSY;
		count++;
	}
	return count < LATE_OF_ACCOUNT ? 0 : -EAGAIN;
}

bool late_is_stuck(const struct sim *sim, segment_id id, uint64_t unit)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		if (sim->late[i].is_used && sim->late[i].is_stuck &&
		    has_unit(&sim->late[i], id, unit))
			return true;
	return false;
}

bool late_has_stuck(const struct sim *sim)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		if (sim->late[i].is_used && sim->late[i].is_stuck)
			return true;
	return false;
}

/* Nothing may be installed where a capture is under way. */
void late_expect_none(const struct sim *sim, const struct sim_segment *sg,
		      uint64_t unit, uint64_t count)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX && sim->late_used; i++)
		for (uint64_t u = unit; u < unit + count; u++)
			if (sim->late[i].is_used &&
			    has_unit(&sim->late[i], sg->id, u))
				sim_fail(sim, "s%u unit %llu is being "
					 "captured", sg->ordinal,
					 (unsigned long long)u);
}

void late_expect_gone(const struct sim *sim, const struct sim_segment *sg)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		for (unsigned k = 0; k < sim->late[i].run_count; k++)
			if (sim->late[i].is_used &&
			    sim->late[i].run[k].segment == sg->id)
				sim_fail(sim, "s%u is gone with a capture "
					 "under way", sg->ordinal);
}

uint64_t late_units_out(const struct sim *sim)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		if (sim->late[i].is_used && !sim->late[i].is_drop)
			count += sim->late[i].units_out;
	return count;
}

static struct sim_late *late_get(struct sim *sim, const struct sim_segment *sg)
{
	struct sim_late *lt = sim->late;

	while (lt->is_used)
		lt++;
	*lt = (struct sim_late){ .is_used = true, .account = sg->account };
	sim->late_count++;
	sim->late_used++;
	sim->events[SIM_LATE]++;
	return lt;
}

/* All runs of the account of capture[first] that have no result yet. */
static void begin(struct sim *sim, struct pager_capture *capture,
		  unsigned first, unsigned count)
{
	const struct sim_segment *own =
		segment_by_id(sim, capture[first].segment);
	struct sim_late *lt = late_get(sim, own);

	lt->is_drop = capture[first].to == NULL;
	for (unsigned i = first; i < count; i++) {
		const struct sim_segment *sg =
			segment_by_id(sim, capture[i].segment);

		if (capture[i].error != CAPTURE_DUE ||
		    sg->account != own->account)
			continue;
		capture[i].error = -EINPROGRESS;
		capture[i].ticket = ticket_of(sim, lt);
		lt->run[lt->run_count++] = capture[i];
	}
	TRACE(sim, "  capture of %u runs, from s%u unit %llu on, is under "
	      "way: %u", lt->run_count, own->ordinal,
	      (unsigned long long)lt->run[0].unit, ticket_of(sim, lt));
}

void late_begin(struct sim *sim, struct pager_capture *capture,
		unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (capture[i].error == CAPTURE_DUE &&
		    rng_chance(&sim->rng, sim->profile.late, 1024))
			begin(sim, capture, i, count);
}

/* The next run is taken out, or fails. */
static void punch_next(struct sim *sim, struct sim_late *lt)
{
	struct pager_capture *run = &lt->run[lt->punched++];
	struct sim_segment *sg = segment_by_id(sim, run->segment);

	if (sg == NULL)
		sim_fail(sim, "a capture of a segment that is gone");
	if (!sim->is_calm && !lt->is_drop &&
	    rng_chance(&sim->rng, sim->profile.capture_fail, 1024)) {
		run->error = -ENOMEM;
		sim->events[SIM_LATE_FAILED]++;
		for (uint64_t i = 0; i < run->count; i++)
			lt->value[lt->value_count++] = 0;
		return;
	}
	run->error = 0;
	lt->units_out += run->count;
	for (uint64_t i = 0; i < run->count; i++)
		if (lt->is_drop)
			discard_unit(sim, sg, run->unit + i);
		else
			lt->value[lt->value_count++] =
				capture_unit(sim, sg, run->unit + i);
	TRACE(sim, "capture %u takes s%u unit %llu +%llu", ticket_of(sim, lt),
	      sg->ordinal, (unsigned long long)run->unit,
	      (unsigned long long)run->count);
}

static void tell(struct sim *sim, struct sim_late *lt)
{
	for (unsigned i = 0; i < lt->run_count; i++) {
		const struct sim_segment *sg =
			segment_by_id(sim, lt->run[i].segment);

		sim->events[SIM_LATE_DESTROYED] +=
			sg->state == SIM_SEGMENT_DYING;
	}
	TRACE(sim, "capture %u has ended", ticket_of(sim, lt));
	lt->is_told = true;
	lt->is_stuck = false;
	sim->late_count--;
	sim->in_pager = true;
	pager_capture_done(sim->pager, ticket_of(sim, lt), sim->now_ns);
	sim->in_pager = false;
	answer_promises_kept(sim);
}

static void stick(struct sim *sim, struct sim_late *lt)
{
	TRACE(sim, "capture %u is stuck", ticket_of(sim, lt));
	lt->is_stuck = true;
	sim->events[SIM_LATE_STUCK]++;
	sim->in_pager = true;
	pager_capture_stuck(sim->pager, ticket_of(sim, lt), sim->now_ns);
	sim->in_pager = false;
	answer_promises_kept(sim);
}

bool late_step(struct sim *sim)
{
	struct sim_late *lt = late_random(sim);

	if (lt == NULL)
		return false;
	if (!sim->is_calm && !lt->is_stuck && rng_chance(&sim->rng, 1, 100))
		stick(sim, lt);
	else if (lt->punched < lt->run_count)
		punch_next(sim, lt);
	else
		tell(sim, lt);
	return true;
}

unsigned late_collect(void *ctx, uint32_t ticket, void *to,
		      struct pager_capture ret_run[PAGER_CAPTURES_MAX])
{
	struct sim *sim = ctx;
	struct sim_late *lt = &sim->late[ticket - 1];
	uint8_t *at = to;

	if (!sim->in_pager || ticket == 0 || ticket > PAGER_TICKETS_MAX ||
	    !lt->is_used || !lt->is_told)
		sim_fail(sim, "collect of ticket %u", ticket);
	if ((to == NULL) != lt->is_drop)
		sim_fail(sim, "ticket %u is %sa drop", ticket,
			 lt->is_drop ? "" : "not ");
	for (unsigned i = 0, k = 0; i < lt->run_count; i++) {
		ret_run[i] = lt->run[i];
		ret_run[i].to = at;
		for (uint64_t u = 0; at != NULL && u < lt->run[i].count; u++) {
			datafile_put(sim, lt->value[k++], at);
			at += PAGER_UNIT_BYTES;
		}
	}
	lt->is_used = false;
	sim->late_used--;
	return lt->run_count;
}
