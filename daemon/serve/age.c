/* SPDX-License-Identifier: MIT */
#include "daemon/serve/age.h"

#include "daemon/net/conn_output.h"
#include "daemon/stats/stats.h"

static bool age_list_grow(struct age_list *list)
{
	uint32_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
	struct age_range *ranges;

	if (list->count < list->capacity)
		return true;
	ranges = realloc(list->ranges, capacity * sizeof(*ranges));
	if (ranges == NULL)
		return false;
	list->ranges = ranges;
	list->capacity = capacity;
	return true;
}

static void age_list_send(struct ages *as, const struct age_list *list)
{
	Memd__Range range[WIRE_RANGES_MAX], *pointer[WIRE_RANGES_MAX];
	Memd__Age age = MEMD__AGE__INIT;
	uint64_t pages = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		memd__range__init(&range[i]);
		range[i].first = list->ranges[i].first;
		range[i].count = list->ranges[i].count;
		pointer[i] = &range[i];
		pages += range[i].count;
	}
	if (conn_is_clogged(list->to)) {
		as->stats->ages_dropped += pages;
		return;
	}
	age.segment = list->segment_number;
	age.n_range = list->count;
	age.range = pointer;
	conn_send(list->to, MEMD__MESSAGE_TYPE__TYPE_AGE, 0, &age.base);
	as->stats->ages_sent += pages;
}

static void unqueue(struct ages *as, struct age_list *list)
{
	if (list->count > 0)
		TAILQ_REMOVE(&as->queued, list, link);
	list->count = 0;
}

void ages_add(struct ages *as, struct age_list *list, uint64_t first,
	      uint64_t count)
{
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
	if (list->count == WIRE_RANGES_MAX) {
		age_list_send(as, list);
		unqueue(as, list);
	}
	if (!age_list_grow(list)) {
		as->stats->ages_dropped += count;
		return;
	}
	if (list->count == 0) {
		TAILQ_INSERT_TAIL(&as->queued, list, link);
		defer(as->deferred, &as->work);
	}
	list->ranges[list->count++] = (struct age_range){ first, count };
}

void ages_forget(struct ages *as, struct age_list *list)
{
	unqueue(as, list);
	free(list->ranges);
	*list = (struct age_list){ 0 };
}

static void ages_send(void *arg)
{
	struct ages *as = arg;
	struct age_list *list;

	while ((list = TAILQ_FIRST(&as->queued)) != NULL) {
		age_list_send(as, list);
		unqueue(as, list);
	}
}

void ages_init(struct ages *as, struct stats *stats, struct deferred *deferred)
{
	as->stats = stats;
	as->deferred = deferred;
	as->work = (struct deferred_work){ .run = ages_send, .ctx = as };
	TAILQ_INIT(&as->queued);
}
