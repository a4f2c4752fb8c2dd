/* SPDX-License-Identifier: MIT */
/* See workload.h. */
#include "tests/bench/workload.h"

#include "common/clock.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
	PAGE_WORDS = WORKLOAD_PAGE_BYTES / 8,
	FIRST_WORD = 8,		/* of a page: the word of thread 0 */
};

const struct work_kind work_kinds[WORK_KINDS] = {
	{ "seq-read", false, false },
	{ "rand-read", true, false },
	{ "seq-rmw", false, true },
	{ "rand-rmw", true, true },
};

/* What word number `word` holds after `writes` read-modify-writes. */
static uint64_t value_of(size_t word, uint8_t writes)
{
	return (word + 1) * UINT64_C(0x9E3779B97F4A7C15) +
	       writes * UINT64_C(0xD1B54A32D192ED03);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

void workload_fill(uint64_t *words, size_t page_count)
{
	for (size_t word = 0; word < page_count * PAGE_WORDS; word++)
		words[word] = value_of(word, 0);
}

struct worker {
	const struct workload *w;
	pthread_mutex_t *gate;		/* locked until all may begin */
	atomic_bool *has_failed;	/* of all workers: stop */
	unsigned idx;
	int err;
	struct workload_wrong wrong;
};

/* The page of access number `i` of this worker. */
static size_t page_of(const struct worker *wk, size_t i)
{
	const struct workload *w = wk->w;
	size_t home = w->page_count / w->thread_count * wk->idx;

	if (w->kind->is_random)
		return mix(mix(w->seed + wk->idx) + i) % w->page_count;
	return (home + i) % w->page_count;
}

/* One access.  Returns whether the value was right. */
static bool access_page(struct worker *wk, size_t page, uint32_t *ret_ns)
{
	const struct workload *w = wk->w;
	uint8_t *writes = &w->writes[wk->idx * w->page_count + page];
	size_t word = page * PAGE_WORDS + FIRST_WORD + wk->idx;
	volatile uint64_t *at = &w->words[word];
	uint64_t want = value_of(word, *writes), got, ns;
	uint64_t next = value_of(word, (uint8_t)(*writes + 1));
	uint64_t begin = clock_now_ns();

	got = *at;
	if (w->kind->is_write)
		*at = next;
	ns = clock_now_ns() - begin;
	*ret_ns = (uint32_t)MIN(ns, (uint64_t)UINT32_MAX);
	if (w->kind->is_write)
		(*writes)++;
	if (got == want)
		return true;
	wk->wrong = (struct workload_wrong){ word, want, got };
	return false;
}

static void *worker_main(void *arg)
{
	struct worker *wk = arg;
	size_t count = wk->w->access_count / wk->w->thread_count;
	uint32_t *samples = wk->w->samples + count * wk->idx;

	pthread_mutex_lock(wk->gate);
	pthread_mutex_unlock(wk->gate);
	for (size_t i = 0; i < count && !atomic_load(wk->has_failed); i++) {
		if (!access_page(wk, page_of(wk, i), &samples[i])) {
			wk->err = -EILSEQ;
			atomic_store(wk->has_failed, true);
		}
	}
	return NULL;
}

/* Start all, let them go together, wait.  When one cannot be started the
 * others find `has_failed` set, and do nothing. */
static int run_workers(struct worker *workers, unsigned count,
		       uint64_t *ret_wall_ns)
{
	pthread_t thread[WORKLOAD_THREADS_MAX];
	unsigned started = 0;
	uint64_t begin;
	int err = 0;

	pthread_mutex_lock(workers->gate);
	while (err == 0 && started < count) {
		err = -pthread_create(&thread[started], NULL, worker_main,
				      &workers[started]);
		started += err == 0;
	}
	if (err != 0)
		atomic_store(workers->has_failed, true);
	begin = clock_now_ns();
	pthread_mutex_unlock(workers->gate);
	for (unsigned i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	*ret_wall_ns = clock_now_ns() - begin;
	return err;
}

int workload_run(const struct workload *w, uint64_t *ret_wall_ns,
		 struct workload_wrong *ret_wrong)
{
	struct worker workers[WORKLOAD_THREADS_MAX];
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	atomic_bool has_failed = false;
	int err;

	ASSERT(w->thread_count >= 1 &&
	       w->thread_count <= WORKLOAD_THREADS_MAX);
	ASSERT(w->access_count % w->thread_count == 0);
	for (unsigned i = 0; i < w->thread_count; i++)
		workers[i] = (struct worker){
			.w = w, .gate = &gate, .has_failed = &has_failed,
			.idx = i,
		};
	err = run_workers(workers, w->thread_count, ret_wall_ns);
	for (unsigned i = 0; err == 0 && i < w->thread_count; i++) {
		if (workers[i].err == 0)
			continue;
		*ret_wrong = workers[i].wrong;
		err = workers[i].err;
	}
	return err;
}

/* How often word number `idx` of the page was written. */
static uint8_t writes_of(const struct workload *w, size_t page, size_t idx)
{
	if (idx < FIRST_WORD || idx - FIRST_WORD >= w->thread_count)
		return 0;
	return w->writes[(idx - FIRST_WORD) * w->page_count + page];
}

int workload_check(const struct workload *w, struct workload_wrong *ret_wrong)
{
	for (size_t page = 0; page < w->page_count; page++) {
		for (size_t idx = 0; idx < PAGE_WORDS; idx++) {
			size_t word = page * PAGE_WORDS + idx;
			uint64_t want = value_of(word, writes_of(w, page, idx));
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
