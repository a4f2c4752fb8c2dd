/* SPDX-License-Identifier: MIT */
/* The data files as the pager sees them through its ops: a fake of
 * what daemon/backing/backing.c does with memfds.  Every unit that the pager
 * installs is compared, byte for byte, with what the model says it must
 * contain. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>

struct sim_segment *segment_by_id(struct sim *sim, segment_id id)
{
	for (unsigned i = 0; i < SIM_SEGMENTS_MAX; i++)
		if (sim->segment[i].state != SIM_SEGMENT_NONE &&
		    sim->segment[i].id == id)
			return &sim->segment[i];
	return NULL;
}

struct sim_segment *segment_by_ordinal(struct sim *sim, uint32_t ordinal)
{
	for (unsigned i = 0; i < SIM_SEGMENTS_MAX; i++)
		if (sim->segment[i].state != SIM_SEGMENT_NONE &&
		    sim->segment[i].ordinal == ordinal)
			return &sim->segment[i];
	return NULL;
}

/* The segment an op is about; it must exist and hold the range. */
static struct sim_segment *segment_for_op(struct sim *sim, segment_id id,
					  uint64_t unit, uint64_t count,
					  const char *op)
{
	struct sim_segment *sg = segment_by_id(sim, id);

	if (!sim->in_pager)
		sim_fail(sim, "%s from outside of any call", op);
	if (sg == NULL)
		sim_fail(sim, "%s of segment id %u, which is not there", op,
			 id);
	if (count == 0 || unit >= sg->unit_count ||
	    count > sg->unit_count - unit)
		sim_fail(sim, "%s of s%u [%llu, +%llu), which has %llu units",
			 op, sg->ordinal, (unsigned long long)unit,
			 (unsigned long long)count,
			 (unsigned long long)sg->unit_count);
	return sg;
}

/* Somebody has found `value` in the unit. */
void unit_must_be(struct sim *sim, struct sim_segment *sg, uint64_t unit,
		  uint64_t value, const char *where)
{
	struct unit *u = &sg->unit[unit];
	char found[64], wanted[64];

	if (u->flags & (UNIT_DONTNEED | UNIT_UNSURE) && value == 0)
		u->expect = 0;
	if (value != u->expect)
		sim_fail(sim, "wrong bytes in %s: s%u unit %llu has %s, "
			 "must have %s", where, sg->ordinal,
			 (unsigned long long)unit,
			 pattern_describe(value, found, sizeof(found)),
			 pattern_describe(u->expect, wanted, sizeof(wanted)));
	u->flags &= (uint8_t)~UNIT_UNSURE;
}

static void page_came_in(struct sim *sim, struct sim_segment *sg,
			 uint64_t unit)
{
	struct sim_page *pg = &sg->page[unit >> sg->order];

	if (pg->is_lost && !(sg->unit[unit].flags & UNIT_DONTNEED))
		sim_fail(sim, "s%u page %llu was lost and is back",
			 sg->ordinal,
			 (unsigned long long)(unit >> sg->order));
	pg->is_lost = false;
	pg->is_tainted = false;
}

void install_unit(struct sim *sim, struct sim_segment *sg, uint64_t unit,
		  const uint8_t *bytes)
{
	struct unit *u = &sg->unit[unit];
	uint64_t value = 0;

	if (u->flags & UNIT_PRESENT) {
		sim->events[SIM_KEPT]++;
		return;
	}
	if (bytes != NULL && !pattern_parse(bytes, &value))
		sim_fail(sim, "torn bytes installed: s%u unit %llu",
			 sg->ordinal, (unsigned long long)unit);
	unit_must_be(sim, sg, unit, value, "an install");
	page_came_in(sim, sg, unit);
	u->actual = value;
	u->flags |= UNIT_PRESENT;
	if (++sim->present_units > sim->profile.config.frame_count)
		sim_fail(sim, "%llu units are present, the pool has %u frames",
			 (unsigned long long)sim->present_units,
			 sim->profile.config.frame_count);
}

int datafile_install(void *ctx, segment_id id, uint64_t unit, uint64_t count,
		     const void *bytes)
{
	struct sim *sim = ctx;
	struct sim_segment *sg = segment_for_op(sim, id, unit, count,
						"install");
	bool fails = !sim->is_calm &&
		     rng_chance(&sim->rng, sim->profile.install_fail, 1024);
	uint64_t todo = count;

	if (sg->state != SIM_SEGMENT_LIVE)
		sim_fail(sim, "install into s%u, which is destroyed",
			 sg->ordinal);
	if (fails) {
		todo = rng_below(&sim->rng, (uint32_t)count);
		sim->events[SIM_INSTALL_FAILED]++;
		sim->events[SIM_INSTALL_PART] += todo > 0;
	}
	late_expect_none(sim, sg, unit, count);
	TRACE(sim, "  install s%u unit %llu +%llu%s%s", sg->ordinal,
	      (unsigned long long)unit, (unsigned long long)todo,
	      bytes == NULL ? " zeros" : "", fails ? " then ENOMEM" : "");
	for (uint64_t i = 0; i < todo; i++)
		install_unit(sim, sg, unit + i,
			     bytes == NULL ? NULL :
			     (const uint8_t *)bytes + i * PAGER_UNIT_BYTES);
	client_meddle(sim);
	return fails ? -ENOMEM : 0;
}

