/* SPDX-License-Identifier: MIT */
/* Chooses the pages that go, and starts their captures (capture.c) and their
 * writes (write_back.c). */
#include "daemon/pager/evict.h"

#include "daemon/pager/account.h"
#include "daemon/pager/capture.h"
#include "daemon/pager/claim.h"
#include "daemon/pager/page.h"
#include "daemon/pager/victims.h"
#include "daemon/pager/write_back.h"

enum {
	EVICT_UNITS_MAX = 256,		/* 1 MiB: one pipe, one request */
	EVICT_AGAIN_NS = 100000000,	/* after all was in vain */
};

static batch_id evict_begin(struct pager *pg, unsigned order)
{
	batch_id id = batch_get(pg, BATCH_EVICT, order);
	struct batch *b = &pg->batch[id];
	uint32_t units = order_units(order);
	uint32_t most = MIN(BATCH_PAGES_MAX * units,
			    MAX(units, (uint32_t)EVICT_UNITS_MAX));

	if (id == 0)
		return 0;
	b->staging_count = staging_get(&pg->write_staging,
				       staging_all(&pg->write_staging),
				       units, most,
				       &b->staging_first);
	if (b->staging_count != 0)
		return id;
	batch_put(pg, id);
	return 0;
}

/* Pages chosen for a batch, to be captured all at once: that is a switch to
 * another process and back, which one for each run would make dear. */
struct leaving {
	struct pager_capture run[BATCH_PAGES_MAX];
	unsigned run_count;
	uint32_t page_count;
	bool is_single;			/* each page is a run */
};
_Static_assert((int)BATCH_PAGES_MAX <= (int)PAGER_CAPTURES_MAX,
	       "a batch is captured at once");

static uint32_t evict_room(const struct batch *b, const struct leaving *lv)
{
	uint32_t pages = b->staging_count >> b->order;

	return MIN(pages, (uint32_t)BATCH_PAGES_MAX) - lv->page_count;
}

/* The latest run, if pages from `unit` on continue it; else a new one, which
 * is empty. */
static struct pager_capture *run_up_to(struct leaving *lv, segment_id segment,
				       uint64_t unit, void *to)
{
	struct pager_capture *run = &lv->run[MAX(lv->run_count, 1u) - 1];

	if (lv->run_count != 0 && !lv->is_single && run->segment == segment &&
	    run->unit + run->count == unit)
		return run;
	run = &lv->run[lv->run_count++];
	*run = (struct pager_capture){
		.segment = segment,
		.unit = unit,
		.to = to,
	};
	return run;
}

/* Choose `count` neighbouring candidates, for which the batch has room. */
static void evict_choose(struct pager *pg, struct batch *b, struct leaving *lv,
			 segment_id segment, uint64_t first, uint32_t count)
{
	const struct pager_segment *sg = &pg->segment[segment];

	ASSERT(count <= evict_room(b, lv));
	run_up_to(lv, segment, first << sg->order,
		  batch_bytes(pg, b, lv->page_count))->count +=
		(uint64_t)count << sg->order;
	lv->page_count += count;
	for (uint32_t i = 0; i < count; i++) {
		struct page *p = &pg->page[sg->first + first + i];

		p->flags |= PAGE_LEAVING;
		pg->frame[p->frame].left = replace_leave(pg->replace,
							 p->frame);
	}
}

uint32_t evict_run(struct pager *pg, segment_id segment, uint64_t first,
		   uint32_t count)
{
	batch_id id = evict_begin(pg, pg->segment[segment].order);
	struct batch *b = &pg->batch[id];
	struct leaving lv = { .run_count = 0 };
	uint32_t taken;

	if (id == 0)
		return 0;
	evict_choose(pg, b, &lv, segment, first,
		     MIN(count, evict_room(b, &lv)));
	lv.run_count = claim_leaving(pg, lv.run, lv.run_count);
	taken = capture_runs(pg, id, lv.run, lv.run_count);
	write_back_start(pg, id);
	return taken;
}

