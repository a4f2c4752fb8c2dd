/* SPDX-License-Identifier: MIT */
/* What a page from another memd costs over loopback, beside a bare TCP
 * connection and beside nbdkit's memory plugin read with libnbd, each asked
 * for the same blocks with as many requests under way; and what a fault costs
 * with everything.
 *
 * `remote_paging [--quick] [--json FILE]`.  Exit: 0, 1 something failed or
 * bytes were wrong, 64 wrong usage, 77 memd cannot run here. */
#include "tests/bench/remote.h"

#include "tests/integration/testmemd.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REPEATS = 5, EXIT_USAGE = 64, ADDRESS_BYTES = 64 };

enum who { PING, STORE, NBD, WHO };

static const char *const who_names[WHO] = { "bare TCP", "memd", "nbdkit" };

struct row {
	const char *name;
	struct remote_work work;
	struct remote_result best[WHO];
};

static struct row rows[] = {
	{ .name = "4 KiB, 1 under way", .work = { 4096, 1, 20000, true } },
	{ .name = "4 KiB, 32 under way", .work = { 4096, 32, 60000, true } },
	{ .name = "1 MiB, 1 under way", .work = { 1 << 20, 1, 400, true } },
	{ .name = "1 MiB, 32 under way", .work = { 1 << 20, 32, 800, true } },
	{ .name = "in order, 1 MiB, 8 under way",
	  .work = { 1 << 20, 8, 800, false } },
};

static struct remote_result faults;

/* The middle one of several runs, by their means. */
static int by_mean(const void *a, const void *b)
{
	const struct remote_result *x = a, *y = b;

	return (x->mean_ns > y->mean_ns) - (x->mean_ns < y->mean_ns);
}

static int run_one(enum who who, const char *address,
		   const struct remote_work *work, struct remote_result *to)
{
	switch (who) {
	case PING:
		return remote_ping(work, to);
	case STORE:
		return remote_store(address, work, to);
	default:
		return remote_nbd(work, to);
	}
}

/* Interleaved, so that a busy moment hits all. */
static bool run_row(struct row *row, const char *address, int repeats)
{
	struct remote_result result[WHO][REPEATS];

	for (int i = 0; i < repeats; i++)
		for (enum who who = 0; who < WHO; who++)
			if (run_one(who, address, &row->work,
				    &result[who][i]) != 0)
				return false;
	for (enum who who = 0; who < WHO; who++) {
		qsort(result[who], (size_t)repeats, sizeof(result[who][0]),
		      by_mean);
		row->best[who] = result[who][repeats / 2];
	}
	return true;
}

static bool run_faults(const char *address, int repeats, size_t count)
{
	struct remote_result result[REPEATS];

	for (int i = 0; i < repeats; i++)
		if (remote_faults(address, count, &result[i]) != 0)
			return false;
	qsort(result, (size_t)repeats, sizeof(result[0]), by_mean);
	faults = result[repeats / 2];
	return true;
}

/* ---- output */

static double mib_per_s(const struct row *row, const struct remote_result *r)
{
	return (double)row->work.block_bytes / (double)(1 << 20) * 1e9 /
	       r->mean_ns;
}

static void print_table(void)
{
	printf("%-30s %-9s %10s %10s %10s %10s %9s\n", "read", "from",
	       "us each", "p50 us", "p99 us", "MiB/s", "x bare");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (enum who who = 0; who < WHO; who++) {
			const struct remote_result *r = &rows[i].best[who];

			if (!r->is_done)
				continue;
			printf("%-30s %-9s %10.1f %10.1f %10.1f %10.1f "
			       "%9.2f\n", rows[i].name, who_names[who],
			       r->mean_ns / 1e3, r->p50_ns / 1e3,
			       r->p99_ns / 1e3, mib_per_s(&rows[i], r),
			       rows[i].best[PING].mean_ns / r->mean_ns);
		}
	printf("%-30s %-9s %10.1f %10.1f %10.1f\n",
	       "fault at random, inline", "memd", faults.mean_ns / 1e3,
	       faults.p50_ns / 1e3, faults.p99_ns / 1e3);
}

