/* SPDX-License-Identifier: MIT */
/* Readahead: brings in what the streams of a segment (stream.c) want, as far
 * as there is room, and tells whose readers they are.
 *
 *   A1  A fault never waits for readahead: it leaves half of the staging for
 *       reads, half of the store's requests, half of the batches and a part of
 *       the low watermark alone, goes behind every fault that waits for a
 *       frame, and waits for what is evicted in the background, which keeps
 *       a window more free while it does.
 *   A2  It keeps within the limits of the segment's accounts.
 *   A3  Pages come in by the same way as for a fault: verified, or LOST.
 *   A4  A page that came in is FRESH until somebody is told of it.  Only such
 *       pages are shown to a client unasked: others it has mapped, or they
 *       have been aged and must show that they are in use: by a fault, or by
 *       a stream that passes them.  One that comes to them makes them FRESH.
 *
 * What cannot be had now (no staging, no frame) is tried again when something
 * has ended; what cannot be had within a limit is given up.
 *
 * A reader that overtakes what is read ahead *chases* it: then it is not told
 * of single pages, but waits, where it comes to the end of what it knows, for
 * the answer to a fault that speaks of many. */
#include "daemon/pager/ahead.h"

#include "daemon/pager/frame.h"
#include "daemon/pager/load.h"
#include "daemon/pager/page.h"
#include "daemon/pager/zero.h"

enum {
	WINDOW_UNITS_MAX = 512,		/* 2 MiB */
	POOL_PART = 8,			/* a window is no more of the pool */
	FILL_UNITS_MAX = 512,		/* zero-filled in one turn */
};

/* ---- segments that have streams to be served */

static void ahead_enqueue(struct pager *pg, segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];

	if (sg->is_ahead_queued)
		return;
	sg->is_ahead_queued = true;
	sg->ahead_next = 0;
	if (pg->ahead.head == 0)
		pg->ahead.head = id;
	else
		pg->segment[pg->ahead.tail].ahead_next = id;
	pg->ahead.tail = id;
	pg->ahead_count++;
}

static void ahead_unlink(struct pager *pg, segment_id before,
			 segment_id id)
{
	struct pager_segment *sg = &pg->segment[id];

	if (before == 0)
		pg->ahead.head = sg->ahead_next;
	else
		pg->segment[before].ahead_next = sg->ahead_next;
	if (pg->ahead.tail == id)
		pg->ahead.tail = before;
	sg->is_ahead_queued = false;
	sg->ahead_next = 0;
	pg->ahead_count--;
}

void ahead_forget(struct pager *pg, segment_id id)
{
	segment_id before = 0;

	if (!pg->segment[id].is_ahead_queued)
		return;
	for (segment_id at = pg->ahead.head; at != id;
	     at = pg->segment[at].ahead_next)
		before = at;
	ahead_unlink(pg, before, id);
}

/* ---- where readers are */

static uint32_t window_max(const struct pager *pg,
			   const struct pager_segment *sg, uint32_t client)
{
	uint32_t units = MIN((uint32_t)WINDOW_UNITS_MAX,
			     pg->config.frame_count / POOL_PART);
	uint32_t most = MIN(pg->config.readahead_max, units >> sg->order);

	/* All that one answer can speak of. */
	return client != 0 ? most : MIN(most, (uint32_t)BATCH_PAGES_MAX - 1);
}

static uint64_t passed_page(const struct stream *st, uint32_t i)
{
	return st->last - (uint64_t)((int64_t)st->step * i);
}

/* The stream has moved on by `passed` steps.  Was its reader on all of these
 * pages?  Not if they are not there, or nobody was told that they are: then it
 * goes another way.  (Some may have left again since.) */
static bool was_there(const struct pager *pg, const struct pager_segment *sg,
		      const struct stream *st, uint32_t passed)
{
	uint32_t skipped = 0;

	for (uint32_t i = 1; i < passed; i++) {
		uint64_t page = passed_page(st, i);
		const struct page *p = &pg->page[sg->first + page];

		skipped += !page_is_mappable(pg, sg, page) ||
			   (pg->frame[p->frame].flags & FRAME_FRESH);
	}
	return skipped <= passed / 4;
}

