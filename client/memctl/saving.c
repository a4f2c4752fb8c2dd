/* SPDX-License-Identifier: MIT */
#include "client/memctl/saving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int saving_begin(struct saving *sv, const struct memctl *mc, const char *path)
{
	char reason[ORDER_REASON_BYTES];

	*sv = (struct saving){ .mc = mc, .path = path };
	order_init(&sv->order);
	if (order_file_open(&sv->file, path, reason, sizeof(reason)) == 0)
		return EXIT_CODE_OK;
	memctl_complain("%s", reason);
	return EXIT_CODE_FAILED;
}

/* ---- names */

static void saving_forget(struct saving *sv)
{
	if (sv->known != NULL)
		protobuf_c_message_free_unpacked(&sv->known->base, NULL);
	sv->known = NULL;
}

static const char *saving_find_name(const struct saving *sv, uint32_t number)
{
	for (size_t i = 0; sv->known != NULL && i < sv->known->n_segment; i++)
		if (sv->known->segment[i]->segment == number)
			return sv->known->segment[i]->name;
	return NULL;
}

/* Learn the name of a segment, on another connection, because events arrive on
 * the first.  If the segment has gone meanwhile, its name is lost, and it
 * counts as private. */
static int saving_learn(struct saving *sv, uint32_t number,
			struct order_segment **ret_segment)
{
	const char *name = saving_find_name(sv, number);
	ProtobufCMessage *reply;

	if (name == NULL) {
		int code = memctl_ask(sv->mc, ASK_SEGMENTS, NULL, &reply);

		if (code != EXIT_CODE_OK)
			return code;
		saving_forget(sv);
		sv->known = (Memd__SegmentsReply *)reply;
		name = saving_find_name(sv, number);
	}
	/* NULL: the order is full; is_full says so */
	*ret_segment = order_add_segment(&sv->order, number,
					 name != NULL ? name : "");
	return EXIT_CODE_OK;
}

/* The pages that the event proves to be used.  A fault proves it of its own
 * page only: the others that it made ready were memd's guess. */
static uint64_t saving_count_used(const Memd__TraceEvent *ev)
{
	if (ev->error != 0 || strcmp(ev->kind, "ahead") == 0)
		return 0;
	return strcmp(ev->kind, "used") == 0 ? ev->ready_count : 1;
}

int saving_take(struct saving *sv, const Memd__TraceEvent *ev)
{
	struct order_segment *segment = order_find(&sv->order, ev->segment);
	uint64_t count = saving_count_used(ev);
	int code = EXIT_CODE_OK;

	if (count == 0)
		return EXIT_CODE_OK;
	if (segment == NULL)
		code = saving_learn(sv, ev->segment, &segment);
	if (segment != NULL)
		order_add(&sv->order, segment, ev->page, count);
	return code;
}

/* ---- the end */

static const struct report_column saving_columns[] = {
	COLUMN("ID", "segment", NUMBER),
	COLUMN("PAGES", "pages", NUMBER),
	COLUMN("NAME", "name", TEXT, .flags = REPORT_TRUNCATE),
};

static const struct report_form saving_form =
	REPORT_FORM(ROWS, "saved", saving_columns);

static int saving_tell(const struct saving *sv)
{
	const struct order *o = &sv->order;
	struct report *rp = report_create(&saving_form, &sv->mc->style);

	for (uint32_t i = 0; rp != NULL && i < o->segment_count; i++) {
		const struct order_segment *sg = &o->segment[i];

		report_number(rp, sg->number);
		report_number(rp, sg->page_count);
		report_text(rp, sg->name[0] != '\0' ? sg->name : NULL);
		report_end_row(rp);
	}
	return memctl_finish(rp);
}

int saving_commit(struct saving *sv)
{
	char reason[ORDER_REASON_BYTES];

	if (order_file_commit(&sv->file, &sv->order, reason,
			      sizeof(reason)) != 0) {
		memctl_complain("%s", reason);
		return EXIT_CODE_FAILED;
	}
	if (sv->mc->style.format == REPORT_TABLE)
		printf("saved %llu pages of %u segments to %s\n",
		       (unsigned long long)sv->order.page_count,
		       sv->order.segment_count, sv->path);
	if (sv->mc->style.format == REPORT_TABLE &&
	    sv->order.segment_count == 0)
		return EXIT_CODE_OK;
	return saving_tell(sv);
}

void saving_end(struct saving *sv)
{
	saving_forget(sv);
	order_file_abort(&sv->file);
	order_fini(&sv->order);
}
