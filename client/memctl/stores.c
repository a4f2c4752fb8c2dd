/* SPDX-License-Identifier: MIT */
/* memctl stores: what memd keeps for other hosts. */
#include "client/memctl/memctl.h"
#include "client/memctl/text.h"
#include <string.h>

static const struct argp stores_argp = {
	.doc = "Show what memd keeps for programs and memds on other hosts: "
	       "their address and the name in their certificate, whose limits "
	       "count, how much was asked for (SIZE), how much of it is in the "
	       "pool (RSS) and in the swap file (SWAP), bytes read and written "
	       "since it was opened, the round-trip time of the connection, "
	       "and, where that is broken, for how long (IDLE).  By its ID "
	       "`memctl drop-guest' drops one.",
};

static const struct report_column columns[] = {
	{ "ID", NULL, REPORT_NUMBER, 0, 0 },
	{ "HOST", "host", REPORT_TEXT, 0, 0 },
	{ "CERTIFICATE", "peer", REPORT_TEXT, REPORT_TRUNCATE, 0 },
	{ "SESSION", "session", REPORT_NUMBER, REPORT_LONG, 0 },
	{ "USER", "user", REPORT_TEXT, 0, 0 },
	{ NULL, "uid", REPORT_NUMBER, 0, 0 },
	{ "SIZE", "length_bytes", REPORT_SIZE, 0, 0 },
	{ "RSS", "resident_bytes", REPORT_SIZE, 0, 0 },
	{ "SWAP", "swapped_bytes", REPORT_SIZE, 0, 0 },
	{ "READ", "read_bytes", REPORT_SIZE, 0, 0 },
	{ "WRITTEN", "written_bytes", REPORT_SIZE, 0, 0 },
	{ "RTT", "rtt_ns", REPORT_TIME, 0, 0 },
	{ "IDLE", NULL, REPORT_TEXT, 0, 0 },
	{ NULL, "idle_ms", REPORT_NUMBER, 0, 0 },
	{ NULL, "store", REPORT_NUMBER, 0, 0 },
};

static int compare(const void *a, const void *b)
{
	const Memd__StoreInfo *x = *(Memd__StoreInfo *const *)a;
	const Memd__StoreInfo *y = *(Memd__StoreInfo *const *)b;
	int order = strcmp(x->host, y->host);

	if (order != 0)
		return order;
	return (x->session > y->session) - (x->session < y->session);
}

static void add_connection(struct report *rp, const Memd__StoreInfo *s)
{
	char buf[64];

	if (s->has_rtt_ns)
		report_number(rp, s->rtt_ns);
	else
		report_unknown(rp);
	if (s->has_idle_ms) {
		report_text(rp, text_uptime(s->idle_ms, buf, sizeof(buf)));
		report_number(rp, s->idle_ms);
	} else {
		report_text(rp, NULL);
		report_unknown(rp);
	}
}

static void add_id(struct report *rp, const Memd__StoreInfo *s)
{
	if (s->has_store)
		report_number(rp, s->store);
	else
		report_unknown(rp);
}

static void add_store(struct report *rp, const Memd__StoreInfo *s)
{
	char buf[64];

	add_id(rp, s);
	report_text(rp, s->host);
	report_text(rp, s->peer[0] != '\0' ? s->peer : NULL);
	report_session(rp, s->session);
	report_text(rp, text_user(s->uid, buf, sizeof(buf)));
	report_number(rp, s->uid);
	report_number(rp, s->length_bytes);
	report_number(rp, s->resident_bytes);
	report_number(rp, s->swapped_bytes);
	report_number(rp, s->read_bytes);
	report_number(rp, s->written_bytes);
	add_connection(rp, s);
	add_id(rp, s);
	report_end_row(rp);
}

int cmd_stores(struct memctl *mc, int argc, char **argv)
{
	ProtobufCMessage *reply;
	Memd__StoresReply *stores;
	struct report *rp;
	int code;

	memctl_parse(mc, &stores_argp, argc, argv, NULL);
	code = memctl_ask(mc, ASK_STORES, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	stores = (Memd__StoresReply *)reply;
	if (stores->n_store > 0)
		qsort(stores->store, stores->n_store, sizeof(*stores->store),
		      compare);
	rp = report_create(REPORT_ROWS, "stores", columns, ARRAY_SIZE(columns),
			   &mc->style);
	for (size_t i = 0; rp != NULL && i < stores->n_store; i++)
		add_store(rp, stores->store[i]);
	code = memctl_finish(rp);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
