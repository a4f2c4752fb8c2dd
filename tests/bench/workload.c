/* SPDX-License-Identifier: MIT */
/* See workload.h. */
#include "tests/bench/workload.h"

#include "common/clock.h"
#include "tests/bench/algorithms.h"
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
	ABSENT_KEYS = 25,	/* an eighth of what is looked for */
};

size_t work_kind_accesses(const struct work_kind *kind, size_t page_count,
			  size_t wanted)
{
	if (kind->order == ORDER_HOLES)
		return page_count / ORDER_HOLE_EVERY;
	if (kind->order == ORDER_LOOP)
		return page_count * ORDER_LOOP_PASSES;
	if (kind->access == ACCESS_SORT || kind->start == START_EMPTY ||
	    kind->start == START_SHARED)
		return page_count;
	/* A table would get full. */
	return kind->access == ACCESS_PUT ? MIN(wanted, page_count) : wanted;
}

/* What word number `word` holds after `writes` read-modify-writes. */
static uint64_t value_of(const struct workload *w, size_t word, uint8_t writes)
{
	uint64_t value = (w->first_value + word + 1) *
			 UINT64_C(0x9E3779B97F4A7C15) +
			 writes * UINT64_C(0xD1B54A32D192ED03);

	return w->kind->start == START_KEYS ? order_mix(value) : value;
}

static int wrong_word(size_t word, uint64_t want, uint64_t got,
		      struct workload_wrong *ret_wrong)
{
	*ret_wrong = (struct workload_wrong){ word, want, got };
	return -EILSEQ;
}

static struct table table_of(const struct workload *w)
{
	return (struct table){
		.slots = (struct table_slot *)w->words,
		.page_count = w->page_count,
	};
}

/* Keys of a page before the work begins. */
static unsigned keys_at_first(const struct workload *w)
{
	return TABLE_PAGE_KEYS - (w->kind->access == ACCESS_PUT);
}

