/* SPDX-License-Identifier: MIT */
#include "tests/policy/trace.h"

#include "common/checks.h"

#include <math.h>
#include <stdlib.h>

enum { ACCESSES = 1000000, PAGES = 20000 };

/* ---- numbers at random (xorshift64*) */

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static uint32_t random_below(uint64_t *state, uint32_t count)
{
	return (uint32_t)((random_next(state) >> 32) * count >> 32);
}

/* Ranks with Zipf's distribution, and which page has which rank. */
struct zipf {
	double *sum;		/* of the chances of all ranks up to this */
	uint32_t *page;
	uint32_t count;
};

static void zipf_init(struct zipf *z, uint32_t count, double exponent,
		      uint64_t *rng)
{
	double sum = 0;

	z->sum = calloc(count, sizeof(*z->sum));
	z->page = calloc(count, sizeof(*z->page));
	ASSERT(z->sum != NULL && z->page != NULL);
	z->count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t other = random_below(rng, i + 1);

		sum += pow(i + 1, -exponent);
		z->sum[i] = sum;
		z->page[i] = z->page[other];
		z->page[other] = i;
	}
}

static void zipf_fini(struct zipf *z)
{
	free(z->sum);
	free(z->page);
}

static uint32_t zipf_next(const struct zipf *z, uint64_t *rng)
{
	double at = (double)(random_next(rng) >> 11) * 0x1p-53 *
		    z->sum[z->count - 1];
	uint32_t low = 0, high = z->count - 1;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (z->sum[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return z->page[low];
}

/* ---- the traces */

static void add(struct trace *t, uint32_t page)
{
	ASSERT(t->count < ACCESSES && page < t->page_count);
	t->page[t->count++] = page;
}

/* Zipf with exponent 0.99: a cache, a key-value store. */
static void make_zipf(struct trace *t, uint64_t *rng)
{
	struct zipf z;

	zipf_init(&z, PAGES, 0.99, rng);
	while (t->count < ACCESSES)
		add(t, zipf_next(&z, rng));
	zipf_fini(&z);
}

/* Every 20 000 accesses, some thousand pages in order, once. */
static void make_zipf_and_scans(struct trace *t, uint64_t *rng)
{
	uint32_t hot = PAGES / 2;
	struct zipf z;

	zipf_init(&z, hot, 0.99, rng);
	while (t->count + 30000 <= ACCESSES) {
		uint32_t first = hot + random_below(rng, PAGES / 4);

		for (unsigned i = 0; i < 20000; i++)
			add(t, zipf_next(&z, rng));
		for (uint32_t i = 0; i < PAGES / 4; i++)
			add(t, first + i);
	}
	zipf_fini(&z);
}

/* A reader with Zipf's distribution beside one who reads everything else in
 * order, over and over: one access each. */
static void make_zipf_beside_scanner(struct trace *t, uint64_t *rng)
{
	uint32_t hot = PAGES / 2, at = 0;
	struct zipf z;

	zipf_init(&z, hot, 0.99, rng);
	while (t->count + 2 <= ACCESSES) {
		add(t, zipf_next(&z, rng));
		add(t, hot + at);
		at = (at + 1) % (PAGES - hot);
	}
	zipf_fini(&z);
}

/* Everything in order, again and again. */
static void make_loop(struct trace *t, uint64_t *rng)
{
	(void)rng;
	for (uint32_t i = 0; i < ACCESSES; i++)
		add(t, i % t->page_count);
}

/* Nine of ten accesses to a tenth of the pages, which moves on slowly. */
static void make_moving(struct trace *t, uint64_t *rng)
{
	while (t->count < ACCESSES) {
		uint32_t at = (uint32_t)(t->count / 50);

		if (random_below(rng, 10) != 0)
			add(t, (at + random_below(rng, PAGES / 10)) % PAGES);
		else
			add(t, random_below(rng, PAGES));
	}
}

/* Phases of different programs: one at random on a working set, one in a loop,
 * one with a hot set. */
static void make_phases(struct trace *t, uint64_t *rng)
{
	enum { PHASE = 50000 };
	struct zipf z;

	zipf_init(&z, PAGES, 0.9, rng);
	for (unsigned phase = 0; t->count + PHASE <= ACCESSES; phase++) {
		uint32_t first = random_below(rng, PAGES / 2);

		for (uint32_t i = 0; i < PHASE; i++)
			add(t, phase % 3 == 0 ?
			       first + random_below(rng, PAGES / 8) :
			       phase % 3 == 1 ? first + i % (PAGES / 3) :
			       zipf_next(&z, rng));
	}
	zipf_fini(&z);
}

/* A pass over everything, then a hot set for as many accesses: each time
 * another one, so what was learned before is of no use. */
static void make_starts(struct trace *t, uint64_t *rng)
{
	while (t->count + 3 * PAGES <= ACCESSES) {
		uint32_t at = random_below(rng, PAGES);

		for (uint32_t i = 0; i < PAGES; i++)
			add(t, i);
		for (uint32_t i = 0; i < PAGES; i++)
			add(t, random_below(rng, 10) == 0 ?
			       random_below(rng, PAGES) :
			       (at + random_below(rng, PAGES / 10)) % PAGES);
	}
}

/* All pages alike: no policy is better than another. */
static void make_random(struct trace *t, uint64_t *rng)
{
	while (t->count < ACCESSES)
		add(t, random_below(rng, PAGES));
}

void trace_init(struct trace *t, unsigned number, uint64_t seed)
{
	static const struct {
		const char *name;
		void (*make)(struct trace *t, uint64_t *rng);
	} traces[TRACES] = {
		{ "zipf", make_zipf },
		{ "zipf-and-scans", make_zipf_and_scans },
		{ "zipf-beside-scanner", make_zipf_beside_scanner },
		{ "loop", make_loop },
		{ "moving-hot-set", make_moving },
		{ "phases", make_phases },
		{ "starts", make_starts },
		{ "random", make_random },
	};
	uint64_t rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	*t = (struct trace){
		.name = traces[number].name,
		.page = calloc(ACCESSES, sizeof(*t->page)),
		.page_count = PAGES,
	};
	ASSERT(t->page != NULL);
	traces[number].make(t, &rng);
}

void trace_fini(struct trace *t)
{
	free(t->page);
}
