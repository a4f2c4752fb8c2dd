/* SPDX-License-Identifier: MIT */
/* See workload.h. */
#include "tests/bench/workload.h"

#include "common/clock.h"
#include "tests/bench/meter.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define ZIPF_THETA 0.99

enum {
	PAGE_WORDS = WORKLOAD_PAGE_BYTES / 8,
	FIRST_WORD = 8,		/* of a page: the word of thread 0 */
};

size_t work_kind_accesses(const struct work_kind *kind, size_t page_count,
			  size_t wanted)
{
	if (kind->order == ORDER_HOLES)
		return page_count / ORDER_HOLE_EVERY;
	return kind->start == START_EMPTY || kind->start == START_SHARED ?
		page_count : wanted;
}

/* What word number `word` holds after `writes` read-modify-writes. */
static uint64_t value_of(const struct workload *w, size_t word, uint8_t writes)
{
	return (w->first_value + word + 1) * UINT64_C(0x9E3779B97F4A7C15) +
	       writes * UINT64_C(0xD1B54A32D192ED03);
}

static int wrong_word(size_t word, uint64_t want, uint64_t got,
		      struct workload_wrong *ret_wrong)
{
	*ret_wrong = (struct workload_wrong){ word, want, got };
	return -EILSEQ;
}

static void fill_page(const struct workload *w, size_t page)
{
	size_t end = (page + 1) * PAGE_WORDS;

	for (size_t word = page * PAGE_WORDS; word < end; word++)
		w->words[word] = value_of(w, word, 0);
}

/* Reads the page's first word, which no thread changes. */
static int sweep_page(const struct workload *w, size_t page,
		      struct workload_wrong *ret_wrong)
{
	size_t word = page * PAGE_WORDS;
	uint64_t want = value_of(w, word, 0);
	uint64_t got = *(volatile uint64_t *)&w->words[word];

	return got == want ? 0 : wrong_word(word, want, got, ret_wrong);
}

int workload_fill(const struct workload *w, struct workload_wrong *ret_wrong)
{
	bool is_swept = w->kind->start == START_SWEPT;
	int err = 0;

	for (size_t page = 0; page < w->page_count; page++)
		fill_page(w, page);
	for (size_t i = 0; is_swept && err == 0 && i < w->page_count; i++)
		err = sweep_page(w, i, ret_wrong);
	return err;
}

/* ---- accesses */

struct worker {
	const struct workload *w;
	struct order order;
	pthread_mutex_t *gate;	/* locked until all may begin */
	atomic_bool *is_over;	/* for all workers: a value was wrong */
	unsigned idx;
	int err;
	struct workload_outcome out;
};

static uint8_t *writes_of_worker(const struct worker *wk)
{
	return wk->w->writes + wk->idx * wk->w->page_count;
}

static int access_page(struct worker *wk, size_t i, uint32_t *ret_ns)
{
	const struct workload *w = wk->w;
	size_t page = order_page(&wk->order, i);
	size_t word = page * PAGE_WORDS + FIRST_WORD + wk->idx;
	uint8_t *writes = &writes_of_worker(wk)[page];
	uint64_t want = value_of(w, word, *writes), got, begin, ns;
	uint64_t next = value_of(w, word, (uint8_t)(*writes + 1));
	volatile uint64_t *at = &w->words[word];

	got = want;
	begin = clock_now_ns();
	switch (w->kind->access) {
	case ACCESS_CHANGE:
		got = *at;
		/* fall through */
	case ACCESS_TOUCH:
		*at = next;
		(*writes)++;
		break;
	case ACCESS_FILL:
		fill_page(w, page);
		break;
	default:
		got = *at;
	}
	ns = clock_now_ns() - begin;
	*ret_ns = (uint32_t)MIN(ns, (uint64_t)UINT32_MAX);
	return got == want ? 0 : wrong_word(word, want, got, &wk->out.wrong);
}

/* So that no fault of the notes' own is counted or timed.  They were all
 * zeroed by another process; here they only become mapped. */
static void map_notes(const struct worker *wk, uint32_t *samples, size_t count)
{
	const volatile uint8_t *writes = writes_of_worker(wk);

	memset(samples, 0, count * sizeof(*samples));
	for (size_t i = 0; i < wk->w->page_count; i += WORKLOAD_PAGE_BYTES)
		(void)writes[i];
}

static void work_off(struct worker *wk, uint32_t *samples, size_t count)
{
	for (size_t i = 0; wk->err == 0 && i < count &&
	     !atomic_load(wk->is_over); i++)
		wk->err = access_page(wk, i, &samples[i]);
	if (wk->err != 0)
		atomic_store(wk->is_over, true);
}

