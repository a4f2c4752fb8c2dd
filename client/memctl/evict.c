/* SPDX-License-Identifier: MIT */
/* memctl evict: write resident pages out to the swap file, now. */
#include "client/memctl/memctl.h"

#include "common/units.h"

static const struct argp_option options[] = {
	{ "bytes", 'b', "SIZE", 0,
	  "Evict about so much (for example 64M) instead of all that can be",
	  1 },
	{ 0 },
};

struct wish {
	struct client_name client;
	Memd__EvictRequest request;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct wish *wish = state->input;
	Memd__EvictRequest *request = &wish->request;

	if (key == 'b') {
		request->bytes = memctl_parse_size(state, text);
		if (request->bytes == 0)
			argp_error(state, "nothing to do: evict more than 0");
		request->has_bytes = 1;
		return 0;
	}
	return memctl_parse_client_argument(key, text, state, &wish->client);
}

static const struct argp evict_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[PID|sID]",
	.doc = "Write resident memory out to the swap file: of process PID, of "
	       "session ID, or of all.  Nothing is lost; pages come back when "
	       "they are touched.  Pinned pages stay.  Waits until it is done, "
	       "however long that takes, unless --timeout is given.",
};

static const struct report_column columns[] = {
	{ NULL, "evicted_bytes", REPORT_SIZE, 0, 0 },
};

static int print(const struct memctl *mc, const Memd__EvictReply *evicted)
{
	struct report *rp;
	char buf[32];

	if (mc->style.format == REPORT_TABLE) {
		printf("evicted %s\n", units_format_size(evicted->evicted_bytes,
							 buf, sizeof(buf)));
		return EXIT_CODE_OK;
	}
	rp = report_create(REPORT_ROWS, "evict", columns, ARRAY_SIZE(columns),
			   &mc->style);
	if (rp != NULL) {
		report_number(rp, evicted->evicted_bytes);
		report_end_row(rp);
	}
	return memctl_finish(rp);
}

int cmd_evict(struct memctl *mc, int argc, char **argv)
{
	struct wish wish = { .request = MEMD__EVICT_REQUEST__INIT };
	Memd__EvictRequest *request = &wish.request;
	ProtobufCMessage *reply;
	int code;

	memctl_parse_plain(mc, &evict_argp, argc, argv, &wish);
	request->has_pid = wish.client.pid != 0;
	request->pid = wish.client.pid;
	request->has_session = wish.client.session != 0;
	request->session = wish.client.session;
	if (!mc->has_timeout)
		mc->timeout_ms = 0;
	code = memctl_ask(mc, ASK_EVICT, &request->base, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	code = print(mc, (const Memd__EvictReply *)reply);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
