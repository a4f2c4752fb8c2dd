/* SPDX-License-Identifier: MIT */
/* See workload.h. */
#include "tests/bench/workload.h"

#include "common/clock.h"
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ZIPF_THETA 0.99

enum {
	PAGE_WORDS = WORKLOAD_PAGE_BYTES / 8,
	FIRST_WORD = 8,		/* of a page: the word of thread 0 */
};

const struct work_kind work_kinds[WORK_KINDS] = {
	{ "zero-fault", "first touch of single pages: memd asked, no disk",
	  ACCESS_TOUCH, START_DROPPED, ORDER_HOLES },
	{ "minor", "single pages in the pool, unmapped as ageing does it",
	  ACCESS_READ, START_UNMAPPED, ORDER_HOLES },
	{ "pool-hit", "pages in the pool, put there by another process",
	  ACCESS_READ, START_SHARED, ORDER_SCATTERED },
	{ "first-touch", "first touch in order, one word a page",
	  ACCESS_TOUCH, START_EMPTY, ORDER_FORWARD },
	{ "fill", "all words of all pages written, in order",
	  ACCESS_FILL, START_EMPTY, ORDER_FORWARD },
	{ "seq-read", "in order, all pages changed before: dirty ones go out",
	  ACCESS_READ, START_FILLED, ORDER_FORWARD },
	{ "seq-clean", "in order, the second time: nothing has to be written",
	  ACCESS_READ, START_SWEPT, ORDER_FORWARD },
	{ "back-read", "in order, downwards",
	  ACCESS_READ, START_FILLED, ORDER_BACKWARD },
	{ "stride-read", "every fourth page, upwards",
	  ACCESS_READ, START_FILLED, ORDER_STRIDED },
	{ "rand-read", "at random",
	  ACCESS_READ, START_FILLED, ORDER_RANDOM },
	{ "rand-rmw", "at random, read, then another value written",
	  ACCESS_CHANGE, START_FILLED, ORDER_RANDOM },
	{ "zipf-read", "at random by Zipf's law, 0.99",
	  ACCESS_READ, START_FILLED, ORDER_ZIPF },
	{ "seq-rmw", "in order, read, then another value written",
	  ACCESS_CHANGE, START_FILLED, ORDER_FORWARD },
};

size_t work_kind_once(const struct work_kind *kind, size_t page_count)
{
	if (kind->order == ORDER_HOLES)
		return page_count / ORDER_HOLE_EVERY;
	if (kind->start == START_EMPTY || kind->start == START_SHARED)
		return page_count;
	return 0;
}

/* What word number `word` holds after `writes` read-modify-writes. */
static uint64_t value_of(const struct workload *w, size_t word, uint8_t writes)
{
	return (w->first_value + word + 1) * UINT64_C(0x9E3779B97F4A7C15) +
	       writes * UINT64_C(0xD1B54A32D192ED03);
}

static void fill_page(const struct workload *w, size_t page)
{
	size_t end = (page + 1) * PAGE_WORDS;

	for (size_t word = page * PAGE_WORDS; word < end; word++)
		w->words[word] = value_of(w, word, 0);
}

void workload_fill(const struct workload *w)
{
	for (size_t page = 0; page < w->page_count; page++)
		fill_page(w, page);
}

int workload_sweep(const struct workload *w, struct workload_wrong *ret_wrong)
{
	for (size_t page = 0; page < w->page_count; page++) {
		size_t word = page * PAGE_WORDS;
		uint64_t want = value_of(w, word, 0), got = w->words[word];

		if (got != want) {
			*ret_wrong = (struct workload_wrong){ word, want, got };
			return -EILSEQ;
		}
	}
	return 0;
}

/* ---- accesses */

struct worker {
	const struct workload *w;
	struct order order;
	pthread_mutex_t *gate;		/* locked until all may begin */
	atomic_bool *has_failed;	/* of all workers: stop */
	unsigned idx;
	uint64_t begin_ns, end_ns;
	int64_t fault_count;
	int err;
	struct workload_wrong wrong;
};

static uint8_t *writes_of_worker(const struct worker *wk)
{
	return wk->w->writes + wk->idx * wk->w->page_count;
}

/* One access.  Returns what was read, or `want` where nothing is. */
static uint64_t access_word(const struct workload *w, size_t word,
			    uint64_t want, uint64_t next)
{
	volatile uint64_t *at = &w->words[word];
	uint64_t got = want;

	switch (w->kind->access) {
	case ACCESS_READ:
		got = *at;
		break;
	case ACCESS_CHANGE:
		got = *at;
		*at = next;
		break;
	case ACCESS_TOUCH:
		*at = next;
		break;
	case ACCESS_FILL:
		fill_page(w, word / PAGE_WORDS);
		break;
	}
	return got;
}

/* Returns whether the value was right. */
static bool access_page(struct worker *wk, size_t page, uint32_t *ret_ns)
{
	const struct workload *w = wk->w;
	uint8_t *writes = &writes_of_worker(wk)[page];
	size_t word = page * PAGE_WORDS + FIRST_WORD + wk->idx;
	uint64_t want = value_of(w, word, *writes);
	uint64_t next = value_of(w, word, (uint8_t)(*writes + 1));
	uint64_t begin = clock_now_ns();
	uint64_t got = access_word(w, word, want, next);
	uint64_t ns = clock_now_ns() - begin;

	*ret_ns = (uint32_t)MIN(ns, (uint64_t)UINT32_MAX);
	if (w->kind->access != ACCESS_READ)
		(*writes)++;
	if (got == want)
		return true;
	wk->wrong = (struct workload_wrong){ word, want, got };
	return false;
}

