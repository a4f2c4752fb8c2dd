/* SPDX-License-Identifier: MIT */
#include "daemon/serve/record.h"

#include "daemon/serve/segments.h"
#include "daemon/system/system.h"
#include <errno.h>

void records_init(struct records *rs)
{
	*rs = (struct records){ 0 };
	TAILQ_INIT(&rs->all);
}

static bool is_open(const struct record *r)
{
	return !r->order.is_full;
}

static void close_record(struct records *rs, struct record *r)
{
	page_order_seal(&r->order);
	rs->open_count--;
}

void record_drop(struct records *rs, struct segment *segment)
{
	struct record *r = segment->record;

	if (r == NULL)
		return;
	rs->open_count -= is_open(r);
	rs->count--;
	TAILQ_REMOVE(&rs->all, r, link);
	segment->record = NULL;
	page_order_fini(&r->order);
	free(r);
}

void records_fini(struct records *rs)
{
	struct record *r;

	while ((r = TAILQ_FIRST(&rs->all)) != NULL)
		record_drop(rs, r->segment);
}

/* ---- making room */

static uint32_t count_of(const struct records *rs, uid_t uid)
{
	const struct record *r;
	uint32_t count = 0;

	TAILQ_FOREACH(r, &rs->all, link)
		count += r->segment->uid == uid;
	return count;
}

static void make_room(struct records *rs)
{
	struct record *r, *victim = NULL;
	uint32_t most = 0;

	if (rs->count < RECORDS_MAX)
		return;
	TAILQ_FOREACH(r, &rs->all, link) {
		uint32_t count = count_of(rs, r->segment->uid);

		if (count > most) {
			most = count;
			victim = r;
		}
	}
	record_drop(rs, victim->segment);
}

int record_start(struct records *rs, struct segment *segment, uint64_t first,
		 uint64_t count)
{
	struct record *r = calloc(1, sizeof(*r));
	uint64_t seed;

	if (r == NULL)
		return -ENOMEM;
	system_random(&seed, sizeof(seed));
	page_order_init(&r->order, RECORD_PAGES_MAX, seed);
	record_drop(rs, segment);
	make_room(rs);
	r->segment = segment;
	r->first = first;
	r->count = count;
	segment->record = r;
	TAILQ_INSERT_TAIL(&rs->all, r, link);
	rs->count++;
	rs->open_count++;
	return 0;
}

void record_note(struct records *rs, struct segment *segment, uint64_t first,
		 uint64_t count)
{
	struct record *r = segment->record;
	uint64_t end;

	if (r == NULL || !is_open(r))
		return;
	end = MIN(MIN(first + count, r->first + r->count),
		  (uint64_t)PAGE_ORDER_END);
	for (uint64_t page = MAX(first, r->first); page < end; page++)
		(void)page_order_add(&r->order, (uint32_t)page);
	if (r->order.page_count == RECORD_PAGES_MAX || r->order.is_full)
		close_record(rs, r);
}

void record_stop(struct records *rs, struct segment *segment, uint64_t first,
		 uint64_t count)
{
	struct record *r = segment->record;

	if (r != NULL && is_open(r) && first < r->first + r->count &&
	    r->first < first + count)
		close_record(rs, r);
}
