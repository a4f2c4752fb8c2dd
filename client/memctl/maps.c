/* SPDX-License-Identifier: MIT */
/* memctl maps: what one client has mapped, shown as pmap(1) does. */
#include "client/memctl/memctl.h"

#include "client/memctl/text.h"
#include <inttypes.h>

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct client_name *client = state->input;

	if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "whose? give a process id, or a session like "
			   "s12: `memctl ps` shows them");
	return memctl_parse_client_argument(key, text, state, client);
}

static const struct argp maps_argp = {
	.parser = parse,
	.args_doc = "PID|sID",
	.doc = "Show each region that process PID, or session ID alone, has "
	       "mapped: address, size, "
	       "how much is in the pool (RSS) and in the swap file (SWAP), "
	       "dirty (resident without a copy in the swap file), mode "
	       "(rw or r-; s shared, p private), name; and the total.  The "
	       "address is - where the process has not told it.",
};

static const struct report_column columns[] = {
	{ "ADDRESS", NULL, REPORT_TEXT, 0, 0 },
	{ NULL, "segment", REPORT_NUMBER, 0, 0 },
	{ NULL, "address", REPORT_NUMBER, 0, 0 },
	{ NULL, "page_bytes", REPORT_SIZE, 0, 0 },
	{ "SIZE", "length_bytes", REPORT_SIZE, 0, 0 },
	{ "RSS", "resident_bytes", REPORT_SIZE, 0, 0 },
	{ "SWAP", "swapped_bytes", REPORT_SIZE, 0, 0 },
	{ "DIRTY", "dirty_bytes", REPORT_SIZE, 0, 0 },
	{ "MODE", "mode", REPORT_TEXT, 0, 0 },
	{ "NAME", "name", REPORT_TEXT, REPORT_TRUNCATE, 0 },
};

static void add_address(struct report *rp, const Memd__SegmentInfo *s)
{
	char range[48];

	if (!s->has_address || s->address == 0) {
		report_unknown(rp);
		report_number(rp, s->segment);
		report_unknown(rp);
		return;
	}
	snprintf(range, sizeof(range), "%" PRIx64 "-%" PRIx64, s->address,
		 s->address + s->length_bytes);
	report_text(rp, range);
	report_number(rp, s->segment);
	report_number(rp, s->address);
}

static void add_region(struct report *rp, const Memd__SegmentInfo *s)
{
	bool is_private = s->name[0] == '\0';
	char mode[] = "rw-p";

	if (s->has_read_only && s->read_only)
		mode[1] = '-';
	if (!is_private)
		mode[3] = 's';
	add_address(rp, s);
	report_number(rp, s->page_bytes);
	report_number(rp, s->length_bytes);
	report_number(rp, s->resident_bytes);
	report_number(rp, s->swapped_bytes);
	report_number(rp, s->dirty_bytes);
	report_text(rp, mode);
	report_text(rp, is_private ? NULL : s->name);
	report_end_row(rp);
}

/* For people only: programs can add up for themselves. */
static void add_total(struct report *rp, const Memd__SegmentsReply *maps)
{
	uint64_t length = 0, resident = 0, swapped = 0, dirty = 0;

	for (size_t i = 0; i < maps->n_segment; i++) {
		length += maps->segment[i]->length_bytes;
		resident += maps->segment[i]->resident_bytes;
		swapped += maps->segment[i]->swapped_bytes;
		dirty += maps->segment[i]->dirty_bytes;
	}
	report_text(rp, "total");
	report_unknown(rp);
	report_unknown(rp);
	report_unknown(rp);
	report_number(rp, length);
	report_number(rp, resident);
	report_number(rp, swapped);
	report_number(rp, dirty);
	report_text(rp, "");
	report_text(rp, "");
	report_end_row(rp);
}

/* By address; those that are not known come last, by segment. */
static int compare(const void *a, const void *b)
{
	const Memd__SegmentInfo *x = *(Memd__SegmentInfo *const *)a;
	const Memd__SegmentInfo *y = *(Memd__SegmentInfo *const *)b;
	uint64_t at_x = x->has_address ? x->address : UINT64_MAX;
	uint64_t at_y = y->has_address ? y->address : UINT64_MAX;

	if (at_x != at_y)
		return at_x > at_y ? 1 : -1;
	return (x->segment > y->segment) - (x->segment < y->segment);
}

int cmd_maps(struct memctl *mc, int argc, char **argv)
{
	Memd__MapsRequest request = MEMD__MAPS_REQUEST__INIT;
	struct client_name client = { 0 };
	ProtobufCMessage *reply;
	Memd__SegmentsReply *maps;
	struct report *rp;
	int code;

	memctl_parse(mc, &maps_argp, argc, argv, &client);
	request.pid = client.pid;
	request.has_session = client.session != 0;
	request.session = client.session;
	code = memctl_ask(mc, ASK_MAPS, &request.base, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	maps = (Memd__SegmentsReply *)reply;
	if (maps->n_segment > 0)
		qsort(maps->segment, maps->n_segment, sizeof(*maps->segment),
		      compare);
	rp = report_create(REPORT_ROWS, "maps", columns, ARRAY_SIZE(columns),
			   &mc->style);
	for (size_t i = 0; rp != NULL && i < maps->n_segment; i++)
		add_region(rp, maps->segment[i]);
	if (rp != NULL && mc->style.format == REPORT_TABLE)
		add_total(rp, maps);
	code = memctl_finish(rp);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