static void *worker_main(void *arg)
{
	struct worker *wk = arg;
	size_t count = wk->w->access_count / wk->w->thread_count;
	uint32_t *samples = wk->w->samples + count * wk->idx;
	int counter;

	map_notes(wk, samples, count);
	counter = meter_open_faults();
	pthread_mutex_lock(wk->gate);
	pthread_mutex_unlock(wk->gate);
	wk->out.begin_ns = clock_now_ns();
	work_off(wk, samples, count);
	wk->out.end_ns = clock_now_ns();
	if (counter < 0 || read(counter, &wk->out.fault_count,
				sizeof(wk->out.fault_count)) < 0)
		wk->out.fault_count = -1;
	if (counter >= 0)
		close(counter);
	return NULL;
}

/* Start all, let them go together, wait.  When one cannot be started the
 * others find `is_over` set, and do nothing. */
static int run_workers(struct worker *workers, unsigned count)
{
	pthread_t thread[WORKLOAD_THREADS_MAX];
	unsigned started = 0;
	int err = 0;

	pthread_mutex_lock(workers->gate);
	while (err == 0 && started < count) {
		err = -pthread_create(&thread[started], NULL, worker_main,
				      &workers[started]);
		started += err == 0;
	}
	if (err != 0)
		atomic_store(workers->is_over, true);
	pthread_mutex_unlock(workers->gate);
	for (unsigned i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	return err;
}

static int add_outcome(const struct worker *wk, struct workload_outcome *out)
{
	if (wk->err != 0)
		out->wrong = wk->out.wrong;
	out->begin_ns = MIN(out->begin_ns, wk->out.begin_ns);
	out->end_ns = MAX(out->end_ns, wk->out.end_ns);
	out->fault_count = wk->out.fault_count < 0 || out->fault_count < 0 ?
		-1 : out->fault_count + wk->out.fault_count;
	return wk->err;
}

int workload_run(const struct workload *w, struct workload_outcome *ret_outcome)
{
	unsigned count = w->thread_count;
	struct worker workers[WORKLOAD_THREADS_MAX];
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	atomic_bool is_over = false;
	struct zipf zipf;
	int err;

	ASSERT(w->thread_count >= 1 &&
	       w->thread_count <= WORKLOAD_THREADS_MAX);
	ASSERT(w->access_count % w->thread_count == 0);
	if (w->kind->order == ORDER_ZIPF)
		zipf_init(&zipf, w->page_count, ZIPF_THETA);
	for (unsigned i = 0; i < count; i++)
		workers[i] = (struct worker){
			.w = w, .gate = &gate, .is_over = &is_over, .idx = i,
			.order = {
				.kind = w->kind->order,
				.page_count = w->page_count,
				.home = w->page_count / w->thread_count * i,
				.seed = order_mix(w->seed + i),
				.zipf = &zipf,
			},
		};
	err = run_workers(workers, count);
	*ret_outcome = (struct workload_outcome){ .begin_ns = UINT64_MAX };
	for (unsigned i = 0; err == 0 && i < count; i++)
		err = add_outcome(&workers[i], ret_outcome);
	return err;
}

/* ---- afterwards */

static uint64_t expected(const struct workload *w, size_t page, size_t idx)
{
	enum work_start start = w->kind->start;
	size_t thread = idx - FIRST_WORD;
	uint8_t writes = 0;

	if (idx >= FIRST_WORD && thread < w->thread_count)
		writes = w->writes[thread * w->page_count + page];
	if (writes == 0 && w->kind->access != ACCESS_FILL &&
	    (start == START_EMPTY ||
	     (start == START_DROPPED && page % ORDER_HOLE_EVERY == 0)))
		return 0;
	return value_of(w, page * PAGE_WORDS + idx, writes);
}

static int check_page(const struct workload *w, size_t page,
		      struct workload_wrong *ret_wrong)
{
	for (size_t idx = 0; idx < PAGE_WORDS; idx++) {
		size_t word = page * PAGE_WORDS + idx;
		uint64_t want = expected(w, page, idx);

		if (w->words[word] != want)
			return wrong_word(word, want, w->words[word],
					  ret_wrong);
	}
	return 0;
}

int workload_check(const struct workload *w, struct workload_wrong *ret_wrong)
{
	int err = 0;

	for (size_t page = 0; err == 0 && page < w->page_count; page++)
		err = check_page(w, page, ret_wrong);
	return err;
}
