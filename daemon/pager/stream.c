/* SPDX-License-Identifier: MIT */
#include "daemon/pager/stream.h"

#include "common/checks.h"

static struct stream *find(struct stream_set *set, uint64_t page)
{
	for (unsigned i = 0; i < STREAM_COUNT; i++)
		if (set->stream[i].window != 0 && set->stream[i].next == page)
			return &set->stream[i];
	return NULL;
}

static struct stream *oldest(struct stream_set *set)
{
	struct stream *found = &set->stream[0];

	for (unsigned i = 1; i < STREAM_COUNT; i++)
		if (set->stream[i].last_use < found->last_use)
			found = &set->stream[i];
	return found;
}

/* The stream whose last fault, not yet answered, was at `page`. */
static struct stream *find_same(struct stream_set *set, uint64_t page)
{
	for (unsigned i = 0; i < STREAM_COUNT; i++)
		if (set->stream[i].window != 0 && set->stream[i].last == page &&
		    set->stream[i].next == page + 1)
			return &set->stream[i];
	return NULL;
}

uint32_t stream_window(struct stream_set *set, enum stream_mode mode,
		       uint64_t page, uint32_t window_max,
		       uint32_t *ret_hit_count)
{
	struct stream *st = find_same(set, page);

	*ret_hit_count = 0;
	if (window_max <= 1 || mode == STREAM_RANDOM)
		return 1;
	if (st != NULL)
		return st->window;
	st = find(set, page);
	if (st != NULL) {
		*ret_hit_count = st->window - 1;
		st->window = MIN(MAX(st->window * 2, 8u), window_max);
	} else {
		st = oldest(set);
		st->window = mode == STREAM_SEQUENTIAL ? window_max : 1;
	}
	st->last = page;
	st->next = page + 1;
	st->last_use = ++set->tick;
	return st->window;
}

void stream_advance(struct stream_set *set, uint64_t page, uint64_t next)
{
	struct stream *st = find_same(set, page);

	if (st != NULL)
		st->next = next;
}
