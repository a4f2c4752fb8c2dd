/* SPDX-License-Identifier: MIT */
#include "daemon/pager/claim.h"

#include "daemon/pager/book.h"
#include "daemon/pager/page.h"
#include <errno.h>

/* Those that could not be claimed have their entries back. */
static void give_back(const struct pager *pg, const struct pager_claim *claim)
{
	const struct pager_segment *sg = &pg->segment[claim->segment];

	for (uint32_t i = 0; i < claim->count; i++)
		if (claim->open >> i & 1)
			book_write_run(pg, sg, claim->first + i, 1);
}

uint64_t claim_pages(const struct pager *pg, segment_id segment, uint64_t first,
		    uint32_t count)
{
	const struct pager_segment *sg = &pg->segment[segment];
	struct pager_claim claim = {
		.segment = segment, .first = first, .count = count,
	};

	if (sg->book == NULL)
		return 0;
	book_mark_busy(sg, first, count);
	pg->ops->look(pg->ctx, &claim, 1);
	give_back(pg, &claim);
	return claim.open;
}

int claim_absent(const struct pager *pg, segment_id segment, uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[segment];
	struct pager_claim claim = {
		.segment = segment, .first = page, .count = 1,
		.asks_present = true,
	};

	if (sg->book == NULL)
		return 0;
	book_mark_busy(sg, page, 1);
	pg->ops->look(pg->ctx, &claim, 1);
	if (claim.open == 0 && claim.present == 0)
		return 0;
	book_write_run(pg, sg, page, 1);
	return claim.present != 0 ? -EEXIST : -EBUSY;
}

/* An intent is open on the page: somebody is about to use it. */
static void stays(struct pager *pg, page_id id)
{
	pg->page[id].flags &= (uint8_t)~PAGE_LEAVING;
	page_keep(pg, id);
	pg->stats.claims_refused++;
}

/* Add the pages of the run that were claimed to `to`, from to[count] on.
 * Returns the new count. */
static unsigned add_claimed(struct pager *pg, const struct pager_capture *run,
			    uint64_t open, struct pager_capture *to,
			    unsigned count)
{
	const struct pager_segment *sg = &pg->segment[run->segment];
	bool goes_on = false;

	for (uint64_t i = 0; i < run->count; i++) {
		if (open >> i & 1) {
			stays(pg, (page_id)(sg->first + run->unit + i));
			goes_on = false;
			continue;
		}
		if (!goes_on)
			to[count++] = (struct pager_capture){
				.segment = run->segment,
				.unit = run->unit + i,
				.to = (uint8_t *)run->to +
				      i * PAGER_UNIT_BYTES,
			};
		to[count - 1].count++;
		goes_on = true;
	}
	return count;
}

static bool make_claim(const struct pager *pg, const struct pager_capture *run,
		       struct pager_claim *ret_claim)
{
	const struct pager_segment *sg = &pg->segment[run->segment];

	*ret_claim = (struct pager_claim){
		.segment = run->segment,
		.first = run->unit,
		.count = sg->book != NULL ? (uint32_t)run->count : 0,
	};
	if (sg->book == NULL)
		return false;
	book_mark_busy(sg, run->unit, run->count);
	return true;
}

unsigned claim_leaving(struct pager *pg, struct pager_capture *run,
			    unsigned count)
{
	struct pager_claim claim[PAGER_CAPTURES_MAX];
	struct pager_capture old[PAGER_CAPTURES_MAX];
	bool is_any = false, is_refused = false;
	unsigned new_count = 0;

	for (unsigned i = 0; i < count; i++)
		is_any |= make_claim(pg, &run[i], &claim[i]);
	if (!is_any)
		return count;
	pg->ops->look(pg->ctx, claim, count);
	for (unsigned i = 0; i < count; i++) {
		give_back(pg, &claim[i]);
		is_refused |= claim[i].open != 0;
		old[i] = run[i];
	}
	if (!is_refused)
		return count;
	for (unsigned i = 0; i < count; i++) {
		if (claim[i].open == 0)
			run[new_count++] = old[i];
		else
			new_count = add_claimed(pg, &old[i], claim[i].open, run,
						new_count);
	}
	return new_count;
}
