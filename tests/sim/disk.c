/* SPDX-License-Identifier: MIT */
/* The swap store as the pager sees it, and what it must contain.
 *
 * Requests wait in a queue of the simulator's own, go to the real store
 * (store_fault over store_mem) in any order, and their ends are told to the
 * pager in any order.  The simulator remembers what every slot was given, so
 * it finds out by itself which reads were spoilt: only the pages in those may
 * be lost.  It also holds the pager to the rules of a disk: no two requests
 * for one slot or one buffer at a time, buffers left alone meanwhile, nothing
 * read that was not written well, nothing sent to a slot that failed (a full
 * medium, ENOSPC, is no failure of the slot, and neither is that what it had
 * is lost). */
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>

void disk_init(struct sim *sim)
{
	const struct pager_config *config = &sim->profile.config;
	struct sim_disk *dk = &sim->disk;
	struct swapstore *inner;
	int err;

	dk->is_staged_busy = calloc(config->staging_bytes / PAGER_UNIT_BYTES,
				    sizeof(*dk->is_staged_busy));
	dk->slot = calloc(pager_slot_limit(config) + 1u, sizeof(*dk->slot));
	dk->depth = rng_between(&sim->rng, 1, SIM_IO_MAX);
	ASSERT(dk->is_staged_busy != NULL && dk->slot != NULL);
	if (config->slot_count == 0)
		return;
	err = store_mem_create(pager_slot_limit(config), &inner);
	if (err != 0)
		sim_fail(sim, "store_mem_create: %s", strerror(-err));
	err = store_fault_create(inner, &sim->profile.faults, &dk->store);
	if (err != 0)
		sim_fail(sim, "store_fault_create: %s", strerror(-err));
}

void disk_fini(struct sim *sim)
{
	swapstore_destroy(sim->disk.store);
	free(sim->disk.is_staged_busy);
	free(sim->disk.slot);
	sim->disk = (struct sim_disk){ 0 };
}

static void io_enter(struct sim_disk *dk, struct sim_io *io,
		     enum io_state next)
{
	dk->count[io->state]--;
	io->state = (uint8_t)next;
	dk->count[next]++;
}

static size_t staged_index(const struct sim *sim, const struct swap_io *io)
{
	const uint8_t *at = io->buffer;
	size_t index = (size_t)(at - sim->staging) / PAGER_UNIT_BYTES;

	if (at < sim->staging ||
	    (size_t)(at - sim->staging) % PAGER_UNIT_BYTES != 0 ||
	    (index + io->slot_count) * PAGER_UNIT_BYTES >
		    sim->profile.config.staging_bytes)
		sim_fail(sim, "a request's buffer is not in staging");
	return index;
}

static const uint8_t *io_bytes(const struct swap_io *io, uint32_t i)
{
	return (const uint8_t *)io->buffer + (size_t)i * PAGER_UNIT_BYTES;
}

/* Remember what is being written.  Whose it is the bytes say themselves, for
 * clients leave no zero unit in a page that is not all zeros (client.c), and a
 * page that is all zeros must not be written. */
static void begin_write(struct sim *sim, struct sim_slot *sl, uint32_t slot,
			const uint8_t *bytes)
{
	if (sl->state == SLOT_WRITING || sl->readers != 0)
		sim_fail(sim, "slot %u is written while in flight", slot);
	if (sl->state == SLOT_BAD)
		sim_fail(sim, "slot %u has failed and is written again", slot);
	if (!pattern_parse(bytes, &sl->value))
		sim_fail(sim, "torn bytes are written to slot %u", slot);
	/* Zeros fill what was never written, and nothing else. */
	if (sl->value == 0 && (sl->was_written || sl->state != SLOT_EMPTY))
		sim_fail(sim, "zeros are written to slot %u", slot);
	sim->events[SIM_SLOTS_AGAIN] += sl->was_lost;
	sl->was_lost = false;
	sl->state = SLOT_WRITING;
}

static void begin_read(struct sim *sim, struct sim_slot *sl, uint32_t slot)
{
	static const char *const name[] = {
		"empty", "being written", "good", "bad"
	};

	if (sl->state != SLOT_GOOD)
		sim_fail(sim, "slot %u is %s and is read", slot,
			 name[sl->state]);
	sl->readers++;
}

/* The segment whose bytes the slot holds; NULL when it is no more. */
static struct sim_segment *owner_of(struct sim *sim,
				    const struct sim_slot *sl)
{
	return segment_by_ordinal(sim, pattern_segment(sl->value));
}

