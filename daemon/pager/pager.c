/* SPDX-License-Identifier: MIT */
/* The pager as a whole: making it, its background work, its statistics.
 *
 * Files: page.c and frame.c are the tables; fault.c, load.c, zero.c, evict.c
 * and advice.c what happens to pages, answer.c what is said of it, ahead.c what
 * comes in unasked; clock.c and stream.c the two policies (whom to evict, what
 * to read ahead); batch.c the I/O; segment.c and account.c who owns and who
 * pays.
 *
 * Invariants (check.c recounts them all):
 *   P1  A page has a frame exactly while RESIDENT, LOADING or EVICTING, and
 *       the frame names the page.
 *   P2  free_units + frames of those three states == frame_count.
 *   P3  A SWAPPED or LOADING page has a slot; a ZERO or LOST one has none.
 *       No two pages share a slot, and slots in use == slots of pages + slots
 *       being written.
 *   P4  A page in a batch is busy (LOADING, EVICTING, or RESIDENT with
 *       PAGE_WRITING) and names that batch; a busy page is in exactly one.
 *   P5  Every waiter is in exactly one queue.  The page of a batch's waiter
 *       is in that batch, or it was there and the waiter may be told of that
 *       batch's pages too.
 *   P6  committed <= commit limit when a segment is admitted; charges of an
 *       account == what its segments and its children use.
 *   P7  A frame is put only after E1 (evict.c): no bytes are ever only in a
 *       frame that has been given away. */
#include "daemon/pager/internal.h"

#include <errno.h>

enum {
	BATCH_COUNT = 256,
	TEARDOWN_UNITS = 96,		/* a turn: some 30 us */
	LOOKS_PER_SEARCH = 1024,	/* at frames, in a turn */
};

static int make_tables(struct pager *pg)
{
	const struct pager_config *c = &pg->config;
	uint64_t units = (uint64_t)c->frame_count + c->slot_count;
	uint64_t pages = units * 4 + (uint64_t)c->segments_max *
					     PAGES_PER_CHUNK;
	int err;

	pages = MIN(pages, (uint64_t)UINT32_MAX - PAGES_PER_CHUNK);
	pages = (pages / PAGES_PER_CHUNK + 1) * PAGES_PER_CHUNK;
	pg->page_limit = (uint32_t)(pages - PAGES_PER_CHUNK);
	err = table_init(&pg->page_table, "memd-pages", sizeof(*pg->page),
			 pages);
	if (err == 0)
		err = table_init(&pg->chunk_table, "memd-chunks",
				 sizeof(*pg->chunk), pages / PAGES_PER_CHUNK);
	if (err == 0)
		err = table_init(&pg->frame_table, "memd-frames",
				 sizeof(*pg->frame), c->frame_count + 1ul);
	if (err == 0)
		err = table_init(&pg->segment_table, "memd-segments",
				 sizeof(*pg->segment), c->segments_max + 1ul);
	if (err == 0)
		err = table_init(&pg->account_table, "memd-accounts",
				 sizeof(*pg->account), c->accounts_max + 1ul);
	if (err == 0)
		err = table_init(&pg->waiter_table, "memd-waiters",
				 sizeof(*pg->waiter), c->faults_max + 1ul);
	if (err == 0)
		err = table_init(&pg->batch_table, "memd-batches",
				 sizeof(*pg->batch), BATCH_COUNT + 1);
	if (err == 0)
		err = frame_line_init(pg, &pg->cold_line, "memd-cold",
				      FRAME_IN_COLD);
	if (err == 0)
		err = frame_line_init(pg, &pg->slotted_line, "memd-slotted",
				      FRAME_IN_SLOTTED);
	if (err == 0 && c->slot_count != 0)
		err = slots_init(&pg->slots, c->slot_count);
	return err;
}

static void set_watermarks(struct pager_config *c)
{
	if (c->low_watermark == 0)
		c->low_watermark = MAX(c->frame_count / 32, 4u);
	if (c->high_watermark <= c->low_watermark)
		c->high_watermark = c->low_watermark * 2;
	c->high_watermark = MIN(c->high_watermark, c->frame_count / 2);
	c->low_watermark = MIN(c->low_watermark, c->high_watermark);
}

