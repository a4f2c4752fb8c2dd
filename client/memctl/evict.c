/* SPDX-License-Identifier: MIT */
/* memctl evict: write resident pages out to swap, now. */
#include "client/memctl/verbs.h"

#include "common/units.h"
#include <stdio.h>

static const struct argp_option evict_options[] = {
	{ "bytes", 'b', "SIZE", 0,
	  "Evict about so much (for example 64M) instead of all that can be",
	  1 },
	{ 0 },
};

static void evict_take(struct memctl *mc, struct argp_state *state, int key,
		       char *text)
{
	Memd__EvictRequest *request = mc->request;

	if (key == ARGP_KEY_ARG) {
		verb_take_client(mc, state, key, text);
	} else if (key == 'b') {
		request->bytes = options_parse_size(state, text);
		request->has_bytes = 1;
		if (request->bytes == 0)
			argp_error(state, "nothing to do: evict more than 0");
	}
}

static const struct report_column evict_columns[] = {
	COLUMN(NULL, "evicted_bytes", SIZE),
};

static const struct view evict_view = {
	.form = REPORT_FORM(ROWS, "evict", evict_columns),
};

static int evict_say(const struct memctl *mc)
{
	const Memd__EvictReply *evicted = mc->reply;
	char buf[32];

	printf("evicted %s\n", units_format_size(evicted->evicted_bytes, buf,
						 sizeof(buf)));
	return EXIT_CODE_OK;
}

const struct verb verb_evict = {
	.name = "evict", .summary = "write memory out to swap",
	.arguments = "[CLIENT]", .usage = "[PID|sID]",
	.help = "Write resident memory out to swap: of process PID, of session "
		"ID, or of all.  Nothing is lost; pages come back when they "
		"are touched.  Pinned pages stay.  Waits until it is done, "
		"however long that takes, unless --timeout is given.",
	.options = evict_options, .argument_max = 1, .take = evict_take,
	.is_plain = true, .is_patient = true,
	.question = ASK_EVICT, .request = &memd__evict_request__descriptor,
	.view = &evict_view, .say = evict_say,
};