/* The page was aged, and the reader has passed it without a fault. */
static bool was_shown(const struct pager *pg, frame_id frame)
{
	return !(pg->frame[frame].flags & FRAME_FRESH) &&
	       replace_is_aged(pg->replace, frame);
}

/* The reader has used the page, or has left it out. */
static void note_passed_page(struct pager *pg, const struct pager_segment *sg,
			     uint64_t page, bool is_used)
{
	page_id id = (page_id)(sg->first + page);
	frame_id frame;

	if (page >= sg->page_count || page_next_used(pg, sg, page, 1) != page)
		return;
	frame = page_frame(&pg->page[id]);
	if (frame == 0)
		return;
	if (is_used && ((pg->frame[frame].flags & FRAME_AHEAD) ||
			was_shown(pg, frame)))
		page_mark_used(pg, id);
	replace_pass(pg->replace, frame);
}

/* The reader has used the pages that the stream has moved over, and the one
 * where it was before.  Those between have come along. */
static void note_passed(struct pager *pg, const struct pager_segment *sg,
			const struct stream *st, uint32_t passed)
{
	for (uint32_t i = 1; i <= passed; i++) {
		uint64_t page = passed_page(st, i);

		note_passed_page(pg, sg, page, true);
		for (uint32_t k = 1; k < stream_span(st); k++)
			note_passed_page(pg, sg, st->step > 0 ? page - k :
					 page + k, false);
	}
}

/* A stream has just begun.  If all pages between its steps are there, its
 * reader may use these, too, without a fault: then it goes page by page. */
static void doubt_step(const struct pager *pg, const struct pager_segment *sg,
		       struct stream *st)
{
	uint64_t size = (uint64_t)(st->step < 0 ? -(int64_t)st->step :
				   st->step);

	for (uint64_t i = 1; i < size; i++) {
		uint64_t page = st->step > 0 ? st->last - i : st->last + i;

		if (page_state_at(pg, sg, page) != PAGE_RESIDENT)
			return;
	}
	st->step = st->step < 0 ? -1 : 1;
}

struct stream *ahead_fault(struct pager *pg, segment_id segment, uint64_t page,
			   uint32_t client)
{
	struct pager_segment *sg = &pg->segment[segment];
	struct stream *st;
	uint32_t passed;

	for (;;) {
		st = stream_fault(&sg->streams, sg->mode, page,
				  window_max(pg, sg, client), &passed);
		if (st == NULL)
			return NULL;
		if (was_there(pg, sg, st, passed))
			break;
		stream_drop(st);
	}
	if (st->client == 0 && st->ahead == 0 && passed == 0)
		doubt_step(pg, sg, st);
	st->client = client;
	note_passed(pg, sg, st, passed);
	if (st->ahead < st->goal)
		ahead_enqueue(pg, segment);
	return st;
}

void ahead_expect(struct pager *pg, segment_id segment, struct stream *st,
		  uint32_t count)
{
	struct pager_segment *sg = &pg->segment[segment];

	if (stream_expect(&sg->streams, st, count,
			  window_max(pg, sg, st->client)))
		ahead_enqueue(pg, segment);
}

bool ahead_touched(struct pager *pg, segment_id segment, uint64_t first,
		   uint64_t count)
{
	struct pager_segment *sg = &pg->segment[segment];
	struct stream *st;
	uint32_t passed;

	while ((st = stream_touched(&sg->streams, first, count,
				    window_max(pg, sg, 1), &passed)) != NULL) {
		note_passed(pg, sg, st, passed);
		ahead_tell_rest(pg, segment, st);
		ahead_enqueue(pg, segment);
	}
	if (!sg->is_ahead_queued)
		return false;
	(void)ahead_run(pg);
	return true;
}

/* ---- telling */

static bool is_untold(const struct pager *pg, const struct pager_segment *sg,
		     uint64_t page)
{
	return page_is_mappable(pg, sg, page) &&
	       (pg->frame[pg->page[sg->first + page].frame].flags &
		FRAME_FRESH);
}

