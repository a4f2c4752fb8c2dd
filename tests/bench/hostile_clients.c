/* SPDX-License-Identifier: MIT */
#include "tests/bench/hostile.h"

#include "common/clock.h"
#include "tests/bench/workload.h"
#include "tests/integration/model.h"
#include "tests/integration/onesided_program.h"
#include "tests/tier.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 1000, PAUSE_US = 500 };

static size_t page_count(const struct hostile_plan *plan)
{
	return (size_t)plan->pool_mib << 20 >> 12;
}

static void enter_step(const struct hostile_task *t, enum hostile_step step)
{
	atomic_store(&t->stage->step[t->idx], step);
}

/* True if every client, or each honest one, is so far. */
static bool are_all_at(const struct hostile_stage *stage, unsigned count,
		       enum hostile_step step)
{
	for (unsigned i = 0; i < count; i++)
		if (atomic_load(&stage->step[i]) < step)
			return false;
	return true;
}

static void await_word(const atomic_bool *word)
{
	while (!atomic_load(word))
		usleep(PAUSE_US);
}

/* ---- honest */

static const struct work_kind kinds[] = {
	{ "rand-read", ACCESS_READ, START_FILLED, ORDER_RANDOM },
	{ "rand-rmw", ACCESS_CHANGE, START_FILLED, ORDER_RANDOM },
};

struct honest {
	const struct hostile_task *task;
	struct workload load;
	size_t noted;
};

static void need_right(const struct workload_wrong *wrong, int err)
{
	if (err == 0)
		return;
	dprintf(STDERR_FILENO, "hostile: WRONG BYTES: word %zu is %#jx, not "
		"%#jx (error %d)\n", wrong->word, (uintmax_t)wrong->got,
		(uintmax_t)wrong->want, -err);
	_exit(1);
}

/* Reads and read-modify-writes, in turn. */
static void do_slice(struct honest *h)
{
	struct workload_outcome out;
	int err;

	h->load.kind = &kinds[h->load.seed++ % ARRAY_SIZE(kinds)];
	err = workload_run(&h->load, &out);
	need_right(&out.wrong, err);
}

static void note_slice(struct honest *h)
{
	const struct hostile_task *t = h->task;
	size_t count = MIN((size_t)SLICE, t->plan->accesses - h->noted);

	memcpy(t->stage->ns[t->idx] + h->noted, h->load.samples,
	       count * sizeof(uint32_t));
	h->noted += count;
}

/* All are measured beside all others, so nobody stops before the others. */
static void work(struct honest *h)
{
	const struct hostile_task *t = h->task;
	bool is_third = t->idx == HONEST;

	for (size_t i = 0; i < t->plan->warm; i += SLICE)
		do_slice(h);
	enter_step(t, STEP_WARM);
	while (is_third || !are_all_at(t->stage, CLIENTS, STEP_WARM))
		do_slice(h);
	while (h->noted < t->plan->accesses) {
		do_slice(h);
		note_slice(h);
	}
	enter_step(t, STEP_DONE);
	while (!are_all_at(t->stage, HONEST, STEP_DONE))
		do_slice(h);
}

static void make_load(struct honest *h, void *at)
{
	size_t pages = page_count(h->task->plan);

	h->load = (struct workload){
		.words = at,
		.page_count = pages,
		.first_value = (uint64_t)h->task->idx << 40,
		.kind = &kinds[0],
		.thread_count = 1,
		.access_count = SLICE,
		.seed = tier_seed() * 1000003 + h->task->idx * 7919,
		.samples = calloc(SLICE, sizeof(uint32_t)),
		.writes = calloc(pages, 1),
	};
	NEED(h->load.samples != NULL && h->load.writes != NULL);
}

static void fill(struct honest *h, void *at)
{
	struct workload_wrong wrong = { 0 };

	make_load(h, at);
	need_right(&wrong, workload_fill(&h->load, &wrong));
}

void hostile_live_honest(void *task)
{
	struct honest h = { .task = task };
	struct memclient *mc = program_open(h.task->memd, 0);
	struct workload_wrong wrong = { 0 };

	fill(&h, program_map(mc, page_count(h.task->plan) * UNIT_BYTES,
			     MEMCLIENT_FAULT_INLINE));
	enter_step(h.task, STEP_FILLED);
	await_word(&h.task->stage->is_on);
	work(&h);
	await_word(&h.task->stage->is_over);
	need_right(&wrong, workload_check(&h.load, &wrong));
	memclient_close(mc);
}

