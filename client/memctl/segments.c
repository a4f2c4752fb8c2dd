/* SPDX-License-Identifier: MIT */
/* memctl segments: all segments, private and named. */
#include "client/memctl/verbs.h"

#include <stdio.h>

static void segments_add_mode(struct report *rp, const void *message)
{
	const Memd__SegmentInfo *s = message;
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", s->mode & 07777);
	report_text(rp, mode);
}

static void segments_add_name(struct report *rp, const void *message)
{
	const Memd__SegmentInfo *s = message;
	char buf[WIRE_NAME_BYTES_MAX + 3];

	snprintf(buf, sizeof(buf), s->unlinked ? "(%s)" : "%s", s->name);
	report_text(rp, s->name[0] != '\0' ? buf : NULL);
}

static const struct report_column segments_columns[] = {
	COLUMN("ID", "segment", NUMBER),
	COLUMN("USER", "user", USER, .field = "uid"),
	COLUMN(NULL, "uid", NUMBER),
	COLUMN("GROUP", "group", GROUP, .flags = REPORT_LONG, .field = "gid"),
	COLUMN(NULL, "gid", NUMBER),
	COLUMN("MODE", "mode", TEXT, .add = segments_add_mode),
	COLUMN("PAGE", "page_bytes", SIZE),
	COLUMN("SIZE", "length_bytes", SIZE),
	COLUMN("RSS", "resident_bytes", SIZE),
	COLUMN("SWAP", "swapped_bytes", SIZE),
	COLUMN("DIRTY", "dirty_bytes", SIZE),
	COLUMN("PINNED", "pinned_bytes", SIZE, .flags = REPORT_LONG),
	COLUMN("LOST", "lost_pages", NUMBER),
	COLUMN("USES", "attached", NUMBER),
	COLUMN(NULL, "unlinked", FLAG),
	COLUMN("NAME", NULL, TEXT, .flags = REPORT_TRUNCATE,
	       .add = segments_add_name),
	COLUMN(NULL, "name", TEXT),
};

static const struct view segments_view = {
	.form = REPORT_FORM(ROWS, "segments", segments_columns),
	.rows = "segment", .order = { "segment" },
};

const struct verb verb_segments = {
	.name = "segments", .summary = "all segments",
	.help = "Show all segments: owner, mode, page size, length, how much "
		"of each is in the pool (RSS) and in swap (SWAP), "
		"dirty (resident without a copy in swap), pinned, "
		"pages lost, sessions attached, name.  A private segment has "
		"no name.  A name in parentheses has been unlinked.",
	.question = ASK_SEGMENTS, .view = &segments_view,
};
