/* SPDX-License-Identifier: MIT */
#include "daemon/serve/ready.h"

#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"

void readies_init(struct readies *rs)
{
	TAILQ_INIT(&rs->queued);
}

static bool is_empty(const struct ready_list *list)
{
	return list->range_count == 0;
}

static void send_list(struct daemon *d, struct ready_list *list)
{
	const struct attachment *a = list->attachment;
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
	ready.segment = a->segment_number;
	ready.n_range = list->range_count;
	ready.range = pointer;
	ready.n_mark = list->mark_count;
	ready.mark = list->mark;
	if (conn_is_clogged(a->session->main)) {
		d->stats.readies_dropped += pages;
	} else {
		conn_send(a->session->main, MEMD__MESSAGE_TYPE__TYPE_READY, 0,
			  &ready.base);
		d->stats.readies_sent += pages;
	}
	list->range_count = list->mark_count = 0;
}

/* Neighbours are told as one; in either direction, as readers go. */
static bool extend(struct ready_list *list, uint64_t first, uint64_t count)
{
	uint32_t last = list->range_count - 1;

	if (is_empty(list))
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

static struct ready_list *list_of(struct attachment *a)
{
	if (a->ready == NULL)
		a->ready = calloc(1, sizeof(*a->ready));
	if (a->ready != NULL)
		a->ready->attachment = a;
	return a->ready;
}

void readies_add(struct daemon *d, struct attachment *a, uint64_t first,
		 uint64_t count, uint64_t mark)
{
	struct ready_list *list = list_of(a);

	if (list == NULL) {
		d->stats.readies_dropped += count;
		return;
	}
	if (list->range_count == READY_RANGES_MAX ||
	    list->mark_count == READY_MARKS_MAX)
		send_list(d, list);
	else if (is_empty(list))
		TAILQ_INSERT_TAIL(&d->readies.queued, list, link);
	if (!extend(list, first, count)) {
		list->range[list->range_count].first = first;
		list->range[list->range_count++].count = count;
	}
	if (mark != PAGER_NO_PAGE)
		list->mark[list->mark_count++] = mark;
}

void readies_forget(struct readies *rs, struct attachment *a)
{
	if (a->ready != NULL && !is_empty(a->ready))
		TAILQ_REMOVE(&rs->queued, a->ready, link);
	free(a->ready);
	a->ready = NULL;
}

void readies_send(struct daemon *d)
{
	struct ready_list *list;

	while ((list = TAILQ_FIRST(&d->readies.queued)) != NULL) {
		TAILQ_REMOVE(&d->readies.queued, list, link);
		send_list(d, list);
	}
}