static void begin_io(struct sim *sim, const struct swap_io *io)
{
	size_t first = staged_index(sim, io);

	if (io->slot_count == 0 || io->slot_count > SWAP_IO_SLOTS_MAX ||
	    !area_has_slots(sim, io->slot, io->slot_count))
		sim_fail(sim, "request for slots [%u, +%u)", io->slot,
			 io->slot_count);
	for (uint32_t i = 0; i < io->slot_count; i++) {
		struct sim_slot *sl = &sim->disk.slot[io->slot + i];

		if (sim->disk.is_staged_busy[first + i])
			sim_fail(sim, "two requests share a buffer");
		sim->disk.is_staged_busy[first + i] = true;
		if (io->is_write)
			begin_write(sim, sl, io->slot + i, io_bytes(io, i));
		else
			begin_read(sim, sl, io->slot + i);
		area_must_have(sim, owner_of(sim, sl), io->slot + i);
	}
}

int disk_submit(void *ctx, const struct swap_io *io)
{
	struct sim *sim = ctx;
	struct sim_disk *dk = &sim->disk;
	unsigned at = 0;

	/* To be asked again after a completion, there must be one to come. */
	if (dk->io_count >= dk->depth ||
	    (dk->io_count > 0 && !sim->is_calm &&
	     rng_chance(&sim->rng, sim->profile.store_busy, 1024))) {
		sim->events[SIM_STORE_BUSY]++;
		return -EAGAIN;
	}
	begin_io(sim, io);
	while (dk->io[at].state != IO_FREE)
		at++;
	dk->io[at].io = *io;
	dk->io[at].result = 0;
	io_enter(dk, &dk->io[at], IO_QUEUED);
	dk->io_count++;
	sim->events[io->is_write ? SIM_WRITE_IO : SIM_READ_IO]++;
	TRACE(sim, "  submit %s #%u slots %u +%u", io->is_write ? "write" :
	      "read", at, io->slot, io->slot_count);
	return 0;
}

/* From now on a read of them is one of nothing (begin_read). */
void disk_discard_slots(void *ctx, uint32_t slot, uint32_t count)
{
	struct sim *sim = ctx;

	if (count == 0 || !area_has_slots(sim, slot, count))
		sim_fail(sim, "slots [%u, +%u) are discarded", slot, count);
	for (uint32_t i = slot; i < slot + count; i++) {
		struct sim_slot *sl = &sim->disk.slot[i];

		if (sl->state == SLOT_WRITING || sl->readers != 0)
			sim_fail(sim, "slot %u is discarded in flight", i);
		if (sl->state == SLOT_BAD)
			sim_fail(sim, "slot %u has failed and is given back",
				 i);
		sl->state = SLOT_EMPTY;
	}
	swapstore_discard(sim->disk.store, slot, count);
}

/* A page that is in memory must not be left to a lost slot. */
bool disk_is_slot_lost(void *ctx, uint32_t slot)
{
	struct sim *sim = ctx;

	return swapstore_has_lost(sim->disk.store, slot);
}

static struct sim_io *io_random(struct sim *sim, enum io_state state)
{
	struct sim_disk *dk = &sim->disk;
	unsigned at = rng_below(&sim->rng, SIM_IO_MAX);

	if (dk->count[state] == 0)
		return NULL;
	while (dk->io[at].state != state)
		at = (at + 1) % SIM_IO_MAX;
	return &dk->io[at];
}

static void disk_reap(struct sim *sim)
{
	struct swap_done done[8];
	unsigned count = swapstore_reap(sim->disk.store, done,
					ARRAY_SIZE(done));

	for (unsigned i = 0; i < count; i++) {
		struct sim_io *io = &sim->disk.io[done[i].cookie];

		ASSERT(done[i].cookie < SIM_IO_MAX &&
		       io->state == IO_SUBMITTED);
		io->result = done[i].result;
		io_enter(&sim->disk, io, IO_DONE);
	}
}

/* Hand one request to the store, and see whether any has ended.  False when
 * there was nothing to do. */
bool disk_issue(struct sim *sim)
{
	struct sim_disk *dk = &sim->disk;
	struct sim_io *io = io_random(sim, IO_QUEUED);
	struct swap_io request;

	if (io == NULL && dk->count[IO_SUBMITTED] == 0)
		return false;
	if (io != NULL) {
		request = io->io;
		request.cookie = (uint64_t)(io - dk->io);
		if (swapstore_submit(dk->store, &request) == 0)
			io_enter(dk, io, IO_SUBMITTED);
		if (swapstore_flush(dk->store) != 0)
			sim_fail(sim, "the mem store does not flush");
	}
	disk_reap(sim);
	return true;
}

/* The read of this slot has been spoilt: its page may be lost. */
static void taint(struct sim *sim, const struct sim_slot *sl)
{
	struct sim_segment *sg = owner_of(sim, sl);

	if (sg != NULL)
		sg->page[pattern_unit(sl->value) >> sg->order].is_tainted =
			true;
}