static bool is_valid(const struct pager_config *c)
{
	return c->frame_count >= 64 && c->segments_max > 0 &&
	       c->faults_max > 0 && c->staging != NULL &&
	       c->staging_bytes >= 512 * 1024 &&
	       (uint64_t)c->frame_count + c->slot_count <= PAGER_UNITS_MAX;
}

int pager_create(const struct pager_config *config,
		 const struct pager_ops *ops, void *ctx,
		 struct pager **ret_pager)
{
	size_t half = config->staging_bytes / 2 / PAGER_UNIT_BYTES *
		      PAGER_UNIT_BYTES;
	struct pager *pg;
	int err;

	if (!is_valid(config))
		return -EINVAL;
	pg = calloc(1, sizeof(*pg));
	if (pg == NULL)
		return -ENOMEM;
	pg->config = *config;
	pg->ops = ops;
	pg->ctx = ctx;
	set_watermarks(&pg->config);
	err = make_tables(pg);
	if (err != 0) {
		pager_destroy(pg);
		return err;
	}
	pg->page = pg->page_table.base;
	pg->chunk = pg->chunk_table.base;
	pg->frame = pg->frame_table.base;
	pg->segment = pg->segment_table.base;
	pg->account = pg->account_table.base;
	pg->waiter = pg->waiter_table.base;
	pg->batch = pg->batch_table.base;
	staging_init(&pg->read_staging, config->staging, half);
	staging_init(&pg->write_staging, (uint8_t *)config->staging + half,
		     half);
	pg->frame_free = pg->segment_free = pg->account_free = 1;
	pg->waiter_free = pg->batch_free = 1;
	pg->free_units = config->frame_count;
	pg->teardown_budget = TEARDOWN_UNITS;
	advice_begin_turn(pg);
	pg->back_hand = 1;
	*ret_pager = pg;
	return 0;
}

void pager_destroy(struct pager *pg)
{
	if (pg == NULL)
		return;
	slots_fini(&pg->slots);
	table_fini(&pg->slotted_line.table);
	table_fini(&pg->cold_line.table);
	table_fini(&pg->batch_table);
	table_fini(&pg->waiter_table);
	table_fini(&pg->account_table);
	table_fini(&pg->segment_table);
	table_fini(&pg->frame_table);
	table_fini(&pg->chunk_table);
	table_fini(&pg->page_table);
	free(pg);
}

bool pager_touched(struct pager *pg, segment_id segment, uint64_t first,
		   uint64_t count, uint64_t now_ns)
{
	const struct pager_segment *sg = &pg->segment[segment];

	pg->now_ns = now_ns;
	if (segment == 0 || segment > pg->config.segments_max ||
	    sg->state != SEGMENT_LIVE || first >= sg->page_count)
		return false;
	/* A report of more than was ever aged at once is not worth more. */
	count = MIN(MIN(count, sg->page_count - first), UINT64_C(4096));
	for (uint64_t page = first; page < first + count; page++) {
		if (page_next_used(pg, sg, page, 1) != page)
			continue;
		page_mark_used(pg, (page_id)(sg->first + page));
		pg->stats.minor_reported++;
	}
	return count != 0 && ahead_touched(pg, segment, first, count);
}

bool pager_use_resident(struct pager *pg, segment_id segment, uint64_t first,
			uint64_t count)
{
	const struct pager_segment *sg = &pg->segment[segment];

	if (segment == 0 || segment > pg->config.segments_max ||
	    sg->state != SEGMENT_LIVE || first > sg->page_count ||
	    count > sg->page_count - first)
		return false;
	for (uint64_t page = first; page < first + count; page++)
		if (!page_is_mappable(pg, sg, page))
			return false;
	for (uint64_t page = first; page < first + count; page++)
		page_mark_used(pg, (page_id)(sg->first + page));
	return true;
}

void pager_prefetch(const struct pager *pg, segment_id segment, uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[segment];
	uint64_t at = sg->first + page;

	if (page >= sg->page_count)
		return;
	__builtin_prefetch(&pg->page[at]);
	__builtin_prefetch(&pg->chunk[at / PAGES_PER_CHUNK]);
}

/* Frames that are free or will be without anybody's doing. */
static uint64_t coming_units(const struct pager *pg)
{
	return (uint64_t)pg->free_units + pg->units[PAGE_EVICTING];
}

