/* SPDX-License-Identifier: MIT */
/* memctl maps: the segments that one client has mapped, in the style of
 * pmap(1). */
#include "client/memctl/verbs.h"

#include <inttypes.h>
#include <stdio.h>

static void maps_add_range(struct report *rp, const void *message)
{
	const Memd__SegmentInfo *s = message;
	char range[48];

	snprintf(range, sizeof(range), "%" PRIx64 "-%" PRIx64, s->address,
		 s->address + s->length_bytes);
	report_text(rp, s->address != 0 ? range : NULL);
}

static void maps_add_mode(struct report *rp, const void *message)
{
	const Memd__SegmentInfo *s = message;
	char mode[] = "rw-p";

	if (s->has_read_only && s->read_only)
		mode[1] = '-';
	if (s->name[0] != '\0')
		mode[3] = 's';
	report_text(rp, mode);
}

static const struct report_column maps_columns[] = {
	COLUMN("ADDRESS", NULL, TEXT, .add = maps_add_range),
	COLUMN(NULL, "segment", NUMBER),
	COLUMN(NULL, "address", NUMBER, .flags = REPORT_NOT_ZERO),
	COLUMN(NULL, "page_bytes", SIZE),
	COLUMN("SIZE", "length_bytes", SIZE),
	COLUMN("RSS", "resident_bytes", SIZE),
	COLUMN("SWAP", "swapped_bytes", SIZE),
	COLUMN("DIRTY", "dirty_bytes", SIZE),
	COLUMN("MODE", "mode", TEXT, .add = maps_add_mode),
	COLUMN("NAME", "name", TEXT, .flags = REPORT_TRUNCATE),
};

/* The total is for people only; programs can add up. */
static void maps_add_total(struct report *rp, const struct memctl *mc)
{
	const Memd__SegmentsReply *maps = mc->reply;
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

static const struct view maps_view = {
	.form = REPORT_FORM(ROWS, "maps", maps_columns),
	.rows = "segment", .order = { "address", "segment" },
	.add_total = maps_add_total,
};

const struct verb verb_maps = {
	.name = "maps", .summary = "the segments a client has mapped",
	.arguments = "CLIENT", .usage = "PID|sID",
	.help = "Show each region that process PID, or session ID alone, has "
		"mapped: address, size, "
		"how much is in the pool (RSS) and in swap (SWAP), "
		"dirty (resident without a copy in swap), mode "
		"(rw or r-; s shared, p private), name; and the total.  The "
		"address is - where the process has not told it.",
	.argument_max = 1, .take = verb_take_client,
	.missing = "whose? give a process id, or a session like s12: `memctl "
		   "ps` shows them",
	.question = ASK_MAPS, .request = &memd__maps_request__descriptor,
	.view = &maps_view,
};