static bool is_of_one_page(struct sim *sim, const struct swap_io *io)
{
	const struct sim_slot *first = &sim->disk.slot[io->slot];
	struct sim_segment *sg = owner_of(sim, first);
	uint64_t page;

	if (sg == NULL)
		return false;
	page = pattern_unit(first->value) >> sg->order;
	for (uint32_t i = 1; i < io->slot_count; i++)
		if (pattern_segment(first[i].value) != sg->ordinal ||
		    pattern_unit(first[i].value) >> sg->order != page)
			return false;
	return true;
}

/* A read that failed says nothing about which of its pages is bad; so none may
 * be given up for it, unless it was alone. */
static void end_read(struct sim *sim, const struct swap_io *io, int result)
{
	bool is_blamed = result != 0 && is_of_one_page(sim, io);

	sim->events[SIM_READ_FAILED] += result != 0;
	sim->events[SIM_READ_LOST] += result == -SWAP_ELOST;
	for (uint32_t i = 0; i < io->slot_count; i++) {
		struct sim_slot *sl = &sim->disk.slot[io->slot + i];
		uint64_t value;

		sl->readers--;
		if (result != 0) {
			sl->was_lost = result == -SWAP_ELOST;
			if (is_blamed)
				taint(sim, sl);
		} else if (!pattern_parse(io_bytes(io, i), &value) ||
			   value != sl->value) {
			sim->events[SIM_READ_WRONG]++;
			taint(sim, sl);
		}
	}
}

static void end_write(struct sim *sim, const struct swap_io *io, int result)
{
	sim->events[SIM_WRITE_FAILED] += result != 0;
	sim->events[SIM_NO_SPACE] += result == -ENOSPC;
	for (uint32_t i = 0; i < io->slot_count; i++) {
		struct sim_slot *sl = &sim->disk.slot[io->slot + i];
		uint64_t value;

		if (!pattern_parse(io_bytes(io, i), &value) ||
		    value != sl->value)
			sim_fail(sim, "the buffer of a write to slot %u "
				 "changed in flight", io->slot + i);
		sl->was_written |= result == 0;
		sl->state = result == 0 ? SLOT_GOOD : result == -ENOSPC ?
			    SLOT_EMPTY : SLOT_BAD;
		if (result == 0 && sl->value == 0)
			sl->state = SLOT_EMPTY;	/* nothing to be read */
		else if (sl->value == 0)
			sim->events[SIM_FILL_FAILED]++;
		sim->disk.bad_slots += sl->state == SLOT_BAD;
	}
}

/* Tell the pager of the end of one request.  False: there is none. */
bool disk_deliver(struct sim *sim)
{
	struct sim_io *io = io_random(sim, IO_DONE);
	struct swap_io ended;
	size_t first;

	if (io == NULL)
		return false;
	ended = io->io;
	first = staged_index(sim, &ended);
	for (uint32_t i = 0; i < ended.slot_count; i++)
		sim->disk.is_staged_busy[first + i] = false;
	if (ended.is_write)
		end_write(sim, &ended, io->result);
	else
		end_read(sim, &ended, io->result);
	TRACE(sim, "%s #%u slots %u +%u ends: %d", ended.is_write ? "write" :
	      "read", (unsigned)(io - sim->disk.io), ended.slot,
	      ended.slot_count, io->result);
	io_enter(&sim->disk, io, IO_FREE);
	sim->disk.io_count--;
	sim->in_pager = true;
	pager_io_done(sim->pager, ended.cookie, io->result, sim->now_ns);
	sim->in_pager = false;
	answer_promises_kept(sim);
	return true;
}

void disk_expect_none_of(const struct sim *sim, uint32_t ordinal)
{
	for (unsigned i = 0; i < SIM_IO_MAX; i++) {
		const struct sim_io *io = &sim->disk.io[i];

		if (io->state == IO_FREE)
			continue;
		for (uint32_t k = 0; k < io->io.slot_count; k++)
			if (pattern_segment(sim->disk.slot[io->io.slot + k]
						    .value) == ordinal)
				sim_fail(sim, "s%u is gone with I/O in "
					 "flight", ordinal);
	}
}

static bool is_only_in_flight(struct sim *sim, const struct sim_slot *sl)
{
	const struct sim_segment *sg = owner_of(sim, sl);

	return sg != NULL && sg->state == SIM_SEGMENT_LIVE &&
	       !(sg->unit[pattern_unit(sl->value)].flags & UNIT_PRESENT);
}

/* Units of living segments that are being written and are not present: their
 * bytes are nowhere safe yet, so they must still have frames. */
uint64_t disk_units_written_out(struct sim *sim)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SIM_IO_MAX; i++) {
		const struct sim_io *io = &sim->disk.io[i];

		if (io->state == IO_FREE || !io->io.is_write)
			continue;
		for (uint32_t k = 0; k < io->io.slot_count; k++)
			count += is_only_in_flight(
				sim, &sim->disk.slot[io->io.slot + k]);
	}
	return count;
}
