/* SPDX-License-Identifier: MIT */
#include "daemon/serve/ready.h"

#include "daemon/net/conn_output.h"
#include "daemon/stats/stats.h"

void readies_init(struct readies *rs, struct stats *stats)
{
	rs->stats = stats;
	TAILQ_INIT(&rs->queued);
}

static bool ready_list_is_empty(const struct ready_list *list)
{
	return list->range_count == 0;
}

static void ready_list_send(struct readies *rs, struct ready_list *list)
{
	Memd__Range range[READY_RANGES_MAX], *pointer[READY_RANGES_MAX];
	Memd__Ready ready = MEMD__READY__INIT;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < list->range_count; i++) {
		memd__range__init(&range[i]);
		range[i].first = list->range[i].first;
		range[i].count = list->range[i].count;
		pointer[i] = &range[i];
		pages += range[i].count;
	}
	ready.segment = list->segment_number;
	ready.n_range = list->range_count;
	ready.range = pointer;
	ready.n_mark = list->mark_count;
	ready.mark = list->mark;
	if (conn_is_clogged(list->to)) {
		rs->stats->readies_dropped += pages;
	} else {
		conn_send(list->to, MEMD__MESSAGE_TYPE__TYPE_READY, 0,
			  &ready.base);
		rs->stats->readies_sent += pages;
	}
	list->range_count = list->mark_count = 0;
}

/* Extend the last range if the pages are next to it, on either side: readers go
 * forwards or backwards. */
static bool ready_list_extend(struct ready_list *list, uint64_t first,
			      uint64_t count)
{
	uint32_t last = list->range_count - 1;

	if (ready_list_is_empty(list))
		return false;
	if (list->range[last].first + list->range[last].count == first) {
		list->range[last].count += count;
		return true;
	}
	if (first + count == list->range[last].first) {
		list->range[last].first = first;
		list->range[last].count += count;
		return true;
	}
	return false;
}

struct ready_list *ready_list_create(struct conn *to, uint32_t segment_number)
{
	struct ready_list *list = calloc(1, sizeof(*list));

	if (list != NULL) {
		list->to = to;
		list->segment_number = segment_number;
	}
	return list;
}

void readies_add(struct readies *rs, struct ready_list *list, uint64_t first,
		 uint64_t count, uint64_t mark)
{
	if (list == NULL) {
		rs->stats->readies_dropped += count;
		return;
	}
	if (list->range_count == READY_RANGES_MAX ||
	    list->mark_count == READY_MARKS_MAX)
		ready_list_send(rs, list);
	else if (ready_list_is_empty(list))
		TAILQ_INSERT_TAIL(&rs->queued, list, link);
	if (!ready_list_extend(list, first, count)) {
		list->range[list->range_count].first = first;
		list->range[list->range_count++].count = count;
	}
	if (mark != PAGER_NO_PAGE)
		list->mark[list->mark_count++] = mark;
}

void readies_forget(struct readies *rs, struct ready_list *list)
{
	if (list != NULL && !ready_list_is_empty(list))
		TAILQ_REMOVE(&rs->queued, list, link);
	free(list);
}

void readies_send(struct readies *rs)
{
	struct ready_list *list;

	while ((list = TAILQ_FIRST(&rs->queued)) != NULL) {
		TAILQ_REMOVE(&rs->queued, list, link);
		ready_list_send(rs, list);
	}
}
