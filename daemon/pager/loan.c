/* SPDX-License-Identifier: MIT */
#include "daemon/pager/loan.h"

#include "daemon/pager/account.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"

bool loan_adopt(struct pager *pg, segment_id segment, page_id id)
{
	struct pager_segment *sg = &pg->segment[segment];

	if (pg->free_units == 0)
		return false;
	pg->page[id].frame = frame_take(pg, segment, id);
	page_enter(pg, sg, id, PAGE_RESIDENT);
	/* Limits were not asked: it may have to lose another page. */
	for (account_id at = sg->account; at != 0; at = pg->account[at].parent)
		if (account_is_over(pg, at, 0))
			account_list_add(pg, ACCOUNT_PRESSED, at);
	return true;
}

static bool is_absent(const struct page *p)
{
	return p->state == PAGE_ZERO || p->state == PAGE_SWAPPED ||
	       p->state == PAGE_LOST;
}

/* NULL: it is no page of a segment with a book, or is counted. */
static const struct page *uncounted_page(const struct pager *pg,
					 segment_id segment, uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[segment];
	const struct page *p;

	if (segment == 0 || segment > pg->config.segments_max ||
	    sg->state != SEGMENT_LIVE || sg->book == NULL ||
	    page >= sg->page_count)
		return NULL;
	p = &pg->page[sg->first + page];
	return is_absent(p) ? p : NULL;
}

bool pager_found(struct pager *pg, segment_id segment, uint64_t page,
		 uint64_t now_ns)
{
	const struct page *p = uncounted_page(pg, segment, page);

	pg->now_ns = now_ns;
	return p == NULL || loan_adopt(pg, segment, (page_id)(p - pg->page));
}

bool pager_installed(struct pager *pg, account_id account, segment_id segment,
		     uint64_t page, bool is_present, enum fault_kind kind,
		     uint64_t now_ns)
{
	const struct page *p = uncounted_page(pg, segment, page);

	pg->now_ns = now_ns;
	pager_unlend(pg, account, 1);
	if (p == NULL || !is_present)
		return false;
	/* A frame is free now. */
	(void)loan_adopt(pg, segment, (page_id)(p - pg->page));
	stream_note(&pg->segment[segment].streams, page);
	pg->stats.faults[kind]++;
	pg->stats.pages_read += kind == FAULT_SWAP_IN;
	pg->stats.installed++;
	return true;
}

/* ---- frames that are lent */

struct pager_loans pager_loans_get(const struct pager *pg, account_id account)
{
	return (struct pager_loans){
		.left = pg->config.lent_max -
			MIN(pg->config.lent_max, pg->lent_units),
		.of_account = pg->account[account].lent_units,
	};
}

/* How many more frames the account may be lent, were they free: its limits
 * leave room for them, and faults that wait for them go first. */
static uint32_t room_for_loan(const struct pager *pg, account_id account)
{
	uint64_t room = pager_loans_get(pg, account).left;

	if (pg->pool_waiting.head != NULL || pg->wanted_units != 0)
		return 0;
	for (account_id id = account; id != 0; id = pg->account[id].parent) {
		const struct pager_account *ac = &pg->account[id];
		uint64_t left;

		if (ac->limit_frames == 0)
			continue;
		left = ac->limit_frames -
		       MIN(ac->limit_frames, ac->used_frames + ac->lent_units);
		room = ac->waiting.head != NULL ? 0 : MIN(room, left / 2);
	}
	return (uint32_t)room;
}

static void charge_lent(struct pager *pg, account_id account, int64_t units)
{
	pg->lent_units += (uint32_t)units;
	pg->free_units -= (uint32_t)units;
	for (; account != 0; account = pg->account[account].parent)
		pg->account[account].lent_units += (uint64_t)units;
}

uint32_t pager_lend(struct pager *pg, account_id account, uint32_t most)
{
	uint32_t may = MIN(most, room_for_loan(pg, account));
	uint32_t kept = MIN(pg->free_units, pg->config.low_watermark / 4);
	uint32_t count = MIN(may, pg->free_units - kept);

	charge_lent(pg, account, count);
	if (count != 0)
		pg->recalled_units = 0;
	/* Reclaim does not know of what it cannot see: tell it.  It has nothing
	 * to give where a limit was in the way. */
	pg->lend_wanted = may - count;
	return count;
}

void pager_unlend(struct pager *pg, account_id account, uint32_t count)
{
	ASSERT(pg->lent_units >= count);
	ASSERT(account == 0 || pg->account[account].lent_units >= count);
	charge_lent(pg, account, -(int64_t)count);
	for (; account != 0; account = pg->account[account].parent)
		if (pg->account[account].waiting.head != NULL)
			account_list_add(pg, ACCOUNT_RETRY, account);
}
