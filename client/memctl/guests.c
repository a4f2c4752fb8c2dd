/* SPDX-License-Identifier: MIT */
/* memctl guests: what memd keeps for other hosts. */
#include "client/memctl/verbs.h"

static const struct report_column guests_columns[] = {
	COLUMN("ID", NULL, NUMBER, .field = "guest"),
	COLUMN("HOST", "host", TEXT),
	COLUMN("CERTIFICATE", "peer", TEXT, .flags = REPORT_TRUNCATE),
	COLUMN("SESSION", "session", SESSION, .flags = REPORT_LONG),
	COLUMN("USER", "user", USER, .field = "uid"),
	COLUMN(NULL, "uid", NUMBER),
	COLUMN("SIZE", "length_bytes", SIZE),
	COLUMN("RSS", "resident_bytes", SIZE),
	COLUMN("SWAP", "swapped_bytes", SIZE),
	COLUMN("READ", "read_bytes", SIZE),
	COLUMN("WRITTEN", "written_bytes", SIZE),
	COLUMN("RTT", "rtt_ns", TIME),
	COLUMN("IDLE", NULL, SPAN, .field = "idle_ms"),
	COLUMN(NULL, "idle_ms", NUMBER),
	COLUMN(NULL, "guest", NUMBER),
};

static const struct view guests_view = {
	.form = REPORT_FORM(ROWS, "guests", guests_columns),
	.rows = "guest", .order = { "host", "session" },
};

const struct verb verb_guests = {
	.name = "guests", .summary = "what it keeps for other hosts",
	.help = "Show what memd keeps for programs and memds on other hosts: "
		"their address and the name in their certificate, whose limits "
		"count, how much was asked for (SIZE), how much of it is in "
		"the pool (RSS) and in swap (SWAP), bytes read and "
		"written since it was opened, the round-trip time of the "
		"connection, and, where that is broken, for how long (IDLE).  "
		"By its ID `memctl drop-guest' drops one.",
	.question = ASK_GUESTS, .view = &guests_view,
};
