/* SPDX-License-Identifier: MIT */
/* memctl unlink: takes the name of a segment away. */
#include "client/memctl/verbs.h"

#include "client/memctl/text.h"
#include "common/units.h"
#include <stdio.h>
#include <string.h>

static void unlink_take(struct memctl *mc, struct argp_state *state, int key,
			char *text)
{
	Memd__SegmentUnlink *request = mc->request;

	if (key != ARGP_KEY_ARG)
		return;
	if (strlen(text) > WIRE_NAME_BYTES_MAX)
		argp_error(state, "a name has at most %d bytes",
			   WIRE_NAME_BYTES_MAX);
	request->name = text;
	request->has_count = request->count = true;
}

static void unlink_add_name(struct report *rp, const void *message)
{
	const struct memctl *mc = report_context(rp);

	(void)message;
	report_text(rp, mc->argument[0]);
}

static const struct report_column unlink_columns[] = {
	COLUMN(NULL, "segment", NUMBER),
	COLUMN(NULL, "length_bytes", SIZE),
	COLUMN(NULL, "attached", NUMBER),
	COLUMN(NULL, "name", TEXT, .add = unlink_add_name),
};

static const struct view unlink_view = {
	.form = REPORT_FORM(ROWS, "unlink", unlink_columns),
};

static int unlink_say(const struct memctl *mc)
{
	const Memd__SegmentUnlinkReply *unlinked = mc->reply;
	char size[32];

	units_format_size(unlinked->length_bytes, size, sizeof(size));
	printf("unlinked %s, %s: ", text_clean(mc->argument[0]), size);
	if (unlinked->attached == 0)
		printf("nobody has it, so it is gone\n");
	else
		printf("%u session%s still %s it\n", unlinked->attached,
		       unlinked->attached == 1 ? "" : "s",
		       unlinked->attached == 1 ? "has" : "have");
	return EXIT_CODE_OK;
}

const struct verb verb_unlink = {
	.name = "unlink", .summary = "take a segment's name away",
	.arguments = "SEGMENT",
	.help = "Take the name of a segment away, as rm(1) does of a file.  "
		"Programs that have attached it keep it, and its memory is "
		"free when the last of them has gone; nobody else can attach "
		"it any more.",
	.argument_max = 1, .take = unlink_take, .is_plain = true,
	.missing = "which segment? `memctl segments` shows their names",
	.question = ASK_UNLINK, .request = &memd__segment_unlink__descriptor,
	.view = &unlink_view, .say = unlink_say,
};
