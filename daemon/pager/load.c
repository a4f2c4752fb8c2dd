/* SPDX-License-Identifier: MIT */
/* Loading: reads pages from their slots, verifies their checksums, and installs
 * them.
 *
 * If a request fails, or if bytes do not match their checksum, the pages are
 * read again one by one.  So one bad sector loses one page, and a passing error
 * loses none.  A page that fails twice is LOST.  Its slot is never used again,
 * unless the store says that only the content was lost (-SWAP_ELOST). */
#include "daemon/pager/load.h"

#include "daemon/pager/claim.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"
#include "daemon/pager/fault_queue.h"
#include <errno.h>
#include <string.h>

static bool is_swapped(const struct pager *pg, const struct pager_segment *sg,
		       uint64_t page)
{
	return page < sg->page_count &&
	       page_state_at(pg, sg, page) == PAGE_SWAPPED;
}

/* True if one request can read page `i` together with the page before it in the
 * intake: their slots are neighbours, in the direction of the intake. */
static bool is_adjacent(const struct pager *pg, const struct pager_segment *sg,
			const struct intake *in, uint32_t i)
{
	slot_id slot = pg->page[sg->first + intake_page(in, i)].slot;
	slot_id before = pg->page[sg->first + intake_page(in, i - 1)].slot;
	slot_id units = order_units(sg->order);

	if (in->step == 1)
		return slot == before + units &&
		       slots_are_joined(&pg->slots, slot - 1);
	return in->step == -1 && slot + units == before &&
	       slots_are_joined(&pg->slots, before - 1);
}

/* If a fault waits, readahead takes only pages that the same request can read:
 * further requests would delay other faults. */
void load_cut(const struct pager *pg, struct intake *in)
{
	const struct pager_segment *sg = &pg->segment[in->segment];
	uint32_t most = frame_room(pg, sg, in->has_waiter,
				   MIN(in->count, (uint32_t)BATCH_PAGES_MAX));
	uint32_t count = 1;

	while (count < most && is_swapped(pg, sg, intake_page(in, count)) &&
	       (!in->has_waiter || in->ahead == 0 ||
		is_adjacent(pg, sg, in, count)))
		count++;
	in->count = count;
}

/* The arena for reads has two halves.  The first half is for pages that are
 * waited for, so that a page of any size finds room, however much is read
 * ahead.  The second half is for readahead.  Its last sixteenth of the arena is
 * kept for pages that are waited for, which try it first; a page that is too
 * large for the rest of the half may use it, too. */
static uint32_t end_of_ahead(const struct staging *st)
{
	return st->unit_count - st->unit_count / 16;
}

static struct staging_part part_ahead(const struct staging *st, uint32_t units)
{
	uint32_t half = st->unit_count / 2, end = end_of_ahead(st);

	return (struct staging_part){
		half, end - half < units ? st->unit_count : end,
	};
}

static struct staging_part part_small(const struct staging *st)
{
	return (struct staging_part){ end_of_ahead(st), st->unit_count };
}

/* Take as much staging as there is room for.  Returns how many pages it
 * holds. */
static uint32_t load_staging(struct pager *pg, const struct intake *in,
			     struct batch *b)
{
	struct staging *st = &pg->read_staging;
	uint32_t units = order_units(b->order), got = 0;

	if (in->count > 1 || !in->has_waiter)
		got = staging_get(st, part_ahead(st, units), units,
				  in->count * units, &b->staging_first);
	if (got == 0 && in->has_waiter)
		got = staging_get(st, part_small(st), units, units,
				  &b->staging_first);
	if (got == 0 && in->has_waiter)
		got = staging_get(st, staging_all(st), units, units,
				  &b->staging_first);
	b->staging_count = got;
	return got / units;
}