static void announce_run(struct pager *pg, segment_id segment, uint64_t first,
			 uint64_t count)
{
	struct pager_segment *sg = &pg->segment[segment];
	struct stream *st = stream_find(&sg->streams, first);
	uint64_t mark;

	if (st == NULL || st->client == 0)
		return;
	/* It will ask, where there is an end to come to. */
	if (st->is_chasing && stream_is_dense(st)) {
		st->has_untold = true;
		return;
	}
	for (uint64_t page = first; page < first + count; page++)
		frame_set_flags(pg, pg->page[sg->first + page].frame, 0,
				FRAME_FRESH);
	mark = stream_choose_mark(&sg->streams, first, count, PAGER_NO_PAGE);
	pg->up->ready(pg->up_ctx, st->client, segment, first, count, mark);
}

/* Pages of [first, first + count) that have come in: tell whose they are. */
static void announce(struct pager *pg, segment_id segment, uint64_t first,
		     uint64_t count)
{
	const struct pager_segment *sg = &pg->segment[segment];
	uint64_t end = first + count;

	if (sg->state != SEGMENT_LIVE)
		return;
	while (first < end) {
		uint64_t stop = first;

		while (stop < end && is_untold(pg, sg, stop))
			stop++;
		if (stop > first)
			announce_run(pg, segment, first, stop - first);
		first = stop + 1;
	}
}

void ahead_tell_rest(struct pager *pg, segment_id segment, struct stream *st)
{
	uint64_t next = stream_page(st, 1);

	if (st->is_chasing || !st->has_untold || st->ahead == 0)
		return;
	st->has_untold = false;
	announce(pg, segment, st->step < 0 ? stream_page(st, st->ahead) : next,
		 (uint64_t)st->ahead * stream_span(st));
}

void ahead_announce_load(struct pager *pg, const struct batch *b)
{
	const struct pager_segment *sg = &pg->segment[b->segment[0]];

	for (unsigned i = 0; b->ahead != 0 && i < b->page_count; i++) {
		unsigned end = i + 1;

		while (end < b->page_count &&
		       b->page[end] == b->page[end - 1] + 1)
			end++;
		announce(pg, b->segment[0], page_index(sg, b->page[i]),
			 end - i);
		i = end - 1;
	}
}

/* ---- bringing in */

enum ahead_end {
	AHEAD_DONE,		/* it has all it wants, or can have */
	AHEAD_BEGUN,		/* a batch more is coming */
	AHEAD_STUCK,		/* something must end first */
	AHEAD_TIRED,		/* enough for this turn */
};

struct ahead_turn {
	segment_id segment;
	struct stream *stream;
	uint32_t fill_units;		/* that may still be filled */
};

void ahead_plan(const struct stream *st, uint32_t first, struct intake *in)
{
	uint32_t span = stream_span(st);
	uint32_t steps = st->goal + 1 - first;

	in->step = !stream_is_dense(st) ? st->step : st->step < 0 ? -1 : 1;
	in->ahead = span;
	in->count = span == 1 ? steps :
		MIN(steps, (uint32_t)BATCH_PAGES_MAX / span) * span;
}

static bool read_some(struct pager *pg, struct intake *in)
{
	account_id account;
	batch_id batch;

	if (pg->batches_used - pg->capturing_count >= BATCHES_MAX / 2)
		return false;
	load_cut(pg, in);
	return load_start(pg, in, &account, &batch);
}

static bool fill_some(struct pager *pg, struct ahead_turn *turn,
		      struct intake *in)
{
	unsigned order = pg->segment[in->segment].order;
	account_id account;

	in->count = MIN(in->count, MAX(turn->fill_units >> order, 1u));
	zero_cut(pg, in);
	turn->fill_units -= MIN(turn->fill_units, in->count << order);
	if (!zero_fill(pg, in, &account))
		return false;
	turn->stream->ahead += in->count;
	announce(pg, in->segment, in->step < 0 ?
		 intake_page(in, in->count - 1) : in->from, in->count);
	return true;
}

/* The stream comes to pages that are there, but were aged: tell its reader of
 * all of them.  Otherwise each would cost a fault.  Returns how many there are
 * from `page` on. */
