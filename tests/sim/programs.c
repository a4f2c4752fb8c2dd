/* SPDX-License-Identifier: MIT */
/* Programs that fault pages in by themselves: the library's own steps
 * (client/fault/onesided.c) and memd's side of the desk (daemon/serve/desk.c),
 * over the fake data files.
 *
 * Each step of each thread is a step of its own.  Threads take steps between
 * the calls of the pager and inside of them, wherever it asks for something.
 * A program may die between any two steps of its threads; they stop one after
 * the other, and only then is its desk taken over. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>

/* ---- what a thread asks the kernel for */

static struct sim_segment *segment_of(const struct sim_thread *th)
{
	return segment_by_ordinal(th->sim, th->o.segment);
}

/* The disk may fail, or give something else than what was written. */
static int thread_read(void *ctx, uint32_t slot, void *buffer)
{
	struct sim_thread *th = ctx;
	struct sim *sim = th->sim;
	const struct sim_slot *sl = &sim->disk.slot[slot];
	uint64_t value = sl->value;

	sim->events[SIM_ONE_READ]++;
	if (!sim->is_calm && rng_chance(&sim->rng, 1, 50))
		return -EIO;
	if (sl->state != SLOT_GOOD ||
	    (!sim->is_calm && rng_chance(&sim->rng, 1, 50)))
		value = pattern_value(PATTERN_DENSE, 1, slot, 1);
	pattern_expand(value, buffer);
	return 0;
}

static int thread_install(void *ctx, uint32_t page, const void *bytes)
{
	struct sim_thread *th = ctx;
	struct sim *sim = th->sim;
	struct sim_segment *sg = segment_of(th);

	ASSERT(sg != NULL && page < sg->unit_count);
	if (sg->unit[page].flags & UNIT_PRESENT) {
		sim->events[SIM_ONE_EEXIST]++;
		return -EEXIST;
	}
	if (!sim->is_calm && rng_chance(&sim->rng, 1, 100))
		return -ENOMEM;
	TRACE(sim, "  program %u installs s%u unit %u%s", th->client,
	      sg->ordinal, page, bytes == NULL ? " zeros" : "");
	late_expect_none(sim, sg, page, 1);
	/* One that memd has given up may be read well here. */
	sg->page[page].is_lost = false;
	install_unit(sim, sg, page, bytes);
	sg->unit[page].mapped |= (uint8_t)BIT(th->client);
	return 0;
}

static int thread_map(void *ctx, uint32_t page)
{
	struct sim_thread *th = ctx;
	struct sim_segment *sg = segment_of(th);

	ASSERT(sg != NULL);
	if (!(sg->unit[page].flags & UNIT_PRESENT))
		return -EFAULT;
	sg->unit[page].mapped |= (uint8_t)BIT(th->client);
	return 0;
}

static void thread_ring(void *ctx)
{
	struct sim_thread *th = ctx;

	th->sim->events[SIM_ONE_RING]++;
}

static const struct onesided_ops thread_ops = {
	.read = thread_read,
	.install = thread_install,
	.map = thread_map,
	.ring = thread_ring,
};

/* ---- threads */

static struct sim_thread *idle_thread(struct sim_program *pr)
{
	for (unsigned i = 0; i < SIM_THREADS; i++)
		if (!pr->thread[i].is_used)
			return &pr->thread[i];
	return NULL;
}

/* True: a thread of the program deals with the fault. */
bool program_fault(struct sim *sim, struct sim_segment *sg, unsigned client,
		   uint64_t unit, bool is_write)
{
	struct sim_program *pr = &sim->program[client];
	struct sim_thread *th = idle_thread(pr);

	if (sg->book == NULL || pr->is_dying || th == NULL || sim->is_calm ||
	    !rng_chance(&sim->rng, sim->profile.one_sided, 100))
		return false;
	*th = (struct sim_thread){
		.is_used = true,
		.is_write = is_write,
		.sim = sim,
		.client = client,
		.o = {
			.ops = &thread_ops,
			.ctx = th,
			.desk = pr->desk,
			.staging = pr->staging,
			.entry = &sg->book[unit],
			.end = &sg->book[sg->page_count],
			.serial = sg->serial,
			.segment = sg->ordinal,
			.page = (uint32_t)unit,
			.start_ns = 1,
			.hint = rng_next(&sim->rng) % DESK_INTENTS,
		},
	};
	TRACE(sim, "program %u faults on s%u unit %llu", client, sg->ordinal,
	      (unsigned long long)unit);
	return true;
}

/* The access goes on: the page is there, or has left again, or memd is to bring
 * it. */
static void thread_ends(struct sim_thread *th)
{
	static const enum sim_event event[] = {
		[ONESIDED_ASK] = SIM_ONE_ASK,
		[ONESIDED_MAPPED] = SIM_ONE_MAPPED,
		[ONESIDED_ZERO] = SIM_ONE_ZERO,
		[ONESIDED_SWAPPED] = SIM_ONE_SWAPPED,
	};
	struct sim *sim = th->sim;
	struct sim_segment *sg = segment_of(th);

	th->is_used = false;
	sim->events[event[th->o.result]]++;
	ASSERT(sg != NULL && sg->state == SIM_SEGMENT_LIVE);
	if (sg->unit[th->o.page].mapped & BIT(th->client))
		client_touch(sim, sg, th->client, th->o.page, th->is_write);
	else if (th->o.result == ONESIDED_ASK && !sim->in_pager)
		client_fault(sim, sg->id, th->o.page, th->client,
			     th->is_write);
}