static uint64_t units_of_first(const struct pager *pg, const struct queue *q)
{
	const struct waiter *w = &pg->waiter[q->head];

	return q->head != 0 ? order_units(pg->segment[w->segment].order) : 0;
}

/* Frames somebody waits for and nobody has started to free. */
static uint64_t missing_units(const struct pager *pg)
{
	uint64_t need = MAX(units_of_first(pg, &pg->pool_waiting),
			    pg->wanted_units);

	return need - MIN(need, coming_units(pg));
}

/* One batch toward the high watermark.  Returns true when it evicted. */
static bool reclaim_pool(struct pager *pg)
{
	uint64_t low = pg->config.low_watermark + pg->ahead_wanted;
	uint64_t high = pg->config.high_watermark + pg->ahead_wanted;
	uint64_t coming = coming_units(pg), want;

	if (coming < low)
		pg->is_reclaiming = true;
	if (coming >= high)
		pg->is_reclaiming = false;
	want = pg->is_reclaiming ? high - coming : 0;
	want = MAX(want, missing_units(pg));
	if (want == 0)
		return false;
	pg->looks_left = LOOKS_PER_SEARCH;
	return evict_some(pg, (uint32_t)MIN(want, (uint64_t)BATCH_PAGES_MAX),
			  0) != 0;
}

enum { ACCOUNT_BATCH_UNITS = 32 };

/* Frames of an account that must go: it is over its limit, or a fault or a
 * PIN of its own waits. */
static uint64_t surplus_units(const struct pager *pg, account_id id)
{
	const struct pager_account *ac = &pg->account[id];
	uint64_t need = MAX(units_of_first(pg, &ac->waiting),
			    ac->wanted_units);
	uint64_t limit = account_effective_limit(ac, need);
	uint64_t staying = ac->used_frames - ac->evicting_frames + need;

	if (!ac->is_used || ac->limit_frames == 0)
		return 0;
	return staying - MIN(staying, limit);
}

/* One batch of an account that has too much.  Returns the frames tried. */
static uint32_t reclaim_account(struct pager *pg, account_id id)
{
	struct pager_account *ac = &pg->account[id];
	uint64_t surplus = surplus_units(pg, id), batch;

	ac->wanted_units = 0;
	if (surplus != 0 || ac->waiting.head != 0)
		account_list_add(pg, ACCOUNT_PRESSED, id);
	if (surplus == 0)
		return 0;
	/* Not so many that those who were just served lose what they got. */
	batch = MIN(account_effective_limit(ac, 1) / 8,
		    (uint64_t)ACCOUNT_BATCH_UNITS);
	surplus = MAX(surplus, batch);
	return evict_some(pg, (uint32_t)MIN(surplus,
					    (uint64_t)BATCH_PAGES_MAX), id);
}

/* Those that have too much in turn, as far as one turn goes.  Returns true when
 * it has evicted. */
static bool reclaim_accounts(struct pager *pg)
{
	account_id last = pg->accounts[ACCOUNT_PRESSED].tail, id = 0;
	uint32_t left = BATCH_PAGES_MAX, all = left;

	pg->looks_left = LOOKS_PER_SEARCH;
	while (id != last && left > 0 && pg->looks_left > 0) {
		uint32_t tried;

		id = account_list_take(pg, ACCOUNT_PRESSED);
		pg->looks_left--;
		tried = reclaim_account(pg, id);
		left -= MIN(left, tried);
	}
	pg->is_search_due |= id != last;
	return left < all;
}

/* Answer the faults of accounts that are pressed, which all are that have some
 * waiting; an account that has too much stays pressed. */
static void fail_accounts(struct pager *pg)
{
	account_id last = pg->accounts[ACCOUNT_PRESSED].tail, id = 0;

	while (id != last) {
		id = account_list_take(pg, ACCOUNT_PRESSED);
		fault_fail_account(pg, id, 0, -ENOMEM);
		if (surplus_units(pg, id) != 0)
			account_list_add(pg, ACCOUNT_PRESSED, id);
	}
}

/* Have the faults in accounts' queues looked at once more: their pages may have
 * come in by others' doing.  Returns true when any moved on. */
static bool retry_accounts(struct pager *pg)
{
	for (account_id id = pg->accounts[ACCOUNT_PRESSED].head; id != 0;
	     id = pg->account[id].in_list[ACCOUNT_PRESSED].next)
		account_list_add(pg, ACCOUNT_RETRY, id);
	return fault_retry_waiting(pg);
}