static void load_add(struct pager *pg, struct pager_segment *sg, batch_id id,
		     page_id at, frame_id frame)
{
	struct batch *b = &pg->batch[id];
	struct page *p = &pg->page[at];

	p->frame = frame;
	p->batch = (uint16_t)id;
	page_enter(pg, sg, at, PAGE_LOADING);
	b->page[b->page_count] = at;
	b->segment[b->page_count] = (segment_id)(sg - pg->segment);
	b->wanted |= UINT64_C(1) << b->page_count;
	b->page_count++;
}

/* Add the pages in ascending order, so that the slots of neighbours ascend too.
 * Only the first page of an intake may lack a frame: load_cut() has left others
 * only if there is room for them. */
static bool load_add_all(struct pager *pg, const struct intake *in,
			 batch_id id, account_id *ret_account)
{
	struct pager_segment *sg = &pg->segment[in->segment];

	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t nth = in->step > 0 ? i : in->count - 1 - i;
		page_id at = (page_id)(sg->first + intake_page(in, nth));
		frame_id frame = frame_get(pg, in->segment, at, ret_account);

		ASSERT(frame != 0 || in->count == 1);
		if (frame == 0)
			return false;
		load_add(pg, sg, id, at, frame);
		if (intake_is_ahead(in, nth))
			pg->batch[id].ahead |= UINT64_C(1) << i;
	}
	return true;
}

bool load_start(struct pager *pg, struct intake *in, account_id *ret_account,
		batch_id *ret_batch)
{
	batch_id id = batch_get(pg, BATCH_LOAD,
				pg->segment[in->segment].order);
	struct batch *b = &pg->batch[id];
	uint32_t room;

	*ret_account = 0;
	if (id == 0)
		return false;
	room = load_staging(pg, in, b);
	in->count = MIN(in->count, room);
	if (in->count == 0 || !load_add_all(pg, in, id, ret_account)) {
		batch_put(pg, id);
		return false;
	}
	b->is_ahead = !in->has_waiter;
	batch_trim_staging(pg, b);
	pg->stats.pages_read += in->count;
	pg->stats.readahead_pages += (uint64_t)__builtin_popcountll(b->ahead);
	*ret_batch = id;
	batch_start(pg, id);
	return true;
}

static void load_verify(struct pager *pg, struct batch *b)
{
	const struct pager_segment *sg = &pg->segment[b->segment[0]];

	for (unsigned i = 0; i < b->page_count; i++) {
		uint64_t bit = UINT64_C(1) << i;
		struct checksum_key key = page_key(pg, sg, b->page[i]);

		if (!(b->wanted & bit) || (b->failed & bit))
			continue;
		if (!checksum_equal(pg->page[b->page[i]].sum,
				    checksum_of(&key, batch_bytes(pg, b, i),
						(size_t)PAGER_UNIT_BYTES
							<< b->order))) {
			pg->stats.checksum_errors++;
			b->failed |= bit;
		}
	}
}

/* The page is lost.  `error` is the store's; 0: the checksum did not match. */
static void load_lose(struct pager *pg, struct pager_segment *sg, page_id id,
		      int error)
{
	slot_id slot = pg->page[id].slot;
	int err = claim_absent(pg, (segment_id)(sg - pg->segment),
			       page_index(sg, id));

	page_set_slot(pg, sg, id, SLOT_NONE);
	if (error == -SWAP_ELOST)
		page_put_chain(pg, slot);
	else
		slots_quarantine_chain(&pg->slots, slot);
	/* A program may have had more luck, and has brought it in. */
	if (err == -EEXIST) {
		pg->page[id].batch = 0;
		page_enter(pg, sg, id, PAGE_RESIDENT);
		return;
	}
	page_release(pg, sg, id, PAGE_LOST);
	pg->stats.pages_lost++;
}

/* The fault that has waited longest for the batch, if it waits for page `i` and
 * its answer will cover only that page; else NULL. */
static struct fault *fault_of_one(const struct pager *pg,
				  const struct batch *b, unsigned i)
{
	struct fault *f = b->waiting.head;

	return f != NULL && fault_page(pg, f) == b->page[i] && f->hold <= 1 &&
	       fault_extent(pg, f) == 1 ? f : NULL;
}

