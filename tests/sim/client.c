/* SPDX-License-Identifier: MIT */
/* The clients: they read and write what they have mapped, at any moment, map
 * what is present without asking, send faults for what is not, and unmap what
 * is aged, or do not. */
#include "tests/sim/sim.h"

static uint64_t fresh_value(struct sim *sim, const struct sim_segment *sg,
			    uint64_t unit)
{
	uint32_t die = rng_below(&sim->rng, 16);
	enum pattern_kind kind = die == 0 ? PATTERN_SPARSE :
				 die == 1 ? PATTERN_LAST : PATTERN_DENSE;

	return pattern_value(kind, sg->ordinal, unit, ++sim->version);
}

static void write_unit(struct unit *u, uint64_t value)
{
	u->expect = u->actual = value;
	u->flags |= UNIT_WRITTEN;
}

static bool is_all_present(const struct sim_segment *sg, uint64_t page)
{
	for (uint64_t i = page << sg->order; i < (page + 1) << sg->order; i++)
		if (!(sg->unit[i].flags & UNIT_PRESENT))
			return false;
	return true;
}

/* Make a whole page zeros, or none of it: so that bytes on the disk always
 * say whose they are.  (Pages of both are the unit tests' business.) */
static void write_whole_page(struct sim *sim, struct sim_segment *sg,
			     uint64_t page, bool is_zero)
{
	for (uint64_t i = page << sg->order; i < (page + 1) << sg->order;
	     i++) {
		struct unit *u = &sg->unit[i];

		unit_must_be(sim, sg, i, u->actual, "a client's read");
		if (is_zero)
			write_unit(u, 0);
		else if (u->actual == 0)
			write_unit(u, fresh_value(sim, sg, i));
	}
}

static void client_write(struct sim *sim, struct sim_segment *sg,
			 uint64_t unit)
{
	const struct sim_profile *pr = &sim->profile;
	uint32_t die = rng_below(&sim->rng, 100);
	struct unit *u = &sg->unit[unit];
	bool is_zero = die < pr->write_zero;

	if (!is_zero && die < pr->write_zero + pr->write_same) {
		write_unit(u, u->actual);
	} else if (is_zero || u->actual == 0) {
		if (is_all_present(sg, unit >> sg->order))
			write_whole_page(sim, sg, unit >> sg->order, is_zero);
	} else {
		write_unit(u, fresh_value(sim, sg, unit));
	}
}

/* Read or write a unit that is present. */
void client_touch(struct sim *sim, struct sim_segment *sg, unsigned client,
		  uint64_t unit, bool is_write)
{
	struct unit *u = &sg->unit[unit];

	ASSERT(u->flags & UNIT_PRESENT);
	u->mapped |= (uint8_t)BIT(client);
	unit_must_be(sim, sg, unit, u->actual, "a client's read");
	if (is_write)
		client_write(sim, sg, unit);
}

/* Other threads do not wait for a pager call to end: let some of them act on
 * whatever is present just now. */
void client_meddle(struct sim *sim)
{
	unsigned tries = 3;

	programs_meddle(sim);
	if (!rng_chance(&sim->rng, sim->profile.meddle, 100))
		return;
	while (tries-- > 0) {
		struct sim_segment *sg = &sim->segment[rng_below(
			&sim->rng, SIM_SEGMENTS_MAX)];
		uint64_t unit;

		if (sg->state != SIM_SEGMENT_LIVE)
			continue;
		unit = rng_below(&sim->rng, (uint32_t)sg->unit_count);
		if (!(sg->unit[unit].flags & UNIT_PRESENT))
			continue;
		sim->events[SIM_WRITES_IN_CALL]++;
		TRACE(sim, "  meanwhile a client writes s%u unit %llu",
		      sg->ordinal, (unsigned long long)unit);
		client_touch(sim, sg, rng_below(&sim->rng, sg->client_count),
			     unit, true);
	}
}

void client_age(void *ctx, segment_id id, uint64_t first, uint64_t count)
{
	struct sim *sim = ctx;
	struct sim_segment *sg = segment_by_id(sim, id);

	if (sg == NULL || count == 0 || first >= sg->page_count ||
	    count > sg->page_count - first)
		sim_fail(sim, "Age for segment id %u [%llu, +%llu)", id,
			 (unsigned long long)first, (unsigned long long)count);
	if (!rng_chance(&sim->rng, sim->profile.obey_age, 100)) {
		sim->events[SIM_AGE_IGNORED] += count;
		return;
	}
	TRACE(sim, "  age s%u page %llu +%llu", sg->ordinal,
	      (unsigned long long)first, (unsigned long long)count);
	for (uint64_t i = first << sg->order; i < (first + count) << sg->order;
	     i++)
		sg->unit[i].mapped = 0;
	sim->events[SIM_AGE_OBEYED] += count;
}

/* One of them is of the kind that nobody tells of what is read ahead. */
uint32_t client_tag(unsigned client)
{
	return client == SIM_CLIENTS_MAX - 1 ? 0 : client + 1;
}

