/* SPDX-License-Identifier: MIT */
/* What a page from another memd costs, beside a bare TCP connection that is
 * asked for the same blocks with as many requests under way; and what a fault
 * costs with everything.  Over loopback.
 *
 * `remote [--quick]`.  Results go to stdout, as JSON.  Exit: 0, 1 something
 * failed or bytes were wrong, 64 wrong usage, 77 memd cannot run here. */
#include "tests/bench/remote.h"

#include "tests/bench/results.h"
#include "tests/integration/testmemd.h"
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 5, QUICK_PART = 20, EXIT_USAGE = 64, ADDRESS_BYTES = 64 };

enum { COUNT_MAX = 60000 };

struct figures {
	double mean_ns;		/* from one end to the next */
	double p50_ns, p99_ns;	/* of one request */
};

enum { ON_TCP, ON_MEMD, ONS };

static const char *const on_names[ONS] = { "tcp", "memd" };

static struct row {
	const char *name;
	remote_reader *read[ONS];
	struct remote_work work;
	struct figures run[ONS][REPEATS];
} rows[] = {
	{ .name = "read 4 KiB, 1 under way",
	  .read = { remote_tcp, remote_store },
	  .work = { 4096, 1, 20000, true } },
	{ .name = "read 4 KiB, 32 under way",
	  .read = { remote_tcp, remote_store },
	  .work = { 4096, 32, COUNT_MAX, true } },
	{ .name = "in order, 1 MiB, 8 under way",
	  .read = { remote_tcp, remote_store },
	  .work = { 1 << 20, 8, 800, false } },
	{ .name = "fault at random, inline",
	  .read = { remote_tcp, remote_faults },
	  .work = { 4096, 1, 20000, true } },
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool run_one(remote_reader *reader, const char *address,
		    const struct remote_work *work, struct figures *to)
{
	static uint64_t ns[COUNT_MAX];
	uint64_t all_ns;

	if (reader(address, work, ns, &all_ns) != 0)
		return false;
	qsort(ns, work->count, sizeof(ns[0]), by_value);
	to->mean_ns = (double)all_ns / (double)work->count;
	to->p50_ns = (double)ns[work->count / 2];
	to->p99_ns = (double)ns[work->count * 99 / 100];
	return true;
}

/* Interleaved, so that a busy moment hits all. */
static bool run_all(const char *address, unsigned repeats)
{
	for (unsigned i = 0; i < repeats; i++)
		for (size_t r = 0; r < ARRAY_SIZE(rows); r++)
			for (int on = 0; on < ONS; on++)
				if (!run_one(rows[r].read[on], address,
					     &rows[r].work,
					     &rows[r].run[on][i]))
					return false;
	return true;
}

static void print_spread(const char *key, const double *first,
			 unsigned repeats)
{
	results_print_spread(stdout, key, first, sizeof(struct figures),
			     repeats);
}

static void print_results(unsigned repeats)
{
	const char *separator = "\n";

	printf("{\"remote\": [");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int on = 0; on < ONS; on++) {
			const struct figures *f = rows[i].run[on];

			printf("%s    {\"work\": \"%s\", \"on\": \"%s\", "
			       "\"block_bytes\": %zu", separator,
			       rows[i].name, on_names[on],
			       rows[i].work.block_bytes);
			print_spread("mean_ns", &f->mean_ns, repeats);
			print_spread("p50_ns", &f->p50_ns, repeats);
			print_spread("p99_ns", &f->p99_ns, repeats);
			printf("}");
			separator = ",\n";
		}
	}
	printf("\n  ]}\n");
}

static bool find_address(struct testmemd *tm, char *ret_address)
{
	FILE *log = testmemd_open_log(tm);
	char line[1024], host[48];
	bool is_found = false;
	unsigned port;

	while (log != NULL && !is_found &&
	       fgets(line, sizeof(line), log) != NULL) {
		const char *at = strstr(line, "listening-tcp");

		is_found = at != NULL &&
			   sscanf(at, "listening-tcp address=%47s port=%u",
				  host, &port) == 2;
	}
	if (log != NULL)
		fclose(log);
	if (is_found)
		snprintf(ret_address, ADDRESS_BYTES, "%s:%u", host, port);
	return is_found;
}

int main(int argc, char **argv)
{
	static const char *const flags[] = {
		"--listen-tcp=127.0.0.1:0", "--insecure-tcp=yes",
		"--pool-size=512M", "--swap-size=512M", "--log-level=info",
		NULL,
	};
	bool is_quick = argc == 2 && strcmp(argv[1], "--quick") == 0, is_good;
	unsigned repeats = is_quick ? 1 : REPEATS;
	char address[ADDRESS_BYTES];
	struct testmemd tm;

	if (argc > 1 && !is_quick) {
		fprintf(stderr, "usage: remote [--quick]\n");
		return EXIT_USAGE;
	}
	for (size_t i = 0; is_quick && i < ARRAY_SIZE(rows); i++)
		rows[i].work.count /= QUICK_PART;
	if (testmemd_start(&tm, flags) != 0)
		return EXIT_FAILURE;
	is_good = find_address(&tm, address) && run_all(address, repeats);
	is_good &= testmemd_stop(&tm) == 0;
	if (is_good)
		print_results(repeats);
	return is_good && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
