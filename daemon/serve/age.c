/* SPDX-License-Identifier: MIT */
#include "daemon/serve/age.h"

#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"

void ages_init(struct ages *as)
{
	TAILQ_INIT(&as->queued);
}

static bool grow(struct age_list *list)
{
	uint32_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
	struct age_range *ranges;

	if (list->count < list->capacity)
		return true;
	if (list->count >= WIRE_RANGES_MAX)
		return false;
	ranges = realloc(list->ranges, capacity * sizeof(*ranges));
	if (ranges == NULL)
		return false;
	list->ranges = ranges;
	list->capacity = capacity;
	return true;
}

void ages_add(struct daemon *d, struct attachment *a, uint64_t first,
	      uint64_t count)
{
	struct age_list *list = &a->age;

	if (list->count > 0) {
		struct age_range *last = &list->ranges[list->count - 1];

		if (last->first + last->count == first) {
			last->count += count;
			return;
		}
		if (first + count == last->first) {
			last->first = first;
			last->count += count;
			return;
		}
	}
	if (!grow(list)) {
		d->stats.ages_dropped += count;
		return;
	}
	list->ranges[list->count++] = (struct age_range){ first, count };
	if (!list->is_queued) {
		list->is_queued = true;
		TAILQ_INSERT_TAIL(&d->ages.queued, a, age.link);
	}
}

void ages_forget(struct ages *as, struct attachment *a)
{
	if (a->age.is_queued)
		TAILQ_REMOVE(&as->queued, a, age.link);
	free(a->age.ranges);
	a->age = (struct age_list){ 0 };
}

static void send_list(struct daemon *d, struct attachment *a)
{
	Memd__Range range[WIRE_RANGES_MAX], *pointer[WIRE_RANGES_MAX];
	Memd__Age age = MEMD__AGE__INIT;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < a->age.count; i++) {
		memd__range__init(&range[i]);
		range[i].first = a->age.ranges[i].first;
		range[i].count = a->age.ranges[i].count;
		pointer[i] = &range[i];
		pages += range[i].count;
	}
	if (conn_is_clogged(a->session->main)) {
		d->stats.ages_dropped += pages;
		return;
	}
	age.segment = a->segment_number;
	age.n_range = a->age.count;
	age.range = pointer;
	conn_send(a->session->main, MEMD__MESSAGE_TYPE__TYPE_AGE, 0,
		  &age.base);
	d->stats.ages_sent += pages;
}

void ages_send(struct daemon *d)
{
	struct attachment *a;

	while ((a = TAILQ_FIRST(&d->ages.queued)) != NULL) {
		TAILQ_REMOVE(&d->ages.queued, a, age.link);
		a->age.is_queued = false;
		send_list(d, a);
		a->age.count = 0;
	}
}
