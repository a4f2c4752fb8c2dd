/* SPDX-License-Identifier: MIT */
/* What a page from another memd costs, beside a bare TCP connection and beside
 * nbdkit's memory plugin read with libnbd, each asked for the same blocks with
 * as many requests under way; and what a fault costs with everything.  Over
 * loopback, and then between two network namespaces, where those can be had.
 *
 * `remote_paging [--quick] [--json FILE] [--markdown FILE]`.  Exit: 0, 1
 * something failed or bytes were wrong, 64 wrong usage, 77 memd cannot run
 * here. */
#include "tests/bench/remote.h"

#include "tests/bench/awake.h"
#include "tests/integration/testmemd.h"
#include <stdio.h>
#include <string.h>

enum { REPEATS = 5, EXIT_USAGE = 64, ADDRESS_BYTES = 64 };

static struct remote_report report;

static const struct remote_row plan[REMOTE_ROWS] = {
	[REMOTE_SMALL] = { "4 KiB, 1 under way", { 4096, 1, 20000, true } },
	[REMOTE_SMALL_DEEP] = { "4 KiB, 32 under way",
				{ 4096, 32, 60000, true } },
	[REMOTE_LARGE] = { "1 MiB, 1 under way", { 1 << 20, 1, 400, true } },
	[REMOTE_LARGE_DEEP] = { "1 MiB, 32 under way",
				{ 1 << 20, 32, 800, true } },
	[REMOTE_IN_ORDER] = { "in order, 1 MiB, 8 under way",
			      { 1 << 20, 8, 800, false } },
};

/* The other host, and the memd there. */
struct host {
	struct remote_place place;
	char memd[ADDRESS_BYTES];
};

/* The middle one of several runs, by their means. */
static int by_mean(const void *a, const void *b)
{
	const struct remote_result *x = a, *y = b;

	return (x->mean_ns > y->mean_ns) - (x->mean_ns < y->mean_ns);
}

/* Of what is compared by its median. */
static int by_median(const void *a, const void *b)
{
	const struct remote_result *x = a, *y = b;

	return (x->p50_ns > y->p50_ns) - (x->p50_ns < y->p50_ns);
}

static void take_middle(struct remote_result *result, int repeats,
			int (*by)(const void *, const void *),
			struct remote_result *ret_middle)
{
	qsort(result, (size_t)repeats, sizeof(*result), by);
	*ret_middle = result[repeats / 2];
}

static int run_one(enum remote_who who, const struct host *host,
		   const struct remote_work *work, struct remote_result *to)
{
	switch (who) {
	case REMOTE_PING:
	case REMOTE_PING_SPREAD:
		return remote_ping(&host->place, work,
				   who == REMOTE_PING_SPREAD, to);
	case REMOTE_STORE:
		return remote_store(host->memd, work, to);
	default:
		return remote_nbd(&host->place, work, to);
	}
}

/* Interleaved, so that a busy moment hits all. */
static bool run_row(struct remote_row *row, const struct host *host,
		    int repeats)
{
	struct remote_result result[REMOTE_WHO][REPEATS];

	for (int i = 0; i < repeats; i++)
		for (enum remote_who who = 0; who < REMOTE_WHO; who++)
			if (run_one(who, host, &row->work,
				    &result[who][i]) != 0)
				return false;
	for (enum remote_who who = 0; who < REMOTE_WHO; who++)
		take_middle(result[who], repeats, by_mean, &row->middle[who]);
	return true;
}

/* Also interleaved: with what they are compared to. */
static bool run_faults(struct remote_faulting *to, const struct host *host,
		       const struct remote_work *bare, int repeats)
{
	struct remote_result faults[REPEATS], pings[REPEATS];

	for (int i = 0; i < repeats; i++)
		if (remote_faults(host->memd, bare->count, &faults[i]) != 0 ||
		    remote_ping(&host->place, bare, false, &pings[i]) != 0)
			return false;
	take_middle(faults, repeats, by_median, &to->faults);
	take_middle(pings, repeats, by_median, &to->bare);
	return true;
}

static bool run_faultings(struct remote_section *section,
			  const struct host *host, int repeats)
{
	const struct remote_work *bare = &section->row[REMOTE_SMALL].work;
	bool is_good;
	int fd;

	if (!run_faults(&section->faulting[REMOTE_AS_IT_IS], host, bare,
			repeats))
		return false;
	fd = awake_begin();
	if (fd < 0)
		return true;
	is_good = run_faults(&section->faulting[REMOTE_AWAKE], host, bare,
			     repeats);
	awake_end(fd);
	return is_good;
}

/* ---- */

static bool run_section(struct remote_section *section,
			const struct host *host, bool is_quick)
{
	int repeats = is_quick ? 1 : REPEATS;
	bool is_good = true;

	section->place = host->place.name;
	for (size_t i = 0; i < REMOTE_ROWS && is_good; i++) {
		section->row[i] = plan[i];
		if (is_quick)
			section->row[i].work.count /= 20;
		is_good = run_row(&section->row[i], host, repeats);
	}
	return is_good && run_faultings(section, host, repeats);
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

/* Returns the exit status. */
static int measure_at(struct host *host, struct remote_section *section,
		      bool is_quick)
{
	char listen_tcp[ADDRESS_BYTES];
	const char *flags[] = {
		listen_tcp, "--insecure-tcp=yes", "--pool-size=512M",
		"--swap-size=512M", "--log-level=info", NULL,
	};
	struct testmemd tm;
	bool is_good;
	int code;

	snprintf(listen_tcp, sizeof(listen_tcp), "--listen-tcp=%s:0",
		 host->place.address);
	remote_place_enter(&host->place);
	code = testmemd_start(&tm, flags);
	remote_place_leave(&host->place);
	if (code != 0)
		return EXIT_FAILURE;
	is_good = find_address(&tm, host->memd) &&
		  run_section(section, host, is_quick);
	is_good &= testmemd_stop(&tm) == 0;
	return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int measure(bool is_quick)
{
	struct host host = { 0 };
	int code;

	remote_place_loopback(&host.place);
	code = measure_at(&host, &report.section[REMOTE_LOOPBACK], is_quick);
	if (code != 0 || remote_place_veth(&host.place) != 0)
		return code;
	return measure_at(&host, &report.section[REMOTE_VETH], is_quick);
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
	code = measure(is_quick);
	if (code != 0)
		return code;
	remote_report_text(&report, stdout);
	return write_file(json, remote_report_json) &&
	       write_file(markdown, remote_report_markdown) ?
		EXIT_SUCCESS : EXIT_FAILURE;
}