/* Some are not given a processor for long. */
static void thread_step(struct sim_thread *th)
{
	struct sim *sim = th->sim;

	if (!sim->is_calm &&
	    rng_chance(&sim->rng, sim->profile.sleeps, 1024)) {
		th->sleeps_until = sim->step + rng_below(&sim->rng, 2000);
		return;
	}
	onesided_step(&th->o);
	if (th->o.step == ONESIDED_END)
		thread_ends(th);
}

static struct sim_thread *thread_random(struct sim *sim)
{
	unsigned count = SIM_CLIENTS_MAX * SIM_THREADS;
	unsigned at = rng_below(&sim->rng, count);

	for (unsigned i = 0; i < count; i++, at = (at + 1) % count) {
		struct sim_thread *th = &sim->program[at / SIM_THREADS]
					.thread[at % SIM_THREADS];

		if (th->is_used &&
		    (sim->is_calm || th->sleeps_until <= sim->step))
			return th;
	}
	return NULL;
}

/* Some threads go on a little. */
void programs_step(struct sim *sim, uint32_t steps)
{
	struct sim_thread *th;

	while (steps-- > 0 && (th = thread_random(sim)) != NULL)
		thread_step(th);
}

void programs_rush(struct sim *sim, struct sim_segment *sg, uint64_t first,
		   uint64_t count)
{
	uint64_t page = first + rng_below(&sim->rng, (uint32_t)count);

	if (!(sg->unit[page].flags & UNIT_PRESENT) &&
	    program_fault(sim, sg, rng_below(&sim->rng, sg->client_count),
			  page, false))
		programs_step(sim, rng_below(&sim->rng, 200));
}

/* The same inside of a call of the pager. */
void programs_meddle(struct sim *sim)
{
	if (sim->profile.one_sided != 0 && rng_chance(&sim->rng, 1, 4))
		programs_step(sim, rng_between(&sim->rng, 1, 12));
}

/* ---- memd's side */

static segment_id side_find(void *ctx, uint32_t number)
{
	struct sim_program *pr = ctx;
	const struct sim_segment *sg = segment_by_ordinal(pr->sim, number);

	return sg != NULL && sg->state == SIM_SEGMENT_LIVE &&
	       sg->book != NULL ? sg->id : 0;
}

static int side_is_present(void *ctx, segment_id id, uint64_t page)
{
	struct sim_program *pr = ctx;
	const struct sim_segment *sg = segment_by_id(pr->sim, id);

	return page < sg->unit_count &&
	       (sg->unit[page].flags & UNIT_PRESENT) != 0;
}

static void side_record(void *ctx, const struct desk_record *record)
{
	struct sim_program *pr = ctx;

	pr->sim->events[SIM_ONE_COUNTED] += record->is_counted;
	pr->sim->events[SIM_ONE_KNOWN] += !record->is_counted;
}

static const struct desk_ops side_ops = {
	.find = side_find,
	.is_present = side_is_present,
	.record = side_record,
};

/* ops.look.  Threads go on between memd's mark and its look, and between its
 * looks at two desks. */
void programs_look(void *ctx, struct pager_claim *claim, unsigned count)
{
	struct sim *sim = ctx;

	programs_meddle(sim);
	for (unsigned k = 0; k < SIM_CLIENTS_MAX; k++) {
		for (unsigned i = 0; i < count; i++) {
			const struct sim_segment *sg =
				segment_by_id(sim, claim[i].segment);

			claim[i].open |= desk_look(&sim->program[k].side,
						   sg->ordinal, claim[i].first,
						   claim[i].count);
		}
		programs_meddle(sim);
	}
	for (unsigned i = 0; i < count; i++) {
		const struct sim_segment *sg =
			segment_by_id(sim, claim[i].segment);

		sim->events[SIM_ONE_REFUSED] += claim[i].open != 0;
		for (uint32_t k = 0; claim[i].asks_present &&
				     k < claim[i].count; k++)
			claim[i].present |= (uint64_t)(sg->unit[claim[i].first +
				k].flags & UNIT_PRESENT) << k;
	}
	programs_meddle(sim);
}

static void collect(struct sim *sim, struct sim_program *pr)
{
	uint32_t count = desk_collect(&pr->side, sim->now_ns);

	if (count != 0)
		TRACE(sim, "program %u: %u records",
		      (unsigned)(pr - sim->program), count);
}

/* S2 in daemon/serve/desk.h.  False: advice on the segment has to wait. */
bool programs_settle_for(struct sim *sim, const struct sim_segment *sg)
{
	bool is_settled = true;

	if (sg->book == NULL)
		return true;
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++)
		is_settled &= desk_settle(&sim->program[i].side, sg->id,
					  sim->now_ns);
	return is_settled;
}

