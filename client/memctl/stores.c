/* SPDX-License-Identifier: MIT */
/* memctl stores: what memd keeps for other hosts. */
#include "client/memctl/verbs.h"

static const struct report_column stores_columns[] = {
	COLUMN("ID", NULL, NUMBER, .field = "store"),
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
	COLUMN(NULL, "store", NUMBER),
};

static const struct view stores_view = {
	.form = REPORT_FORM(ROWS, "stores", stores_columns),
	.rows = "store", .order = { "host", "session" },
};

const struct verb verb_stores = {
	.name = "stores", .summary = "what it keeps for other hosts",
	.help = "Show what memd keeps for programs and memds on other hosts: "
		"their address and the name in their certificate, whose limits "
		"count, how much was asked for (SIZE), how much of it is in "
		"the pool (RSS) and in the swap file (SWAP), bytes read and "
		"written since it was opened, the round-trip time of the "
		"connection, and, where that is broken, for how long (IDLE).  "
		"By its ID `memctl drop-guest' drops one.",
	.question = ASK_STORES, .view = &stores_view,
};
