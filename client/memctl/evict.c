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

static error_t parse(int key, char *text, struct argp_state *state)
{
	Memd__EvictRequest *request = state->input;

	if (key == 'b') {
		request->bytes = memctl_parse_size(state, text);
		if (request->bytes == 0)
			argp_error(state, "nothing to do: evict more than 0");
		request->has_bytes = 1;
		return 0;
	}
	request->has_pid = key == ARGP_KEY_ARG || request->has_pid;
	return memctl_parse_pid_argument(key, text, state, &request->pid);
}

static const struct argp evict_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[PID]",
	.doc = "Write resident memory out to the swap file: of process PID, or "
	       "of all processes.  Nothing is lost; pages come back when they "
	       "are touched.  Pinned pages stay.  Waits until it is done, "
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
	Memd__EvictRequest request = MEMD__EVICT_REQUEST__INIT;
	ProtobufCMessage *reply;
	int code;

	memctl_parse_plain(mc, &evict_argp, argc, argv, &request);
	if (!mc->has_timeout)
		mc->timeout_ms = 0;
	code = memctl_ask(mc, ASK_EVICT, &request.base, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	code = print(mc, (const Memd__EvictReply *)reply);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