/* Nothing is on its way and nothing can be evicted: waiting longer would be
 * waiting for ever (all is pinned, or the store takes nothing any more).
 * Returns true when there is something to go on with. */
static bool fail_hopeless(struct pager *pg)
{
	if (pg->batches_used != 0 || pg->is_starved ||
	    pg->dying_count != pg->blocked_count)
		return false;
	if (retry_accounts(pg))
		return true;
	fault_fail_waiting(pg, &pg->pool_waiting, 0, -ENOMEM);
	fail_accounts(pg);
	return advice_fail_wanting(pg);
}

bool pager_run(struct pager *pg, uint64_t now_ns)
{
	bool is_waiting, can_go_on, has_evicted;

	pg->now_ns = now_ns;
	pg->is_starved = false;
	pg->teardown_budget = TEARDOWN_UNITS;
	batch_resume_stalled(pg);
	if (pg->must_reinstall) {
		evict_retry_reinstall(pg);
		pg->is_teardown_due |= pg->dying_count != 0;
	}
	if (pg->is_teardown_due)
		segment_teardown_all(pg);
	can_go_on = fault_retry_waiting(pg);
	pg->wanted_units = 0;
	advice_begin_turn(pg);
	can_go_on |= advice_step_all(pg);
	pg->is_search_due = false;
	has_evicted = reclaim_pool(pg);
	has_evicted |= reclaim_accounts(pg);
	/* Clean and zero pages gave their frames at once. */
	can_go_on |= fault_retry_waiting(pg);
	can_go_on |= ahead_run(pg);
	is_waiting = pg->pool_waiting.head != 0 ||
		     pg->account_waiting != 0 || pg->advice_count != 0;
	if (is_waiting && !has_evicted && !can_go_on && !pg->is_search_due)
		can_go_on = fail_hopeless(pg);
	return can_go_on || has_evicted || pg->is_search_due ||
	       pg->is_teardown_due;
}

bool pager_is_idle(const struct pager *pg)
{
	return pg->batches_used == 0;
}

bool pager_is_waiting(const struct pager *pg)
{
	return pg->waiting_count != 0 || pg->advice_count != 0 ||
	       pg->batches_used != 0;
}

static size_t metadata_bytes(const struct pager *pg)
{
	return table_memory_bytes(&pg->page_table) +
	       table_memory_bytes(&pg->chunk_table) +
	       table_memory_bytes(&pg->frame_table) +
	       table_memory_bytes(&pg->segment_table) +
	       table_memory_bytes(&pg->account_table) +
	       table_memory_bytes(&pg->waiter_table) +
	       table_memory_bytes(&pg->batch_table) +
	       table_memory_bytes(&pg->cold_line.table) +
	       table_memory_bytes(&pg->slotted_line.table) +
	       table_memory_bytes(&pg->slots.used_map) +
	       table_memory_bytes(&pg->slots.bad_map) +
	       table_memory_bytes(&pg->slots.next_table) + sizeof(*pg);
}

void pager_stats_get(const struct pager *pg, struct pager_stats *ret_stats)
{
	*ret_stats = pg->stats;
	ret_stats->frame_count = pg->config.frame_count;
	ret_stats->free_frames = pg->free_units;
	ret_stats->resident_frames = pg->units[PAGE_RESIDENT];
	ret_stats->evicting_frames = pg->units[PAGE_EVICTING];
	ret_stats->loading_frames = pg->units[PAGE_LOADING];
	ret_stats->pinned_frames = pg->pinned_units;
	ret_stats->low_watermark = pg->config.low_watermark;
	ret_stats->high_watermark = pg->config.high_watermark;
	ret_stats->slot_count = pg->slots.slot_count;
	ret_stats->free_slots = pg->slots.free_count;
	ret_stats->quarantined_slots = pg->slots.quarantined_count;
	ret_stats->committed_units = pg->committed_units;
	ret_stats->commit_limit_units = segment_commit_limit(pg);
	ret_stats->faults_waiting = pg->waiting_count;
	ret_stats->advice_waiting = pg->advice_count;
	ret_stats->metadata_bytes = metadata_bytes(pg);
}
