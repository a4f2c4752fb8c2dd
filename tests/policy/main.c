/* SPDX-License-Identifier: MIT */
/* Replacement policies on traces: the misses of those of memd beside the
 * optimum and policies of the literature, and what finding out costs.
 *
 * Usage: policy FILE            fails if a policy of memd misses more often
 *                               than FILE says, by more than 2 %
 *        policy --record FILE   writes FILE
 *
 * Times are worked out from the counts with the costs below, which were
 * measured with tests/bench.  They differ between machines; their order does
 * not. */
#include "daemon/replace/replace.h"
#include "tests/policy/recorded.h"
#include "tests/policy/reference.h"
#include "tests/policy/subject.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one miss, of ageing a page in a run of others, of a fault on a page that
 * is there.  In microseconds. */
#define MISS_US		80.0
#define AGE_US		0.6
#define TOUCH_US	4.0

enum { WORSE_PERCENT = 2, POLICIES_MAX = 4 };

static const struct reference_policy *const references[] = {
	&lru_reference, &arc_reference, &lirs_reference, &clock2q_reference,
};
static const unsigned pool_percent[] = { 20, 50, 80 };

/* A line of the file. */
struct known {
	char policy[32], trace[32];
	unsigned percent;
	uint64_t misses;
};

static struct known known[POLICIES_MAX * (TRACES + RECORDED_TRACES) *
			  ARRAY_SIZE(pool_percent)];
static size_t known_count;
static FILE *record;
static unsigned worse_count;

static int read_known(const char *path)
{
	FILE *file = fopen(path, "r");
	struct known *k = known;

	if (file == NULL)
		return -errno;
	while (known_count < ARRAY_SIZE(known) &&
	       fscanf(file, "%31s %31s %u%% %" SCNu64, k->policy, k->trace,
		      &k->percent, &k->misses) == 4)
		k = &known[++known_count];
	fclose(file);
	return 0;
}

static void compare(const char *policy, const char *trace, unsigned percent,
		    uint64_t misses)
{
	const struct known *k = known;

	if (record != NULL) {
		fprintf(record, "%s %s %u%% %" PRIu64 "\n", policy, trace,
			percent, misses);
		return;
	}
	while (k < known + known_count &&
	       (strcmp(k->policy, policy) != 0 ||
		strcmp(k->trace, trace) != 0 || k->percent != percent))
		k++;
	if (k == known + known_count) {
		printf("%s, %s, %u%%: not in the file\n", policy, trace,
		       percent);
		worse_count++;
	} else if (misses * 100 > k->misses * (100 + WORSE_PERCENT)) {
		printf("%s, %s, %u%%: %" PRIu64 " misses, not %" PRIu64 "\n",
		       policy, trace, percent, misses, k->misses);
		worse_count++;
	}
}

static double over(uint64_t misses, uint64_t least)
{
	return 100.0 * ((double)misses / (double)least - 1);
}

static double time_us(const struct subject_result *r)
{
	return MISS_US * (double)r->misses + AGE_US * (double)r->aged +
	       TOUCH_US * (double)r->touched;
}

static void print_reference(const struct trace *t, uint32_t frames,
			    double ages, uint64_t opt)
{
	printf(" |");
	for (unsigned i = 0; i < ARRAY_SIZE(references); i++)
		printf(" %5.1f", over(reference_run(t, frames, references[i],
						    ages), opt));
}

static void print_subject(const struct subject_result *r, uint64_t opt)
{
	double age = AGE_US * (double)r->aged + TOUCH_US * (double)r->touched;

	printf(" | %5.1f %4.2f %4.2f %4.1f", over(r->misses, opt),
	       (double)r->aged / (double)r->misses,
	       (double)r->touched / (double)r->misses,
	       100 * age / time_us(r));
}

static void run_trace(const struct trace *t, uint32_t frames, unsigned percent)
{
	uint64_t opt = reference_opt(t, frames);
	struct subject_result r[POLICIES_MAX];
	unsigned count = 0;
	const char *name;

	for (; (name = replace_policy_name(count)) != NULL; count++) {
		r[count] = subject_run(t, frames, name);
		compare(name, t->name, percent, r[count].misses);
	}
	printf("%-19s %2u%% %6" PRIu64, t->name, percent, opt);
	print_reference(t, frames, HUGE_VAL, opt);
	print_reference(t, frames, (double)r[0].aged / (double)r[0].misses,
			opt);
	for (unsigned i = 0; i < count; i++)
		print_subject(&r[i], opt);
	printf("\n");
}

static void print_head(void)
{
	const char *name;

	printf("%-19s %3s %6s", "trace", "pool", "OPT");
	for (unsigned k = 0; k < 2; k++) {
		printf(" |");
		for (unsigned i = 0; i < ARRAY_SIZE(references); i++)
			printf(" %5s", references[i]->name);
	}
	for (unsigned i = 0; (name = replace_policy_name(i)) != NULL; i++)
		printf(" | %-9s       %%", name);
	printf("\n");
}

static void run_all(void)
{
	print_head();
	for (unsigned n = 0; n < TRACES + RECORDED_TRACES; n++) {
		struct trace t;
		uint32_t pages;

		if (n < TRACES)
			trace_init(&t, n, 1);
		else
			recorded_load(&t, RECORDED_FOLDER, n - TRACES);
		pages = n < TRACES ? t.page_count : recorded_count_pages(&t);
		for (size_t k = 0; k < ARRAY_SIZE(pool_percent); k++)
			run_trace(&t, pages * pool_percent[k] / 100,
				  pool_percent[k]);
		trace_fini(&t);
	}
}

int main(int argc, char **argv)
{
	bool is_record = argc == 3 && strcmp(argv[1], "--record") == 0;
	int err = 0;

	if (argc != 2 && !is_record) {
		fprintf(stderr, "usage: policy [--record] FILE\n");
		return 2;
	}
	if (is_record)
		record = fopen(argv[2], "w");
	else
		err = read_known(argv[1]);
	if (err != 0 || (is_record && record == NULL)) {
		perror(argv[argc - 1]);
		return 2;
	}
	run_all();
	if (record != NULL && fclose(record) != 0) {
		perror(argv[2]);
		return 2;
	}
	if (worse_count != 0)
		printf("%u worse than recorded\n", worse_count);
	return worse_count != 0;
}
