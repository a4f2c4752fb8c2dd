/* SPDX-License-Identifier: MIT */
/* Turns: what happens to the pager, and the work that it causes.
 *
 * The other files report by their results what has ended, or put it into a
 * queue.  Only this file decides what goes on because of that.  Deferred work
 * is in these queues of struct pager:
 *
 *   stalled                  batches, until the store takes more requests
 *   starved                  batches, until there is memory for their bytes
 *   dying                    segments, while something of them can go
 *   pool_waiting, accounts   faults, until there are frames
 *   advice                   until none of its pages is busy, and the turn
 *                            has work left
 *   ahead                    segments whose streams want more pages */
#include "daemon/pager/account.h"
#include "daemon/pager/advice.h"
#include "daemon/pager/ahead.h"
#include "daemon/pager/batch.h"
#include "daemon/pager/capture.h"
#include "daemon/pager/evict.h"
#include "daemon/pager/fill.h"
#include "daemon/pager/load.h"
#include "daemon/pager/page.h"
#include "daemon/pager/segment.h"
#include "daemon/pager/teardown.h"
#include "daemon/pager/waiting.h"
#include "daemon/pager/write_back.h"

enum { LOOKS_PER_SEARCH = 1024 };	/* looks at frames in one turn */

bool pager_touched(struct pager *pg, segment_id segment, uint64_t first,
		   uint64_t count, uint64_t now_ns)
{
	const struct pager_segment *sg = &pg->segment[segment];

	pg->now_ns = now_ns;
	if (segment == 0 || segment > pg->config.segments_max ||
	    sg->state != SEGMENT_LIVE || first >= sg->page_count)
		return false;
	/* No more pages than this are aged at once, so no honest report has
	 * more. */
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

bool pager_has_page(const struct pager *pg, segment_id segment, uint64_t page)
{
	return segment != 0 && segment <= pg->config.segments_max &&
	       pg->segment[segment].state == SEGMENT_LIVE &&
	       page < pg->segment[segment].page_count;
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

static uint64_t units_of_first(const struct pager *pg,
			       const struct fault_queue *q)
{
	const struct fault *f = q->head;

	return f != NULL ? order_units(pg->segment[f->segment].order) : 0;
}

/* Frames that a fault or PIN waits for, beyond those that are coming. */
static uint64_t missing_units(const struct pager *pg)
{
	uint64_t need = MAX(units_of_first(pg, &pg->pool_waiting),
			    pg->wanted_units);

	return need - MIN(need, capture_coming_units(pg));
}

/* Evict one batch, toward the high watermark.  Returns true if it evicted. */
static bool reclaim_pool(struct pager *pg, struct replace_search *search)
{
	uint64_t extra = (uint64_t)pg->ahead_wanted + pg->lend_wanted;
	uint64_t low = pg->config.low_watermark + extra;
	uint64_t high = pg->config.high_watermark + extra;
	uint64_t coming = capture_coming_units(pg), want;

	if (coming < low)
		pg->is_reclaiming = true;
	if (coming >= high) {
		pg->is_reclaiming = false;
		/* A session that still wants to borrow asks again. */
		pg->lend_wanted = 0;
	}
	want = pg->is_reclaiming ? high - coming : 0;
	want = MAX(want, missing_units(pg));
	if (want == 0)
		return false;
	return evict_some(pg, (uint32_t)MIN(want, (uint64_t)BATCH_PAGES_MAX),
			  0, search) != 0;
}

enum { ACCOUNT_BATCH_UNITS = 32 };

/* If all frames of an account over its limit are pinned, and no fault waits,
 * the account is looked at again after this time. */
#define VAIN_NS	UINT64_C(100000000)

/* Frames of the account that must go, because it is over its limit, or because
 * a fault or PIN of it waits. */
static uint64_t surplus_units(const struct pager *pg, account_id id)
{
	const struct pager_account *ac = &pg->account[id];
	uint64_t need = MAX(units_of_first(pg, &ac->waiting),
			    ac->wanted_units);
	uint64_t limit = account_effective_limit(ac, need);
	uint64_t staying = ac->used_frames + ac->lent_units -
			   ac->evicting_frames + need;

	if (!ac->is_used || ac->limit_frames == 0)
		return 0;
	return staying - MIN(staying, limit);
}

/* Evict one batch of an account that has too much.  Returns the frames
 * tried. */
static uint32_t reclaim_account(struct pager *pg, account_id id,
				struct replace_search *search)
{
	struct pager_account *ac = &pg->account[id];
	bool is_waited_for = ac->waiting.head != NULL || ac->wanted_units != 0;
	uint64_t surplus = surplus_units(pg, id), batch;
	uint32_t tried;

	ac->wanted_units = 0;
	if (surplus != 0 || ac->waiting.head != NULL)
		account_list_add(pg, ACCOUNT_PRESSED, id);
	if (surplus == 0 ||
	    (!is_waited_for && pg->now_ns < ac->vain_until_ns))
		return 0;
	/* Evict a batch even if less must go; but not so many that faults that
	 * were just served lose their pages again. */
	batch = MIN(account_effective_limit(ac, 1) / 8,
		    (uint64_t)ACCOUNT_BATCH_UNITS);
	surplus = MAX(surplus, batch);
	search->is_vain = false;
	tried = evict_some(pg, (uint32_t)MIN(surplus,
					     (uint64_t)BATCH_PAGES_MAX),
			   id, search);
	if (search->is_vain && tried == 0 && ac->evicting_frames == 0)
		ac->vain_until_ns = pg->now_ns + VAIN_NS;
	return tried;
}

/* Evict from the accounts that have too much, in turn, until the turn's work is
 * done.  Returns true if it evicted. */
static bool reclaim_accounts(struct pager *pg, struct replace_search *search)
{
	account_id last = pg->accounts[ACCOUNT_PRESSED].tail, id = 0;
	uint32_t left = BATCH_PAGES_MAX, all = left;

	while (id != last && left > 0 && search->looks_left > 0) {
		uint32_t tried;

		id = account_list_take(pg, ACCOUNT_PRESSED);
		search->looks_left--;
		tried = reclaim_account(pg, id, search);
		left -= MIN(left, tried);
	}
	search->is_cut_short |= id != last;
	return left < all;
}

/* Try the faults in the queues of accounts again: other faults may have brought
 * their pages in.  Returns true if any went on. */
static bool retry_accounts(struct pager *pg)
{
	for (account_id id = pg->accounts[ACCOUNT_PRESSED].head; id != 0;
	     id = pg->account[id].in_list[ACCOUNT_PRESSED].next)
		account_list_add(pg, ACCOUNT_RETRY, id);
	return waiting_retry(pg);
}

/* Nothing is under way and nothing can be evicted (all is pinned, or the store
 * has failed), so waiting faults and PINs would wait for ever: fail them.
 * Returns true if something can go on. */
static bool fail_hopeless(struct pager *pg)
{
	if (!pager_is_idle(pg) || pg->dying_count != pg->blocked_count)
		return false;
	if (retry_accounts(pg))
		return true;
	/* The owner may take back what is lent; if nothing came back since,
	 * nothing will. */
	if (pg->lent_units != pg->recalled_units) {
		pg->recalled_units = pg->lent_units;
		pg->asks_loans = true;
		return false;
	}
	waiting_fail_hopeless(pg);
	return advice_fail_wanting(pg);
}

/* ---- batches that have ended */

static void wake_dying(struct pager *pg, const struct batch *b)
{
	if (pg->dying_count == 0)
		return;
	for (unsigned i = 0; i < b->page_count; i++)
		teardown_wake(pg, b->segment[i]);
}

/* The ticket of the batch has ended. */
static void end_capture(struct pager *pg, batch_id id)
{
	struct batch was;

	if (!capture_finish(pg, id, &was)) {
		batch_close(pg, id, BATCH_STARVED);
		return;
	}
	wake_dying(pg, &was);
	waiting_end(pg, &was.waiting, true, 0);
}

/* All requests of the batch have ended, or it was starved and there may be
 * memory now. */
static void end_batch(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	bool is_load = b->kind == BATCH_LOAD;
	enum batch_end end;

	if (b->kind == BATCH_CAPTURE) {
		end_capture(pg, id);
		return;
	}
	if (b->kind == BATCH_FILL) {
		fill_finish(pg, id);
		return;
	}
	end = is_load ? load_finish(pg, id) : write_back_finish(pg, id);
	if (end == BATCH_GOES_ON)
		return;
	wake_dying(pg, b);
	/* A fault whose page is resident need not wait for the other pages,
	 * even if the batch is starved. */
	if (is_load)
		waiting_end(pg, &b->waiting, end == BATCH_SETTLED, b->io_ns);
	if (is_load && end == BATCH_SETTLED)
		ahead_announce_load(pg, b);
	batch_close(pg, id, end);
}

static void retry_starved(struct pager *pg)
{
	batch_id last = pg->starved.tail, id = 0;

	while (id != last) {
		id = batch_take_starved(pg);
		end_batch(pg, id);
	}
}

/* ---- events */

void pager_io_done(struct pager *pg, uint64_t io_cookie, int result,
		   uint64_t now_ns)
{
	batch_id id;

	pg->now_ns = now_ns;
	/* A page that came in has a slot, so it may leave without a write. */
	pg->futile_units = 0;
	id = batch_io_done(pg, io_cookie, result);
	if (id == 0)
		return;
	end_batch(pg, id);
	(void)waiting_retry(pg);
	(void)advice_step_all(pg);
	(void)ahead_run(pg);
	fill_run(pg);
}

static void retry_refused(struct pager *pg)
{
	account_unbar_all(pg);
	teardown_retry_parked(pg);
}

uint32_t pager_retry_refused(struct pager *pg)
{
	retry_refused(pg);
	return pg->blocked_count;
}

void pager_capture_done(struct pager *pg, uint32_t ticket, uint64_t now_ns)
{
	batch_id id = pg->batch_of_ticket[ticket];
	uint64_t before = sure_units(pg);

	pg->now_ns = now_ns;
	ASSERT(ticket >= 1 && ticket <= PAGER_TICKETS_MAX && id != 0);
	capture_set_stuck(pg, id, false);
	retry_refused(pg);
	end_batch(pg, id);
	if (sure_units(pg) > before)
		pg->futile_units = 0;
	(void)waiting_retry(pg);
	(void)advice_step_all(pg);
	(void)ahead_run(pg);
}

void pager_capture_stuck(struct pager *pg, uint32_t ticket, uint64_t now_ns)
{
	batch_id id = pg->batch_of_ticket[ticket];

	pg->now_ns = now_ns;
	ASSERT(ticket >= 1 && ticket <= PAGER_TICKETS_MAX && id != 0);
	capture_set_stuck(pg, id, true);
	waiting_fail_batch(pg, &pg->batch[id]);
	wake_dying(pg, &pg->batch[id]);
	teardown_retry_parked(pg);
	(void)advice_step_all(pg);
}

bool pager_run(struct pager *pg, uint64_t now_ns)
{
	struct replace_search pool = { .looks_left = LOOKS_PER_SEARCH };
	struct replace_search accounts = pool;
	uint64_t retries = pg->stats.install_retries;
	bool is_waiting, is_starved, can_go_on;

	pg->now_ns = now_ns;
	pg->teardown_budget = TEARDOWN_UNITS;
	batch_resume_stalled(pg);
	retry_starved(pg);
	teardown_run(pg);
	can_go_on = waiting_retry(pg);
	pg->wanted_units = 0;
	advice_begin_turn(pg);
	can_go_on |= advice_step_all(pg);
	can_go_on |= reclaim_pool(pg, &pool);
	can_go_on |= reclaim_accounts(pg, &accounts);
	can_go_on |= pool.is_cut_short || accounts.is_cut_short;
	pg->stats.frames_examined += pool.looks + accounts.looks;
	/* Clean and zero pages have given up their frames at once. */
	can_go_on |= waiting_retry(pg);
	can_go_on |= ahead_run(pg);
	fill_run(pg);
	is_waiting = pg->pool_waiting.head != NULL ||
		     pg->account_waiting != 0 || pg->advice_count != 0;
	is_starved = pg->stats.install_retries != retries;
	if (is_waiting && !can_go_on && !is_starved)
		can_go_on = fail_hopeless(pg);
	return can_go_on || pg->dying.head != 0;
}

bool pager_asks_loans(struct pager *pg)
{
	bool asks = pg->asks_loans;

	pg->asks_loans = false;
	return asks;
}

bool pager_is_idle(const struct pager *pg)
{
	return pg->batches_used == pg->stuck_count;
}

bool pager_is_over_limits(const struct pager *pg)
{
	return pg->accounts[ACCOUNT_PRESSED].head != 0;
}

bool pager_is_waiting(const struct pager *pg)
{
	return pg->waiting_count != 0 || pg->advice_count != 0 ||
	       pg->batches_used != pg->capturing_count;
}

void pager_stats_get(const struct pager *pg, struct pager_stats *ret_stats)
{
	const struct slot_counts *slots = &pg->slots.count;

	*ret_stats = pg->stats;
	ret_stats->frame_count = pg->config.frame_count;
	ret_stats->free_frames = pg->free_units;
	ret_stats->resident_frames = pg->units[PAGE_RESIDENT];
	ret_stats->evicting_frames = pg->units[PAGE_EVICTING];
	ret_stats->loading_frames = pg->units[PAGE_LOADING];
	ret_stats->pinned_frames = pg->pinned_units;
	ret_stats->lent_frames = pg->lent_units;
	ret_stats->low_watermark = pg->config.low_watermark;
	ret_stats->high_watermark = pg->config.high_watermark;
	ret_stats->slot_count = pg->config.slot_count;
	ret_stats->free_slots = pg->config.slot_count - slots->used -
				slots->quarantined;
	ret_stats->quarantined_slots = slots->quarantined;
	ret_stats->file_slots = slots->all;
	ret_stats->committed_units = pg->committed_units;
	ret_stats->commit_limit_units = segment_commit_limit(pg);
	ret_stats->faults_waiting = pg->waiting_count;
	ret_stats->advice_waiting = pg->advice_count;
	ret_stats->metadata_bytes = tables_memory_bytes(pg);
}