static void fill_table(const struct workload *w, size_t page)
{
	struct table t = table_of(w);

	for (unsigned i = 0; i < keys_at_first(w); i++) {
		uint64_t key = table_key(&t, page, i);

		table_put(&t, key, table_value(key));
	}
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

static struct order order_of(const struct workload *w, unsigned thread,
			     const struct zipf *zipf)
{
	return (struct order){
		.kind = w->kind->order,
		.page_count = w->page_count,
		.home = w->page_count / w->thread_count * thread,
		.seed = order_mix(w->seed + thread),
		.zipf = zipf,
	};
}

static int warm_up(const struct workload *w, struct workload_wrong *ret_wrong)
{
	struct order order = order_of(w, 0, NULL);
	int err = 0;

	ASSERT(w->thread_count == 1 && order.kind != ORDER_ZIPF);
	for (size_t i = 0; err == 0 && i < w->access_count; i++)
		err = sweep_page(w, order_page(&order, i), ret_wrong);
	return err;
}

int workload_fill(const struct workload *w, struct workload_wrong *ret_wrong)
{
	bool is_swept = w->kind->start == START_SWEPT;
	int err = 0;

	for (size_t page = 0; page < w->page_count; page++) {
		if (w->kind->start == START_TABLE)
			fill_table(w, page);
		else
			fill_page(w, page);
	}
	for (size_t i = 0; is_swept && err == 0 && i < w->page_count; i++)
		err = sweep_page(w, i, ret_wrong);
	return w->kind->start == START_WARM ? warm_up(w, ret_wrong) : err;
}

/* ---- accesses */

struct worker {
	const struct workload *w;
	struct order order;
	pthread_mutex_t *gate;	/* locked until all may begin */
	atomic_bool *is_over;	/* for all workers: a value was wrong, or the
				 * reader beside the scanner has ended */
	unsigned idx;		/* thread_count: the scanner */
	int err;
	struct workload_outcome out;
};

static uint8_t *writes_of_worker(const struct worker *wk)
{
	return wk->w->writes + wk->idx * wk->w->page_count;
}

/* A key of that page: a new one, or one to look for, with its value; 0: it is
 * not in the table. */
static uint64_t choose_key(const struct workload *w, size_t page, size_t i,
			   uint8_t writes, uint64_t *ret_want)
{
	bool is_put = w->kind->access == ACCESS_PUT;
	struct table t = table_of(w);
	unsigned idx = is_put ? keys_at_first(w) + writes :
		(unsigned)(order_mix(i) % (TABLE_PAGE_KEYS + ABSENT_KEYS));
	uint64_t key = table_key(&t, page, idx);

	ASSERT(idx < TABLE_PAGE_KEYS_MAX);
	*ret_want = is_put || idx < TABLE_PAGE_KEYS ? table_value(key) : 0;
	return key;
}

static int access_page(struct worker *wk, size_t i, uint32_t *ret_ns)
{
	const struct workload *w = wk->w;
	size_t done = w->kind->start == START_WARM ? w->access_count : 0;
	size_t page = order_page(&wk->order, done + i);
	size_t word = page * PAGE_WORDS + FIRST_WORD + wk->idx;
	uint8_t *writes = &writes_of_worker(wk)[page];
	uint64_t want = value_of(w, word, *writes), got, key = 0, begin, ns;
	uint64_t next = value_of(w, word, (uint8_t)(*writes + 1));
	volatile uint64_t *at = &w->words[word];
	struct table t = table_of(w);

	if (w->kind->start == START_TABLE)
		key = choose_key(w, page, i, *writes, &want);
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
	case ACCESS_PUT:
		table_put(&t, key, want);
		(*writes)++;
		break;
	case ACCESS_GET:
		got = table_get(&t, key);
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
	const struct workload *w = wk->w;
	bool is_scanner = wk->idx == w->thread_count;

	if (w->kind->access == ACCESS_SORT) {
		sort_keys(w->words, w->page_count * PAGE_WORDS);
		return;
	}
	for (size_t i = 0; wk->err == 0 && (is_scanner || i < count) &&
	     !atomic_load(wk->is_over); i++)
		wk->err = is_scanner ?
			sweep_page(w, i % w->page_count, &wk->out.wrong) :
			access_page(wk, i, &samples[i]);
	if (wk->err != 0 || w->kind->access == ACCESS_READ_BESIDE)
		atomic_store(wk->is_over, true);
}

static void *worker_main(void *arg)
{
	struct worker *wk = arg;
	size_t count = wk->w->access_count / wk->w->thread_count;
	uint32_t *samples = wk->w->samples + count * wk->idx;
	int counter;

	if (wk->idx < wk->w->thread_count)
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
	pthread_t thread[WORKLOAD_THREADS_MAX + 1];
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

/* Of a scanner only its errors count. */
static int add_outcome(const struct worker *wk, struct workload_outcome *out)
{
	if (wk->err != 0)
		out->wrong = wk->out.wrong;
	if (wk->idx == wk->w->thread_count)
		return wk->err;
	out->begin_ns = MIN(out->begin_ns, wk->out.begin_ns);
	out->end_ns = MAX(out->end_ns, wk->out.end_ns);
	out->fault_count = wk->out.fault_count < 0 || out->fault_count < 0 ?
		-1 : out->fault_count + wk->out.fault_count;
	return wk->err;
}

int workload_run(const struct workload *w, struct workload_outcome *ret_outcome)
{
	unsigned count = w->thread_count +
			 (w->kind->access == ACCESS_READ_BESIDE);
	struct worker workers[WORKLOAD_THREADS_MAX + 1];
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
			.order = order_of(w, i, &zipf),
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

/* All keys are there, and nothing else. */
static int check_table(const struct workload *w,
		       struct workload_wrong *ret_wrong)
{
	struct table t = table_of(w);
	size_t keys = 0, used = 0;

	for (size_t page = 0; page < w->page_count; page++) {
		unsigned count = keys_at_first(w) + w->writes[page];

		for (unsigned i = 0; i < count; i++) {
			uint64_t key = table_key(&t, page, i);
			uint64_t got = table_get(&t, key);

			if (got != table_value(key))
				return wrong_word(page * PAGE_WORDS,
						  table_value(key), got,
						  ret_wrong);
		}
		for (size_t i = 0; i < TABLE_PAGE_SLOTS; i++)
			used += t.slots[page * TABLE_PAGE_SLOTS + i].key != 0;
		keys += count;
	}
	return used == keys ? 0 : wrong_word(0, keys, used, ret_wrong);
}

/* In order, and with the sum that the keys had. */
static int check_sorted(const struct workload *w,
			struct workload_wrong *ret_wrong)
{
	uint64_t least = 0, want = 0, got = 0;

	for (size_t word = 0; word < w->page_count * PAGE_WORDS; word++) {
		uint64_t key = w->words[word];

		if (key < least)
			return wrong_word(word, least, key, ret_wrong);
		least = key;
		got += key;
		want += value_of(w, word, 0);
	}
	return got == want ? 0 : wrong_word(0, want, got, ret_wrong);
}

int workload_check(const struct workload *w, struct workload_wrong *ret_wrong)
{
	int err = 0;

	if (w->kind->start == START_TABLE)
		return check_table(w, ret_wrong);
	if (w->kind->access == ACCESS_SORT)
		return check_sorted(w, ret_wrong);
	for (size_t page = 0; err == 0 && page < w->page_count; page++)
		err = check_page(w, page, ret_wrong);
	return err;
}
