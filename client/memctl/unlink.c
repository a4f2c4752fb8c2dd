/* SPDX-License-Identifier: MIT */
/* memctl unlink: take the name of a segment away. */
#include "client/memctl/memctl.h"
#include "client/memctl/text.h"

#include "common/units.h"
#include <string.h>

static error_t parse(int key, char *text, struct argp_state *state)
{
	Memd__SegmentUnlink *request = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			return ARGP_ERR_UNKNOWN;
		if (strlen(text) > WIRE_NAME_BYTES_MAX)
			argp_error(state, "a name has at most %d bytes",
				   WIRE_NAME_BYTES_MAX);
		request->name = text;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which segment? `memctl segments` shows "
			   "their names");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp unlink_argp = {
	.parser = parse,
	.args_doc = "SEGMENT",
	.doc = "Take the name of a segment away, as rm(1) does of a file.  "
	       "Programs that have attached it keep it, and its memory is free "
	       "when the last of them has gone; nobody else can attach it any "
	       "more.",
};

static const struct report_column columns[] = {
	{ NULL, "segment", REPORT_NUMBER, 0, 0 },
	{ NULL, "length_bytes", REPORT_SIZE, 0, 0 },
	{ NULL, "attached", REPORT_NUMBER, 0, 0 },
	{ NULL, "name", REPORT_TEXT, 0, 0 },
};

static void print_line(char *name, const Memd__SegmentUnlinkReply *unlinked)
{
	char size[32];

	units_format_size(unlinked->length_bytes, size, sizeof(size));
	printf("unlinked %s, %s: ", text_clean(name), size);
	if (unlinked->attached == 0)
		printf("nobody has it, so it is gone\n");
	else
		printf("%u session%s still %s it\n", unlinked->attached,
		       unlinked->attached == 1 ? "" : "s",
		       unlinked->attached == 1 ? "has" : "have");
}

static int print(const struct memctl *mc, char *name,
		 const Memd__SegmentUnlinkReply *unlinked)
{
	struct report *rp;

	if (mc->style.format == REPORT_TABLE) {
		print_line(name, unlinked);
		return EXIT_CODE_OK;
	}
	rp = report_create(REPORT_ROWS, "unlink", columns, ARRAY_SIZE(columns),
			   &mc->style);
	if (rp != NULL) {
		report_number(rp, unlinked->segment);
		report_number(rp, unlinked->length_bytes);
		report_number(rp, unlinked->attached);
		report_text(rp, name);
		report_end_row(rp);
	}
	return memctl_finish(rp);
}

int cmd_unlink(struct memctl *mc, int argc, char **argv)
{
	Memd__SegmentUnlink request = MEMD__SEGMENT_UNLINK__INIT;
	ProtobufCMessage *reply;
	int code;

	memctl_parse_plain(mc, &unlink_argp, argc, argv, &request);
	request.has_count = request.count = true;
	code = memctl_ask(mc, ASK_UNLINK, &request.base, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	code = print(mc, request.name, (const Memd__SegmentUnlinkReply *)reply);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