static void must_not_be_pinned(struct sim *sim, struct sim_segment *sg,
			       uint64_t unit, const char *op)
{
	if (sg->state == SIM_SEGMENT_LIVE &&
	    sg->page[unit >> sg->order].pins > 0)
		sim_fail(sim, "%s of s%u page %llu, which is pinned", op,
			 sg->ordinal,
			 (unsigned long long)(unit >> sg->order));
}

static void take_out(struct sim *sim, struct unit *u)
{
	if (u->flags & UNIT_PRESENT)
		sim->present_units--;
	u->flags &= (uint8_t)~UNIT_PRESENT;
	u->mapped = 0;
}

/* A unit that is not there reads as zeros, as a hole does. */
uint64_t capture_unit(struct sim *sim, struct sim_segment *sg, uint64_t unit)
{
	struct unit *u = &sg->unit[unit];
	uint64_t value = u->flags & UNIT_PRESENT ? u->actual : 0;

	must_not_be_pinned(sim, sg, unit, "capture");
	if (sg->state == SIM_SEGMENT_LIVE)
		unit_must_be(sim, sg, unit, value, "a capture");
	take_out(sim, u);
	sim->events[SIM_CAPTURED]++;
	return value;
}

void datafile_put(struct sim *sim, uint64_t value, uint8_t *to)
{
	size_t staged = (size_t)(to - sim->staging) / PAGER_UNIT_BYTES;

	if (to >= sim->staging &&
	    staged < sim->profile.config.staging_bytes / PAGER_UNIT_BYTES &&
	    sim->disk.is_staged_busy[staged])
		sim_fail(sim, "capture into the buffer of a request in "
			 "flight");
	pattern_expand(value, to);
}

/* Bytes may be thrown away only because a DONTNEED asked for it, because the
 * segment is destroyed, or because they are safe elsewhere.  The last is for
 * the next install to prove. */
void discard_unit(struct sim *sim, struct sim_segment *sg, uint64_t unit)
{
	struct unit *u = &sg->unit[unit];

	must_not_be_pinned(sim, sg, unit, "discard");
	if (u->flags & UNIT_DONTNEED) {
		u->expect = 0;
		u->flags &= (uint8_t)~UNIT_WRITTEN;
	}
	take_out(sim, u);
}

/* A run that is refused, or fails. */
static int refuse_run(struct sim *sim, const struct pager_capture *c)
{
	struct sim_segment *sg = segment_for_op(sim, c->segment, c->unit,
						c->count, "capture");
	int err = late_refusal(sim, sg);

	client_meddle(sim);
	if (err != 0) {
		sim->events[SIM_LATE_REFUSED]++;
		return err;
	}
	if (sim->is_calm ||
	    !rng_chance(&sim->rng, sim->profile.capture_fail, 1024))
		return CAPTURE_DUE;
	TRACE(sim, "  capture s%u unit %llu +%llu fails", sg->ordinal,
	      (unsigned long long)c->unit, (unsigned long long)c->count);
	sim->events[SIM_CAPTURE_FAILED]++;
	return -ENOMEM;
}

static void capture_run(struct sim *sim, const struct pager_capture *c)
{
	struct sim_segment *sg = segment_by_id(sim, c->segment);
	uint8_t *to = c->to;

	TRACE(sim, "  %s s%u unit %llu +%llu", to != NULL ? "capture" :
	      "discard", sg->ordinal, (unsigned long long)c->unit,
	      (unsigned long long)c->count);
	for (uint64_t i = 0; i < c->count; i++)
		if (to == NULL)
			discard_unit(sim, sg, c->unit + i);
		else
			datafile_put(sim, capture_unit(sim, sg, c->unit + i),
				     to + i * PAGER_UNIT_BYTES);
}

void datafile_capture(void *ctx, struct pager_capture *capture, unsigned count)
{
	struct sim *sim = ctx;

	for (unsigned i = 0; i < count; i++)
		capture[i].error = refuse_run(sim, &capture[i]);
	late_begin(sim, capture, count);
	for (unsigned i = 0; i < count; i++) {
		if (capture[i].error != CAPTURE_DUE)
			continue;
		capture_run(sim, &capture[i]);
		capture[i].error = 0;
	}
}