static uint32_t show_aged(struct pager *pg, struct ahead_turn *turn,
			  uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[turn->segment];
	struct stream *st = turn->stream;
	uint32_t count = 0;
	uint64_t at = page;

	while (count < st->goal - st->ahead && count < BATCH_PAGES_MAX &&
	       page_is_mappable(pg, sg, at) &&
	       replace_is_aged(pg->replace, pg->page[sg->first + at].frame)) {
		frame_set_flags(pg, pg->page[sg->first + at].frame,
				FRAME_FRESH, 0);
		count++;
		at += (uint64_t)(int64_t)st->step;
	}
	st->ahead += count;
	if (count != 0)
		announce(pg, turn->segment, st->step < 0 ? at + 1 : page,
			 count);
	return count;
}

/* Bring in `page`, the next one that the stream wants, and some behind it.
 * AHEAD_DONE: it is there, or cannot be had. */
static enum ahead_end bring_in(struct pager *pg, struct ahead_turn *turn,
			       uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[turn->segment];
	enum page_state state = page_state_at(pg, sg, page);
	struct stream *st = turn->stream;
	struct intake in = { .segment = turn->segment, .from = page };

	if (state == PAGE_RESIDENT && (st->step == 1 || st->step == -1)) {
		st->ahead += show_aged(pg, turn, page) == 0;
		return AHEAD_DONE;
	}
	if (state != PAGE_SWAPPED &&
	    (state != PAGE_ZERO || (st->step != 1 && st->step != -1))) {
		st->ahead++;
		return AHEAD_DONE;
	}
	if (frame_limited_by(pg, sg) != 0) {
		stream_stop(st);
		return AHEAD_DONE;
	}
	if (frame_room(pg, sg, false, 1) == 0) {
		pg->ahead_wanted = MIN((st->goal - st->ahead) << sg->order,
				       pg->config.frame_count / POOL_PART);
		return AHEAD_STUCK;
	}
	ahead_plan(st, st->ahead + 1, &in);
	if (state == PAGE_SWAPPED) {
		if (!read_some(pg, &in))
			return AHEAD_STUCK;
		st->ahead += (in.count - 1) / in.ahead + 1;
		return AHEAD_BEGUN;
	}
	if (turn->fill_units == 0)
		return AHEAD_TIRED;
	if (fill_some(pg, turn, &in))
		return AHEAD_BEGUN;
	stream_stop(st);	/* no memory now: let it be */
	return AHEAD_DONE;
}

static enum ahead_end serve_stream(struct pager *pg, struct ahead_turn *turn)
{
	const struct pager_segment *sg = &pg->segment[turn->segment];
	struct stream *st = turn->stream;
	enum ahead_end end = AHEAD_DONE;

	while (end == AHEAD_DONE && st->ahead < st->goal) {
		uint64_t page = stream_page(st, st->ahead + 1);

		if (page >= sg->page_count || st->client == 0)
			stream_stop(st);
		else
			end = bring_in(pg, turn, page);
	}
	return end;
}

/* One batch for one of the segment's streams, which have it in turn. */
static enum ahead_end serve_segment(struct pager *pg, struct ahead_turn *turn)
{
	struct pager_segment *sg = &pg->segment[turn->segment];

	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		unsigned at = (sg->ahead_stream + i) % STREAM_COUNT;
		enum ahead_end end;

		turn->stream = &sg->streams.stream[at];
		end = serve_stream(pg, turn);
		if (end == AHEAD_BEGUN)
			sg->ahead_stream = (uint8_t)(at + 1);
		if (end != AHEAD_DONE)
			return end;
	}
	return AHEAD_DONE;
}

/* One batch each, and again. */
bool ahead_run(struct pager *pg)
{
	struct ahead_turn turn = { .fill_units = FILL_UNITS_MAX };
	enum ahead_end end = AHEAD_DONE;

	pg->ahead_wanted = 0;
	/* Whoever waits for a frame comes first. */
	while (pg->ahead.head != 0 && pg->pool_waiting.head == 0 &&
	       (end == AHEAD_DONE || end == AHEAD_BEGUN)) {
		turn.segment = pg->ahead.head;
		end = serve_segment(pg, &turn);
		/* Who got nothing stays the first. */
		if (end == AHEAD_DONE || end == AHEAD_BEGUN)
			ahead_unlink(pg, 0, turn.segment);
		if (end == AHEAD_BEGUN)
			ahead_enqueue(pg, turn.segment);
	}
	return end == AHEAD_TIRED;
}