/* Counts this thread's page faults, whoever answers them: perf_event_open(2)'s
 * counter takes one that ends in SIGBUS or in a userfaultfd for a fault just as
 * any other, getrusage(2) does not.  -1: not allowed here. */
static int open_fault_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.exclude_kernel = 1,	/* or it takes a privilege */
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
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

static void *worker_main(void *arg)
{
	struct worker *wk = arg;
	size_t count = wk->w->access_count / wk->w->thread_count;
	uint32_t *samples = wk->w->samples + count * wk->idx;
	int counter;

	map_notes(wk, samples, count);
	counter = open_fault_counter();
	pthread_mutex_lock(wk->gate);
	pthread_mutex_unlock(wk->gate);
	wk->begin_ns = clock_now_ns();
	for (size_t i = 0; i < count && !atomic_load(wk->has_failed); i++) {
		if (!access_page(wk, order_page(&wk->order, i), &samples[i])) {
			wk->err = -EILSEQ;
			atomic_store(wk->has_failed, true);
		}
	}
	wk->end_ns = clock_now_ns();
	if (counter < 0 || read(counter, &wk->fault_count,
				sizeof(wk->fault_count)) < 0)
		wk->fault_count = -1;
	if (counter >= 0)
		close(counter);
	return NULL;
}

/* Start all, let them go together, wait.  When one cannot be started the
 * others find `has_failed` set, and do nothing. */
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
		atomic_store(workers->has_failed, true);
	pthread_mutex_unlock(workers->gate);
	for (unsigned i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	return err;
}

static int sum_up(const struct worker *workers, unsigned count,
		  struct workload_outcome *out)
{
	int err = 0;

	out->fault_count = 0;
	out->begin_ns = UINT64_MAX;
	for (unsigned i = 0; i < count; i++) {
		out->begin_ns = MIN(out->begin_ns, workers[i].begin_ns);
		out->end_ns = MAX(out->end_ns, workers[i].end_ns);
		if (workers[i].fault_count < 0 || out->fault_count < 0)
			out->fault_count = -1;
		else
			out->fault_count += workers[i].fault_count;
		if (workers[i].err != 0) {
			out->wrong = workers[i].wrong;
			err = workers[i].err;
		}
	}
	return err;
}

int workload_run(const struct workload *w, struct workload_outcome *ret_outcome)
{
	struct worker workers[WORKLOAD_THREADS_MAX];
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct workload_outcome out = { 0 };
	atomic_bool has_failed = false;
	struct zipf zipf;
	int err;

	ASSERT(w->thread_count >= 1 &&
	       w->thread_count <= WORKLOAD_THREADS_MAX);
	ASSERT(w->access_count % w->thread_count == 0);
	if (w->kind->order == ORDER_ZIPF)
		zipf_init(&zipf, w->page_count, ZIPF_THETA);
	for (unsigned i = 0; i < w->thread_count; i++)
		workers[i] = (struct worker){
			.w = w, .gate = &gate, .has_failed = &has_failed,
			.idx = i,
			.order = {
				.kind = w->kind->order,
				.page_count = w->page_count,
				.home = w->page_count / w->thread_count * i,
				.seed = order_mix(w->seed + i),
				.zipf = &zipf,
			},
		};
	err = run_workers(workers, w->thread_count);
	if (err == 0)
		err = sum_up(workers, w->thread_count, &out);
	*ret_outcome = out;
	return err;
}

/* ---- afterwards */

static bool is_page_written(const struct workload *w, size_t page)
{
	for (unsigned t = 0; t < w->thread_count; t++)
		if (w->writes[t * w->page_count + page] > 0)
			return true;
	return false;
}

/* How often word number `idx` of the page was written by itself. */
static uint8_t writes_of(const struct workload *w, size_t page, size_t idx)
{
	if (idx < FIRST_WORD || idx - FIRST_WORD >= w->thread_count)
		return 0;
	return w->writes[(idx - FIRST_WORD) * w->page_count + page];
}

static uint64_t expected(const struct workload *w, size_t page, size_t idx)
{
	size_t word = page * PAGE_WORDS + idx;
	uint8_t writes = writes_of(w, page, idx);

	if (w->kind->access == ACCESS_FILL)
		return is_page_written(w, page) ? value_of(w, word, 0) : 0;
	if (w->kind->start == START_EMPTY && writes == 0)
		return 0;
	if (w->kind->start == START_DROPPED && writes == 0 &&
	    page % ORDER_HOLE_EVERY == 0)
		return 0;
	return value_of(w, word, writes);
}

int workload_check(const struct workload *w, struct workload_wrong *ret_wrong)
{
	for (size_t page = 0; page < w->page_count; page++) {
		for (size_t idx = 0; idx < PAGE_WORDS; idx++) {
			size_t word = page * PAGE_WORDS + idx;
			uint64_t want = expected(w, page, idx);
			uint64_t got = w->words[word];

			if (got != want) {
				*ret_wrong = (struct workload_wrong){
					word, want, got
				};
				return -EILSEQ;
			}
		}
	}
	return 0;
}
