/* SPDX-License-Identifier: MIT */
/* What a page from another memd costs, beside a bare TCP connection that is
 * asked for the same blocks with as many requests under way; and what a fault
 * costs with everything.  Over loopback.
 *
 * `remote [--quick]`.  Each run is a line of JSON on stdout.  Exit: 0, 1
 * something failed or bytes were wrong, 77 memd cannot run here. */
#include "tests/bench/remote.h"

#include "tests/integration/testmemd.h"
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 5, QUICK_PART = 20, COUNT_MAX = 60000, ADDRESS_BYTES = 64 };

enum { ON_TCP, ON_MEMD, ONS };

static const char *const on_names[ONS] = { "tcp", "memd" };

static struct row {
	const char *name;
	remote_reader *read[ONS];
	struct remote_work work;
} rows[] = {
	{ "read 4 KiB, 1 under way", { remote_tcp, remote_store },
	  { 4096, 1, 20000, true } },
	{ "read 4 KiB, 32 under way", { remote_tcp, remote_store },
	  { 4096, 32, COUNT_MAX, true } },
	{ "in order, 1 MiB, 8 under way", { remote_tcp, remote_store },
	  { 1 << 20, 8, 800, false } },
	{ "fault at random, inline", { remote_tcp, remote_faults },
	  { 4096, 1, 20000, true } },
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The mean is from one end to the next, p50 and p99 are of one request. */
static bool run_one(const struct row *row, int on, const char *address,
		    unsigned round)
{
	const struct remote_work *work = &row->work;
	static uint64_t ns[COUNT_MAX];
	uint64_t all_ns;

	if (row->read[on](address, work, ns, &all_ns) != 0)
		return false;
	qsort(ns, work->count, sizeof(ns[0]), by_value);
	printf("{\"remote\": {\"work\": \"%s\", \"on\": \"%s\", "
	       "\"block_bytes\": %zu}, \"round\": %u, \"figures\": "
	       "{\"mean_ns\": %.9g, \"p50_ns\": %ju, \"p99_ns\": %ju}}\n",
	       row->name, on_names[on], work->block_bytes, round,
	       (double)all_ns / (double)work->count,
	       (uintmax_t)ns[work->count / 2],
	       (uintmax_t)ns[work->count * 99 / 100]);
	return true;
}

/* Interleaved, so that a busy moment hits all. */
static bool run_all(const char *address, unsigned repeats)
{
	for (unsigned i = 0; i < repeats; i++)
		for (size_t r = 0; r < ARRAY_SIZE(rows); r++)
			for (int on = 0; on < ONS; on++)
				if (!run_one(&rows[r], on, address, i))
					return false;
	return true;
}

static void find_address(struct testmemd *tm, char *ret_address)
{
	FILE *log = testmemd_open_log(tm);
	char line[1024], *at;
	unsigned port = 0;

	ASSERT(log != NULL);
	while (fgets(line, sizeof(line), log) != NULL)
		if ((at = strstr(line, "listening-tcp")) != NULL)
			(void)sscanf(at, "%*s address=%*s port=%u", &port);
	fclose(log);
	snprintf(ret_address, ADDRESS_BYTES, "127.0.0.1:%u", port);
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

	for (size_t i = 0; is_quick && i < ARRAY_SIZE(rows); i++)
		rows[i].work.count /= QUICK_PART;
	if (testmemd_start(&tm, flags) != 0)
		return EXIT_FAILURE;
	find_address(&tm, address);
	is_good = run_all(address, repeats);
	is_good &= testmemd_stop(&tm) == 0;
	return is_good && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
