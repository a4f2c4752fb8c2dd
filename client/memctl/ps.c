/* SPDX-License-Identifier: MIT */
/* memctl ps: shows the sessions, in the style of ps(1).  In tables, sessions
 * from other hosts, which have no process here, are in a table of their own. */
#include "client/memctl/verbs.h"

#include <stdio.h>
#include <string.h>

static void ps_add_share(struct report *rp, const void *message)
{
	const Memd__SessionInfo *s = message;
	const struct memctl *mc = report_context(rp);
	const Memd__SessionsReply *all = mc->reply;

	report_decimal(rp, all->pool_bytes == 0 ? 0 :
		       (double)s->resident_bytes * 100 /
		       (double)all->pool_bytes);
}

static void ps_add_peer(struct report *rp, const void *message)
{
	const Memd__SessionInfo *s = message;

	report_text(rp, s->peer != NULL ? s->peer : s->host);
}

static const struct report_column ps_columns[] = {
	COLUMN("PID", "pid", CLIENT),
	COLUMN("SESSION", "session", SESSION, .flags = REPORT_LONG),
	COLUMN("USER", "user", USER, .field = "uid"),
	COLUMN(NULL, "uid", NUMBER),
	COLUMN("VSZ", "mapped_bytes", SIZE),
	COLUMN("RSS", "resident_bytes", SIZE),
	COLUMN("SWAP", "swapped_bytes", SIZE),
	COLUMN("%POOL", "pool_percent", DECIMAL, .add = ps_add_share),
	COLUMN("LIMIT", "limit_bytes", SIZE, .field = "limit_frames",
	       .flags = REPORT_LONG | REPORT_UNITS | REPORT_LIMIT),
	COLUMN("MEMLIMIT", NULL, SIZE, .field = "memory_limit_bytes",
	       .flags = REPORT_LONG | REPORT_LIMIT),
	COLUMN("FAULTS", "faults", NUMBER, .flags = REPORT_LONG),
	COLUMN("ONE-SIDED", "faults_one_sided", NUMBER, .flags = REPORT_LONG),
	COLUMN("FAULTS/s", "faults_per_s", DECIMAL),
	COLUMN("TIME", NULL, SPAN, .flags = REPORT_LONG,
	       .field = "connected_ms"),
	COLUMN(NULL, "connected_ms", NUMBER),
	COLUMN("CARRIER", NULL, TEXT, .flags = REPORT_LONG, .field = "carrier"),
	COLUMN("COMMAND", "command", TEXT,
	       .flags = REPORT_TRUNCATE | REPORT_OR_EMPTY),
	COLUMN(NULL, "carrier", TEXT),
	COLUMN(NULL, "host", TEXT),
	COLUMN(NULL, "peer", TEXT),
	COLUMN(NULL, "rtt_ns", TIME),
	COLUMN(NULL, "in_bytes_per_s", SIZE),
	COLUMN(NULL, "out_bytes_per_s", SIZE),
	COLUMN(NULL, "guest_pages", NUMBER),
	COLUMN(NULL, "memory_limit_bytes", SIZE),
	COLUMN(NULL, "memory_needed_bytes", SIZE),
};

static const struct report_column ps_guest_columns[] = {
	COLUMN("CLIENT", NULL, TEXT, .flags = REPORT_TRUNCATE,
	       .add = ps_add_peer),
	COLUMN("HOST", NULL, TEXT, .field = "host"),
	COLUMN("SESSION", NULL, SESSION, .field = "session"),
	COLUMN("USER", NULL, USER, .field = "uid"),
	COLUMN("RTT", NULL, TIME, .field = "rtt_ns"),
	COLUMN("IN/S", NULL, SIZE, .field = "in_bytes_per_s"),
	COLUMN("OUT/S", NULL, SIZE, .field = "out_bytes_per_s"),
	COLUMN("PAGES", NULL, NUMBER, .field = "guest_pages"),
	COLUMN("VSZ", NULL, SIZE, .field = "mapped_bytes"),
	COLUMN("RSS", NULL, SIZE, .field = "resident_bytes"),
	COLUMN("SWAP", NULL, SIZE, .field = "swapped_bytes"),
	COLUMN("%POOL", NULL, DECIMAL, .add = ps_add_share),
	COLUMN("TIME", NULL, SPAN, .flags = REPORT_LONG,
	       .field = "connected_ms"),
	COLUMN("COMMAND", NULL, TEXT, .field = "command",
	       .flags = REPORT_TRUNCATE | REPORT_OR_EMPTY),
};

static bool ps_is_guest(const struct memctl *mc, const void *row)
{
	const Memd__SessionInfo *s = row;

	(void)mc;
	return s->host != NULL;
}

/* Programs get all sessions; the first table has only those of this host. */
static bool ps_is_wanted(const struct memctl *mc, const void *row)
{
	return mc->style.format != REPORT_TABLE || !ps_is_guest(mc, row);
}

/* Sessions of one process are in the order in which they were opened. */
static const struct view ps_view = {
	.form = REPORT_FORM(ROWS, "ps", ps_columns),
	.rows = "session", .order = { "pid", "session" },
	.is_wanted = ps_is_wanted,
};

static const struct view ps_guest_view = {
	.form = REPORT_FORM(ROWS, "guests", ps_guest_columns),
	.rows = "session", .order = { "pid", "session" },
	.is_wanted = ps_is_guest,
};

static int ps_say(const struct memctl *mc)
{
	int code = view_print(mc, &ps_view);

	if (code != EXIT_CODE_OK || view_count(mc, &ps_guest_view) == 0)
		return code;
	putchar('\n');
	return view_print(mc, &ps_guest_view);
}

/* ---- the command line */

static const struct argp_option ps_options[] = {
	{ "sort", 'k', "KEY", 0,
	  "Sort by pid (default), vsz, rss, swap, faults or rate", 1 },
	{ 0 },
};

/* Except for the process, the largest comes first. */
static void ps_take(struct memctl *mc, struct argp_state *state, int key,
		    char *text)
{
	static const char *const orders[][2] = {
		{ "pid", "pid" }, { "vsz", "-mapped_bytes" },
		{ "rss", "-resident_bytes" }, { "swap", "-swapped_bytes" },
		{ "faults", "-faults" }, { "rate", "-faults_per_s" },
	};

	if (key != 'k')
		return;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		if (strcmp(text, orders[i][0]) == 0) {
			mc->order = orders[i][1];
			return;
		}
	argp_error(state, "cannot sort by '%s': pid, vsz, rss, swap, faults or "
		   "rate", text);
}

const struct verb verb_ps = {
	.name = "ps", .summary = "the processes it serves",
	.help = "Show the processes that memd serves: memory mapped (VSZ), in "
		"the pool (RSS) and in swap (SWAP), the share of the "
		"pool, and faults per second.  Pages that several processes "
		"share count for each of them.\v"
		"Below are the clients on other hosts that keep pages here: by "
		"the name in their certificate, or their address; the "
		"connection's round-trip time; bytes per second that come from "
		"them (IN) and go to them (OUT); and the pages held for them.",
	.options = ps_options, .take = ps_take,
	.question = ASK_SESSIONS, .view = &ps_view, .say = ps_say,
};