/* ---- hostile */

#define SEGMENT_NAME "third"

enum { FAULT_ID = 100, STRUCK_PAGES = 256 };

struct bad {
	const struct hostile_task *task;
	struct hostile_desk hd;
	uint32_t segment;	/* whose pages it asks for */
	unsigned under_way;
	uint64_t struck_ns;
};

/* False: the session is at its end. */
static bool take_one(struct bad *b)
{
	struct answer a;

	if (!client_try_receive(b->hd.dc.fd, &a))
		return false;
	b->under_way -= a.header.request_id == FAULT_ID && b->under_way != 0;
	answer_free(&a);
	return true;
}

/* Waits until something comes, but not long. */
static bool take_what_comes(struct bad *b)
{
	struct pollfd p = { .fd = b->hd.dc.fd, .events = POLLIN };

	for (int timeout_ms = 1; poll(&p, 1, timeout_ms) > 0; timeout_ms = 0)
		if (!take_one(b))
			return false;
	return true;
}

/* Any page, whether it is there or not. */
static bool ask_for_page(struct bad *b)
{
	uint64_t page = model_random(&b->hd.rng) % page_count(b->task->plan);
	Memd__Fault fault = MEMD__FAULT__INIT;

	fault.segment = b->segment;
	fault.n_page = 1;
	fault.page = &page;
	return client_try_send(b->hd.dc.fd, T(FAULT), FAULT_ID, &fault.base);
}

static bool ask_for_pages(struct bad *b)
{
	for (; b->under_way < b->task->depth; b->under_way++)
		if (!ask_for_page(b))
			return false;
	return true;
}

/* It strikes at the segment that it has attached last. */
static void open_session(struct bad *b)
{
	struct desk_client *dc = &b->hd.dc;

	b->under_way = 0;
	*dc = desk_client_open(b->task->memd, 0, 0, true);
	b->hd.pages = STRUCK_PAGES;
	desk_client_attach(dc, SEGMENT_NAME, false);
	b->segment = dc->segment;
	if (b->task->is_done_for)
		desk_client_map(dc, HOSTILE_PAST_PAGES * UNIT_BYTES);
	desk_client_ring(dc);
	(void)desk_client_poll(dc);
}

static void strike(struct bad *b)
{
	b->struck_ns = clock_now_ns();
	if (b->task->strike == NULL)
		return;
	b->task->strike(&b->hd);
	atomic_fetch_add(&b->task->stage->blows, 1);
}

static void strike_for_ever(struct bad *b)
{
	open_session(b);
	do {
		if (clock_now_ns() - b->struck_ns < PAUSE_US * 1000)
			continue;
		strike(b);
		desk_client_ring(&b->hd.dc);
	} while (ask_for_pages(b) && take_what_comes(b));
	NEED(!"memd has ended the session");
}

/* One blow, and memd ends the session. */
static void strike_once(void *bad)
{
	struct bad *b = bad;

	open_session(b);
	strike(b);
	while (ask_for_pages(b) && take_what_comes(b))
		;
}

static void fill_segment(void *task)
{
	struct honest h = { .task = task };
	struct memclient *mc = program_open(h.task->memd, 0);

	NEED(memclient_segment_create(mc, SEGMENT_NAME,
				      page_count(h.task->plan) * UNIT_BYTES,
				      NULL) == 0);
	fill(&h, program_attach(mc, SEGMENT_NAME, MEMCLIENT_FAULT_INLINE));
	memclient_close(mc);
}

void hostile_leave(void *task)
{
	const struct hostile_task *t = task;
	struct memclient *mc = program_open(t->memd, 0);

	NEED(memclient_segment_unlink(mc, SEGMENT_NAME) == 0);
	memclient_close(mc);
}

/* A process whose session has ended gets no desk once more. */
void hostile_live_badly(void *task)
{
	struct bad b = { .task = task, .hd.rng = tier_seed() };

	program_run(fill_segment, task);
	enter_step(b.task, STEP_FILLED);
	await_word(&b.task->stage->is_on);
	enter_step(b.task, STEP_WARM);
	if (!b.task->is_done_for)
		strike_for_ever(&b);
	for (;; b.hd.rng++)
		program_run(strike_once, &b);
}