static int install_run(struct pager *pg, const struct batch *b, unsigned first,
		       unsigned end)
{
	segment_id segment = b->segment[0];
	const struct pager_segment *sg = &pg->segment[segment];
	uint64_t unit = page_index(sg, b->page[first]) << b->order;
	uint64_t count = (uint64_t)(end - first) << b->order;
	const void *bytes = batch_bytes(pg, b, first);
	struct fault *f = NULL;

	if (pg->ops->install_for != NULL && end - first == 1)
		f = fault_of_one(pg, b, first);
	return f == NULL ?
		pg->ops->install(pg->ctx, segment, unit, count, bytes) :
		pg->ops->install_for(pg->ctx, f, unit, count, bytes);
}

/* Put pages [first, end) of the batch, whose bytes are good, into the data
 * file.  False: no memory now. */
static bool load_install(struct pager *pg, struct batch *b, unsigned first,
			 unsigned end)
{
	struct pager_segment *sg = &pg->segment[b->segment[0]];

	if (install_run(pg, b, first, end) != 0) {
		/* Some units may be present. */
		for (unsigned i = first; i < end; i++)
			b->returning |= UINT64_C(1) << i;
		return false;
	}
	for (unsigned i = first; i < end; i++) {
		struct page *p = &pg->page[b->page[i]];
		bool is_ahead = b->ahead >> i & 1;

		p->batch = 0;
		page_enter(pg, sg, b->page[i], PAGE_RESIDENT);
		frame_note_intake(pg, p->frame, is_ahead);
		/* Those between the pages of a stream stay as long as these:
		 * a reader is told of runs. */
		if (b->ahead != 0)
			replace_expect(pg->replace, p->frame);
		b->settled |= UINT64_C(1) << i;
	}
	return true;
}

/* The end of the run of good, neighbouring pages that starts with page `first`
 * of the batch. */
static unsigned good_end(const struct batch *b, unsigned first)
{
	unsigned end = first + 1;

	while (end < b->page_count && !((b->settled | b->failed) >> end & 1) &&
	       b->page[end] == b->page[end - 1] + 1)
		end++;
	return end;
}

/* Settle each page, after everything was read (twice if needed): it is
 * installed, or lost, or its segment is dying.  False: some could not be
 * installed now. */
static bool load_settle(struct pager *pg, struct batch *b)
{
	struct pager_segment *sg = &pg->segment[b->segment[0]];
	bool is_dying = sg->state == SEGMENT_DYING, is_complete = true;

	for (unsigned i = 0; i < b->page_count; i++) {
		uint64_t bit = UINT64_C(1) << i;
		unsigned end;

		if (b->settled & bit)
			continue;
		if (is_dying) {
			/* A program may have brought it in meanwhile. */
			page_abandon(pg, sg, b->page[i], sg->book != NULL ||
				     (b->returning & bit) != 0);
		} else if (b->failed & bit) {
			load_lose(pg, sg, b->page[i], b->error[i]);
		} else {
			end = good_end(b, i);
			if (!load_install(pg, b, i, end))
				is_complete = false;
			i = end - 1;
			continue;
		}
		b->settled |= bit;
	}
	return is_complete;
}

enum batch_end load_finish(struct pager *pg, batch_id id)
{
	struct batch *b = &pg->batch[id];
	bool is_dying = pg->segment[b->segment[0]].state == SEGMENT_DYING;

	if (!is_dying && b->wanted != 0) {
		load_verify(pg, b);
		if (b->failed != 0 && !b->is_retry) {
			b->is_retry = true;
			b->wanted = b->failed;
			b->failed = 0;
			memset(b->error, 0, sizeof(b->error));
			batch_start(pg, id);
			return BATCH_GOES_ON;
		}
		b->wanted = 0;
	}
	if (load_settle(pg, b))
		return BATCH_SETTLED;
	pg->stats.install_retries++;
	return BATCH_STARVED;
}
