/* SPDX-License-Identifier: MIT */
/* What a page from another memd costs over loopback, beside a bare TCP
 * connection and beside nbdkit's memory plugin read with libnbd, each asked
 * for the same blocks with as many requests under way; and what a fault costs
 * with everything.
 *
 * `remote_paging [--quick] [--json FILE] [--markdown FILE]`.  Exit: 0, 1 something failed or
 * bytes were wrong, 64 wrong usage, 77 memd cannot run here. */
#include "tests/bench/remote.h"

#include "tests/integration/testmemd.h"
#include <stdio.h>
#include <string.h>

enum { REPEATS = 5, EXIT_USAGE = 64, ADDRESS_BYTES = 64 };

static struct remote_report report = { .row = {
	[REMOTE_SMALL] = { "4 KiB, 1 under way", { 4096, 1, 20000, true } },
	[REMOTE_SMALL_DEEP] = { "4 KiB, 32 under way",
				{ 4096, 32, 60000, true } },
	[REMOTE_LARGE] = { "1 MiB, 1 under way", { 1 << 20, 1, 400, true } },
	[REMOTE_LARGE_DEEP] = { "1 MiB, 32 under way",
				{ 1 << 20, 32, 800, true } },
	[REMOTE_IN_ORDER] = { "in order, 1 MiB, 8 under way",
			      { 1 << 20, 8, 800, false } },
} };

/* The middle one of several runs, by their means. */
static int by_mean(const void *a, const void *b)
{
	const struct remote_result *x = a, *y = b;

	return (x->mean_ns > y->mean_ns) - (x->mean_ns < y->mean_ns);
}

static int run_one(enum remote_who who, const char *address,
		   const struct remote_work *work, struct remote_result *to)
{
	switch (who) {
	case REMOTE_PING:
	case REMOTE_PING_SPREAD:
		return remote_ping(work, who == REMOTE_PING_SPREAD, to);
	case REMOTE_STORE:
		return remote_store(address, work, to);
	default:
		return remote_nbd(work, to);
	}
}

/* Interleaved, so that a busy moment hits all. */
static bool run_row(struct remote_row *row, const char *address, int repeats)
{
	struct remote_result result[REMOTE_WHO][REPEATS];

	for (int i = 0; i < repeats; i++)
		for (enum remote_who who = 0; who < REMOTE_WHO; who++)
			if (run_one(who, address, &row->work,
				    &result[who][i]) != 0)
				return false;
	for (enum remote_who who = 0; who < REMOTE_WHO; who++) {
		qsort(result[who], (size_t)repeats, sizeof(result[who][0]),
		      by_mean);
		row->middle[who] = result[who][repeats / 2];
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
	report.faults = result[repeats / 2];
	return true;
}

/* ---- */

static bool run_all(const char *address, bool is_quick)
{
	int repeats = is_quick ? 1 : REPEATS;
	bool is_good = true;

	for (size_t i = 0; i < REMOTE_ROWS && is_good; i++) {
		if (is_quick)
			report.row[i].work.count /= 20;
		is_good = run_row(&report.row[i], address, repeats);
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

static int usage(void)
{
	fprintf(stderr, "usage: remote_paging [--quick] [--json FILE] "
		"[--markdown FILE]\n");
	return EXIT_USAGE;
}

static bool write_file(const char *path,
		       void (*print)(const struct remote_report *, FILE *))
{
	FILE *to;

	if (path == NULL)
		return true;
	to = fopen(path, "w");
	if (to == NULL) {
		perror(path);
		return false;
	}
	print(&report, to);
	return fclose(to) == 0;
}

static bool measure(bool is_quick, int *ret_exit)
{
	static const char *const flags[] = {
		"--listen-tcp=127.0.0.1:0", "--pool-size=512M",
		"--swap-size=512M", "--log-level=info", NULL,
	};
	char address[ADDRESS_BYTES];
	struct testmemd tm;
	bool is_good;

	*ret_exit = testmemd_start(&tm, flags);
	if (*ret_exit != 0)
		return false;
	is_good = find_address(&tm, address) && run_all(address, is_quick);
	is_good &= testmemd_stop(&tm) == 0;
	*ret_exit = is_good ? EXIT_SUCCESS : EXIT_FAILURE;
	return is_good;
}

int main(int argc, char **argv)
{
	const char *json = NULL, *markdown = NULL;
	bool is_quick = false;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			is_quick = true;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			json = argv[++i];
		else if (strcmp(argv[i], "--markdown") == 0 && i + 1 < argc)
			markdown = argv[++i];
		else
			return usage();
	}
	if (!measure(is_quick, &code))
		return code;
	remote_report_text(&report, stdout);
	return write_file(json, remote_report_json) &&
	       write_file(markdown, remote_report_markdown) ?
		EXIT_SUCCESS : EXIT_FAILURE;
}
