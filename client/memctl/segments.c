/* SPDX-License-Identifier: MIT */
/* memctl segments: all segments, private and named. */
#include "client/memctl/memctl.h"
#include "client/memctl/text.h"

static const struct argp segments_argp = {
	.doc = "Show all segments: owner, mode, page size, length, how much of "
	       "each is in the pool (RSS) and in the swap file (SWAP), dirty "
	       "(resident without a copy in the swap file), pinned, pages "
	       "lost, sessions attached, name.  A private segment has no "
	       "name.  A name in parentheses has been unlinked.",
};

static const struct report_column columns[] = {
	{ "ID", "segment", REPORT_NUMBER, 0, 0 },
	{ "USER", "user", REPORT_TEXT, 0, 0 },
	{ NULL, "uid", REPORT_NUMBER, 0, 0 },
	{ "GROUP", "group", REPORT_TEXT, REPORT_LONG, 0 },
	{ NULL, "gid", REPORT_NUMBER, 0, 0 },
	{ "MODE", "mode", REPORT_TEXT, 0, 0 },
	{ "PAGE", "page_bytes", REPORT_SIZE, 0, 0 },
	{ "SIZE", "length_bytes", REPORT_SIZE, 0, 0 },
	{ "RSS", "resident_bytes", REPORT_SIZE, 0, 0 },
	{ "SWAP", "swapped_bytes", REPORT_SIZE, 0, 0 },
	{ "DIRTY", "dirty_bytes", REPORT_SIZE, 0, 0 },
	{ "PINNED", "pinned_bytes", REPORT_SIZE, REPORT_LONG, 0 },
	{ "LOST", "lost_pages", REPORT_NUMBER, 0, 0 },
	{ "USES", "attached", REPORT_NUMBER, 0, 0 },
	{ NULL, "unlinked", REPORT_FLAG, 0, 0 },
	{ "NAME", NULL, REPORT_TEXT, REPORT_TRUNCATE, 0 },
	{ NULL, "name", REPORT_TEXT, 0, 0 },
};

static int compare(const void *a, const void *b)
{
	const Memd__SegmentInfo *x = *(Memd__SegmentInfo *const *)a;
	const Memd__SegmentInfo *y = *(Memd__SegmentInfo *const *)b;

	return (x->segment > y->segment) - (x->segment < y->segment);
}

static void add_names(struct report *rp, const Memd__SegmentInfo *s)
{
	const char *name = s->name[0] != '\0' ? s->name : NULL;
	char buf[WIRE_NAME_BYTES_MAX + 3];

	snprintf(buf, sizeof(buf), s->unlinked ? "(%s)" : "%s", s->name);
	report_flag(rp, s->unlinked);
	report_text(rp, name != NULL ? buf : NULL);
	report_text(rp, name);
}

static void add_segment(struct report *rp, const Memd__SegmentInfo *s)
{
	char buf[64];

	report_number(rp, s->segment);
	report_text(rp, text_user(s->uid, buf, sizeof(buf)));
	report_number(rp, s->uid);
	report_text(rp, text_group(s->gid, buf, sizeof(buf)));
	report_number(rp, s->gid);
	snprintf(buf, sizeof(buf), "%04o", s->mode & 07777);
	report_text(rp, buf);
	report_number(rp, s->page_bytes);
	report_number(rp, s->length_bytes);
	report_number(rp, s->resident_bytes);
	report_number(rp, s->swapped_bytes);
	report_number(rp, s->dirty_bytes);
	report_number(rp, s->pinned_bytes);
	report_number(rp, s->lost_pages);
	report_number(rp, s->attached);
	add_names(rp, s);
	report_end_row(rp);
}

int cmd_segments(struct memctl *mc, int argc, char **argv)
{
	ProtobufCMessage *reply;
	Memd__SegmentsReply *segments;
	struct report *rp;
	int code;

	memctl_parse(mc, &segments_argp, argc, argv, NULL);
	code = memctl_ask(mc, ASK_SEGMENTS, NULL, &reply);
	if (code != EXIT_CODE_OK)
		return code;
	segments = (Memd__SegmentsReply *)reply;
	if (segments->n_segment > 0)
		qsort(segments->segment, segments->n_segment,
		      sizeof(*segments->segment), compare);
	rp = report_create(REPORT_ROWS, "segments", columns,
			   ARRAY_SIZE(columns), &mc->style);
	for (size_t i = 0; rp != NULL && i < segments->n_segment; i++)
		add_segment(rp, segments->segment[i]);
	code = memctl_finish(rp);
	protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}