static bool is_idle_candidate(const struct pager *pg,
			      const struct pager_segment *sg, uint64_t page)
{
	page_id id = (page_id)(sg->first + page);

	return page_next_used(pg, sg, page, 1) == page &&
	       victim_may_go(pg, id) &&
	       replace_is_idle(pg->replace, pg->page[id].frame);
}

/* Choose the victim and its unreferenced neighbours, `most` pages at most, as
 * one run: one splice, one punch, adjacent slots. */
static void evict_neighbourhood(struct pager *pg, struct batch *b,
				struct leaving *lv, frame_id victim,
				uint32_t most)
{
	segment_id segment = pg->frame[victim].segment;
	const struct pager_segment *sg = &pg->segment[segment];
	uint64_t first = page_index(sg, pg->frame[victim].page);
	uint64_t end = first + 1;

	while (end < sg->page_count && end - first < most &&
	       is_idle_candidate(pg, sg, end))
		end++;
	while (first > 0 && end - first < most &&
	       is_idle_candidate(pg, sg, first - 1))
		first--;
	evict_choose(pg, b, lv, segment, first, (uint32_t)(end - first));
}

/* Where slots are short, only pages that are zero, unchanged, or have a slot
 * of their own can go; the others come straight back.  Once the whole pool
 * has been tried in vain, leave it alone for a while. */
static bool is_futile(struct pager *pg)
{
	if (pg->slots.count.free > pg->futile_free_slots ||
	    pg->now_ns >= pg->futile_until_ns)
		pg->futile_units = 0;
	return pg->futile_units >= 2ull * pg->config.frame_count;
}

/* As many were tried in vain as there are frames.  The policy may have offered
 * the same ones again and again: try each. */
static bool must_try_each(const struct pager *pg)
{
	return pg->futile_units >= pg->config.frame_count;
}

static void note_futile(struct pager *pg, uint32_t tried_units, bool is_gain)
{
	pg->futile_units = is_gain ? 0 : pg->futile_units + tried_units;
	pg->futile_until_ns = pg->now_ns + EVICT_AGAIN_NS;
	pg->futile_free_slots = pg->slots.count.free;
}

uint32_t evict_some(struct pager *pg, uint32_t units, account_id account,
		    struct replace_search *search)
{
	uint64_t before = sure_units(pg);
	bool is_hopeless = is_futile(pg) || account_is_all_barred(pg, account);
	frame_id victim;
	unsigned order;
	batch_id id;
	struct leaving lv = { .run_count = 0 };
	uint32_t tried;

	search->takes_any = lv.is_single = must_try_each(pg);
	victim = is_hopeless ? 0 :
		replace_next(pg->replace, account, search);
	order = pg->frame[victim].order;
	id = victim != 0 ? evict_begin(pg, order) : 0;
	if (id == 0) {
		/* The search may have aged some; their segment may be gone
		 * before the next one. */
		victims_age_flush(pg);
		return 0;
	}
	while (victim != 0) {
		struct batch *b = &pg->batch[id];
		uint32_t most;

		tried = lv.page_count << order;
		most = search->takes_any ? 1 :
			MIN(evict_room(b, &lv),
			    MAX(1u, (units - tried) >> order));
		/* A page of another size waits until the policy offers it
		 * again. */
		if (pg->frame[victim].order == order)
			evict_neighbourhood(pg, b, &lv, victim, most);
		if (lv.page_count << order >= units || evict_room(b, &lv) == 0)
			break;
		victim = replace_next(pg->replace, account, search);
	}
	victims_age_flush(pg);
	/* Those that would not go count, too: there are others to try. */
	tried = lv.page_count << order;
	lv.run_count = claim_leaving(pg, lv.run, lv.run_count);
	(void)capture_runs(pg, id, lv.run, lv.run_count);
	write_back_start(pg, id);
	note_futile(pg, tried, sure_units(pg) > before);
	return tried;
}