static void map_page(struct sim_segment *sg, unsigned client, uint64_t page)
{
	for (uint64_t i = page << sg->order; i < (page + 1) << sg->order; i++)
		sg->unit[i].mapped |= (uint8_t)BIT(client);
}

/* The client hears that pages are there: it maps all but the mark. */
void client_told(struct sim *sim, struct sim_segment *sg, unsigned client,
		 uint64_t first, uint64_t count, uint64_t mark)
{
	for (uint64_t page = first; page < first + count; page++)
		if (page != mark)
			map_page(sg, client, page);
	if (mark == PAGER_NO_PAGE)
		return;
	if (mark < first || mark - first >= count || client_tag(client) == 0)
		sim_fail(sim, "pages [%llu, +%llu) with mark %llu",
			 (unsigned long long)first, (unsigned long long)count,
			 (unsigned long long)mark);
	sg->mark[client][rng_below(&sim->rng, SIM_MARK_PLACES)] = mark + 1;
	sim->events[SIM_MARKS]++;
}

static bool take_mark(struct sim *sim, struct sim_segment *sg, unsigned client,
		      uint64_t page)
{
	for (unsigned i = 0; i < SIM_MARK_PLACES; i++) {
		if (sg->mark[client][i] != page + 1)
			continue;
		sg->mark[client][i] = 0;
		sim->events[SIM_MARKS_TOUCHED]++;
		return true;
	}
	return false;
}

/* A MINOR fault: the page is present, only not mapped here. */
static void client_map(struct sim *sim, struct sim_segment *sg,
		       unsigned client, uint64_t unit)
{
	uint64_t page = unit >> sg->order;

	for (uint64_t i = page << sg->order; i < (page + 1) << sg->order; i++)
		if (sg->unit[i].flags & UNIT_PRESENT)
			sg->unit[i].mapped |= (uint8_t)BIT(client);
	sim->events[SIM_MINOR]++;
	if (!take_mark(sim, sg, client, page) &&
	    !rng_chance(&sim->rng, sim->profile.report_minor, 100))
		return;
	TRACE(sim, "touched s%u page %llu", sg->ordinal,
	      (unsigned long long)page);
	sim->in_pager = true;
	(void)pager_touched(sim->pager, sg->id, page, 1, sim->now_ns);
	sim->in_pager = false;
	answer_promises_kept(sim);
}

static struct sim_fault *fault_get(struct sim *sim)
{
	unsigned at = rng_below(&sim->rng, SIM_FAULTS_MAX);

	ASSERT(sim->fault_count < SIM_FAULTS_MAX);
	while (sim->fault[at].is_used)
		at = (at + 1) % SIM_FAULTS_MAX;
	sim->fault_count++;
	sim->fault[at].number = ++sim->cookie_high;
	sim->fault[at].is_used = true;
	return &sim->fault[at];
}

/* Send a fault, sensible or not. */
void client_fault(struct sim *sim, segment_id id, uint64_t page,
		  unsigned client, bool is_write)
{
	struct sim_segment *sg = segment_by_id(sim, id);
	struct sim_fault *ft;

	if (sim->fault_count == sim->profile.faults_max)
		return;
	ft = fault_get(sim);
	ft->is_write = is_write;
	ft->page = page;
	ft->start_ns = sim->now_ns;
	ft->id = id;
	ft->ordinal = sg == NULL ? 0 : sg->ordinal;
	ft->client = client;
	ft->in_call = true;
	sim->events[SIM_FAULTS]++;
	TRACE(sim, "fault #%x s%u (id %u) page %llu %s client %u",
	      sim->cookie_high, ft->ordinal, id, (unsigned long long)page,
	      is_write ? "write" : "read", client);
	sim->in_pager = true;
	ft->fault = (struct fault){
		.segment = id, .page = page, .client = client_tag(client),
	};
	pager_fault(sim->pager, &ft->fault, sim->now_ns);
	sim->in_pager = false;
	answer_promises_kept(sim);
	ft->in_call = false;
}

/* What a program does: use an address, wherever its page is. */
void client_access(struct sim *sim, struct sim_segment *sg, unsigned client,
		   uint64_t unit, bool is_write)
{
	const struct unit *u = &sg->unit[unit];

	bool is_mapped = u->mapped & BIT(client);

	if (!(u->flags & UNIT_PRESENT) ||
	    (!is_mapped && rng_chance(&sim->rng, sim->profile.ask_anyway,
				      100))) {
		if (program_fault(sim, sg, client, unit, is_write))
			return;
		sim->events[SIM_ASKED_ANYWAY] +=
			(u->flags & UNIT_PRESENT) != 0;
		client_fault(sim, sg->id, unit >> sg->order, client, is_write);
		return;
	}
	if (!is_mapped)
		client_map(sim, sg, client, unit);
	TRACE(sim, "client %u %s s%u unit %llu", client,
	      is_write ? "writes" : "reads", sg->ordinal,
	      (unsigned long long)unit);
	client_touch(sim, sg, client, unit, is_write);
}