static void begin(struct sim *sim, struct sim_program *pr)
{
	unsigned account = rng_below(&sim->rng, SIM_ACCOUNTS_MAX);
	account_id id = 0;

	if (sim->account[account].is_used && pr->account == 0) {
		pr->account = account + 1;
		sim->account[account].segments++;
		id = sim->account[account].id;
	}
	desk_init(&pr->side, pr->desk, sim->pager, id, &side_ops, pr);
	pr->is_dying = false;
}

/* All threads are gone. */
static void end(struct sim *sim, struct sim_program *pr)
{
	TRACE(sim, "program %u is gone", (unsigned)(pr - sim->program));
	desk_end(&pr->side, sim->now_ns);
	memset(pr->desk, 0, sizeof(*pr->desk));
	if (pr->account != 0)
		sim->account[pr->account - 1].segments--;
	pr->account = 0;
}

static void unmap_all(struct sim *sim, unsigned client)
{
	for (unsigned i = 0; i < SIM_SEGMENTS_MAX; i++)
		for (uint64_t u = 0; u < sim->segment[i].unit_count; u++)
			sim->segment[i].unit[u].mapped &=
				(uint8_t)~BIT(client);
}

/* One thread of a dying program stops where it is. */
static void die_on(struct sim *sim, struct sim_program *pr)
{
	for (unsigned i = 0; i < SIM_THREADS; i++) {
		if (!pr->thread[i].is_used)
			continue;
		sim->events[SIM_ONE_DIED_IN] +=
			pr->thread[i].o.step != ONESIDED_OPEN;
		pr->thread[i].is_used = false;
		return;
	}
	unmap_all(sim, (unsigned)(pr - sim->program));
	end(sim, pr);
	begin(sim, pr);
	sim->events[SIM_ONE_DIED]++;
}

/* Nobody may unmap a segment while a thread touches it, and memd counts its
 * pages before it ends.  Who dies has the segment until the end. */
void programs_leave(struct sim *sim, const struct sim_segment *sg)
{
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++)
		while (sim->program[i].is_dying)
			die_on(sim, &sim->program[i]);
	for (unsigned i = 0; i < SIM_CLIENTS_MAX * SIM_THREADS; i++) {
		struct sim_thread *th = &sim->program[i / SIM_THREADS]
					.thread[i % SIM_THREADS];

		while (th->is_used && th->o.segment == sg->ordinal)
			thread_step(th);
	}
	(void)programs_settle_for(sim, sg);
}

void programs_act(struct sim *sim)
{
	struct sim_program *pr = &sim->program[rng_below(&sim->rng,
							 SIM_CLIENTS_MAX)];
	uint32_t die = rng_below(&sim->rng, 100);

	if (sim->profile.one_sided == 0)
		return;
	if (pr->is_dying)
		die_on(sim, pr);
	else if (die < 2)
		pr->is_dying = true;
	else if (die < 10)
		desk_recall(&pr->side);
	else if (die < 60)
		programs_step(sim, rng_between(&sim->rng, 1, 40));
	else
		collect(sim, pr);
	pr->side.wanted = rng_below(&sim->rng, 1 + sim->profile.credits);
	if (!pr->is_dying)
		desk_lend(&pr->side);
}

/* Everybody comes to an end, and gives back what was lent. */
void programs_rest(struct sim *sim)
{
	struct sim_thread *th;

	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++)
		while (sim->program[i].is_dying)
			die_on(sim, &sim->program[i]);
	while ((th = thread_random(sim)) != NULL)
		thread_step(th);
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++) {
		collect(sim, &sim->program[i]);
		desk_recall(&sim->program[i].side);
	}
}

void programs_recall(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++)
		desk_recall(&sim->program[i].side);
	sim->events[SIM_ONE_RECALLED]++;
}

bool programs_are_busy(const struct sim *sim)
{
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++)
		if (atomic_load(&sim->program[i].desk->open) != 0)
			return true;
	return programs_lent(sim) != 0;
}

uint64_t programs_lent(const struct sim *sim)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++)
		count += sim->program[i].side.given_count;
	return count;
}

/* ---- the world */

void programs_publish(struct sim *sim, struct sim_segment *sg)
{
	if (sim->profile.one_sided == 0 || sg->order != 0)
		return;
	sg->book = calloc(1, book_bytes(sg->page_count));
	ASSERT(sg->book != NULL);
	pager_segment_publish(sim->pager, sg->id, sg->book);
}

void programs_init(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++) {
		struct sim_program *pr = &sim->program[i];

		pr->sim = sim;
		pr->desk = aligned_alloc(64, sizeof(*pr->desk));
		pr->staging = aligned_alloc(64, (size_t)DESK_INTENTS *
						ONESIDED_PAGE_BYTES);
		ASSERT(pr->desk != NULL && pr->staging != NULL);
		memset(pr->desk, 0, sizeof(*pr->desk));
		begin(sim, pr);
	}
}

void programs_fini(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++) {
		end(sim, &sim->program[i]);
		free(sim->program[i].desk);
		free(sim->program[i].staging);
	}
}