static void judge(const char *what, const char *goal, double figure,
		  bool is_met)
{
	if (isfinite(figure))
		printf("%-38s %-32s %6.2f  %s\n", what, goal, figure,
		       is_met ? "met" : "missed");
}

static void print_goals(void)
{
	double nbd = rows[1].best[NBD].is_done ?
		rows[1].best[NBD].mean_ns / rows[1].best[STORE].mean_ns :
		NAN;
	double order = rows[4].best[PING].mean_ns /
		       rows[4].best[STORE].mean_ns;
	double fault = faults.p50_ns / rows[0].best[PING].p50_ns;

	printf("\n");
	if (!rows[1].best[NBD].is_done)
		printf("not compared with nbdkit: it or libnbd (libnbd-dev, "
		       "when this was built) is not there\n");
	judge("random 4 KiB reads/s, 32 under way", "at least 1 x nbdkit's",
	      nbd, nbd >= 1);
	judge("reading in order", "at least 0.7 x bare TCP", order,
	      order >= 0.7);
	judge("a fault (median)", "at most 1.5 x a bare round trip", fault,
	      fault <= 1.5);
}

static bool write_json(const char *path)
{
	FILE *to = fopen(path, "w");
	const char *comma = "";

	if (to == NULL) {
		perror(path);
		return false;
	}
	fprintf(to, "{ \"version\": 1, \"results\": [");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (enum who who = 0; who < WHO; who++) {
			const struct remote_result *r = &rows[i].best[who];

			if (!r->is_done)
				continue;
			fprintf(to, "%s\n  { \"read\": \"%s\", \"from\": "
				"\"%s\", \"mean_ns\": %.0f, \"p50_ns\": %.0f, "
				"\"p99_ns\": %.0f }", comma, rows[i].name,
				who_names[who], r->mean_ns, r->p50_ns,
				r->p99_ns);
			comma = ",";
		}
	fprintf(to, "\n  ],\n  \"fault\": { \"mean_ns\": %.0f, \"p50_ns\": "
		"%.0f, \"p99_ns\": %.0f }\n}\n", faults.mean_ns,
		faults.p50_ns, faults.p99_ns);
	return fclose(to) == 0;
}

/* ---- */

static bool run_all(const char *address, bool is_quick)
{
	int repeats = is_quick ? 1 : REPEATS;
	bool is_good = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows) && is_good; i++) {
		if (is_quick)
			rows[i].work.count /= 20;
		is_good = run_row(&rows[i], address, repeats);
	}
	return is_good &&
	       run_faults(address, repeats, is_quick ? 1000 : 20000);
}

static bool find_address(const struct testmemd *tm, char *ret_address)
{
	FILE *log = fopen(tm->log, "r");
	char line[1024];
	bool is_found = false;

	if (log == NULL)
		return false;
	while (!is_found && fgets(line, sizeof(line), log) != NULL) {
		const char *at = strstr(line, "listening-tcp");
		char host[48];
		unsigned port;

		is_found = at != NULL &&
			   sscanf(at, "listening-tcp address=%47s port=%u",
				  host, &port) == 2;
		if (is_found)
			snprintf(ret_address, ADDRESS_BYTES, "%s:%u", host,
				 port);
	}
	fclose(log);
	return is_found;
}

int main(int argc, char **argv)
{
	static const char *const flags[] = {
		"--listen-tcp=127.0.0.1:0", "--pool-size=512M",
		"--swap-size=512M", "--log-level=info", NULL,
	};
	const char *json = NULL;
	char address[ADDRESS_BYTES];
	bool is_quick = false, is_good;
	struct testmemd tm;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			is_quick = true;
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = argv[++i];
		} else {
			fprintf(stderr, "usage: remote_paging [--quick] "
				"[--json FILE]\n");
			return EXIT_USAGE;
		}
	}
	if (testmemd_start(&tm, flags) != 0)
		return EXIT_FAILURE;
	is_good = find_address(&tm, address) && run_all(address, is_quick);
	if (is_good) {
		print_table();
		print_goals();
	}
	is_good &= testmemd_stop(&tm) == 0;
	if (is_good && json != NULL)
		is_good = write_json(json);
	return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
