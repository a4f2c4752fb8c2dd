/* SPDX-License-Identifier: MIT */
#include "daemon/serve/replay.h"

#include "daemon/net/conn_output.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/session.h"
#include "daemon/stats/stats.h"
#include <errno.h>

enum {
	RUN_UNITS_MAX = 64,		/* asked for in one fetch */
	ADVICE_WAITING_MAX = 16,	/* wait while this much advice of others
					 * waits in the pager */
};

static void replay_destroy(struct replays *rs, struct replay *rp)
{
	TAILQ_REMOVE(&rs->all, rp, link);
	rs->count--;
	free(rp);
}

void replays_fini(struct replays *rs)
{
	struct replay *rp;

	if (rs->all.tqh_last == NULL)
		return;		/* never set up */
	while ((rp = TAILQ_FIRST(&rs->all)) != NULL)
		replay_destroy(rs, rp);
}

void replays_stop(struct replays *rs)
{
	rs->is_stopping = true;
	replays_wake(rs);
}

static void replay_reply(const struct replays *rs, const struct replay *rp)
{
	const struct session *s = sessions_find(rs->sessions, rp->session);
	Memd__ReplayReply reply = MEMD__REPLAY_REPLY__INIT;

	reply.pages = rp->asked_pages;
	reply.has_is_short = true;
	reply.is_short = rp->is_short;
	reply.has_read_pages = reply.has_there_pages = true;
	reply.read_pages = rp->read_pages;
	reply.there_pages = rp->there_pages;
	if (s != NULL)
		conn_send(s->main, MEMD__MESSAGE_TYPE__TYPE_REPLAY_REPLY,
			  rp->request_id, &reply.base);
}

/* Ask for no more pages.  The replay ends when its fetches have ended.
 * is_short: the rest was left out for lack of room. */
static void replay_end(struct replays *rs, struct replay *rp, bool is_short)
{
	rp->is_ending = true;
	rp->is_short = is_short;
	if (rp->fetches != 0)
		return;
	replay_reply(rs, rp);
	replay_destroy(rs, rp);
}

void replay_fetched(struct replays *rs, const struct pending_entry *e,
		    int left, uint64_t read)
{
	struct replay *rp = e->replay;
	uint64_t here = e->page_count;

	here -= left < 0 ? here : MIN(here, (uint64_t)left);
	/* Some may have left again. */
	read = MIN(read, here);
	rp->read_pages += read;
	rp->there_pages += here - read;
	rp->fetches--;
	rs->fetches--;
	rs->fetching_units -= (uint64_t)e->page_count << rp->order;
	if (rp->is_ending)
		replay_end(rs, rp, rp->is_short);
	replays_wake(rs);
}

/* ---- sorting */

static int replay_compare_runs(const void *a, const void *b)
{
	const struct page_run *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* How many of the `count` > 0 runs belong to the first piece. */
static uint32_t replay_measure_piece(const struct page_run *run,
				     uint32_t count)
{
	uint64_t pages = run[0].count;
	uint32_t n = 1;

	while (n < count && pages + run[n].count <= REPLAY_PIECE_PAGES)
		pages += run[n++].count;
	return n;
}

/* Merge sorted runs into `to`, which may be `from` or lie before it.  Returns
 * how many runs are left. */
static uint32_t replay_merge_runs(const struct page_run *from, uint32_t count,
				  struct page_run *to)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t end = from[i].first + from[i].count;

		if (kept > 0 &&
		    from[i].first <= to[kept - 1].first + to[kept - 1].count)
			to[kept - 1].count = MAX(to[kept - 1].count,
						 end - to[kept - 1].first);
		else
			to[kept++] = from[i];
	}
	return kept;
}

uint32_t replay_sort_runs(struct page_run *run, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t at = 0, n; at < count; at += n) {
		n = replay_measure_piece(&run[at], count - at);
		qsort(&run[at], n, sizeof(*run), replay_compare_runs);
		kept += replay_merge_runs(&run[at], n, &run[kept]);
	}
	return kept;
}

/* ---- starting */

static struct replay *replays_find(const struct replays *rs,
				   const struct segment *segment)
{
	struct replay *rp;

	TAILQ_FOREACH(rp, &rs->all, link)
		if (rp->segment_number == segment->id && !rp->is_ending)
			return rp;
	return NULL;
}

/* Add the part of the range that lies inside the segment. */
static void replay_add_range(struct replay *rp, const struct segment *segment,
			     const Memd__Range *range)
{
	if (range->count != 0 && range->first < segment->page_count)
		rp->run[rp->run_count++] = (struct page_run){
			range->first,
			MIN(range->count, segment->page_count - range->first) };
}

int replay_start(struct replays *rs, const struct segment *segment,
		 Memd__Range *const *range, size_t range_count,
		 const struct conn *c, uint64_t request_id)
{
	struct replay *rp = replays_find(rs, segment);

	if (rp != NULL)
		replay_end(rs, rp, false);
	if (rs->count == REPLAYS_MAX)
		return -EBUSY;
	rp = calloc(1, sizeof(*rp) + range_count * sizeof(rp->run[0]));
	if (rp == NULL)
		return -ENOMEM;
	rp->segment_number = segment->id;
	rp->order = segment->order;
	rp->session = c->session->id;
	rp->request_id = request_id;
	for (size_t i = 0; i < range_count; i++)
		replay_add_range(rp, segment, range[i]);
	rp->run_count = replay_sort_runs(rp->run, rp->run_count);
	TAILQ_INSERT_TAIL(&rs->all, rp, link);
	rs->count++;
	replays_wake(rs);
	rs->stats->replays++;
	return 0;
}

/* ---- working */

/* Units that a replay of the segment may use now, besides those that are being
 * fetched: the free frames above the high watermark, as far as the segment's
 * account and its parents allow. */
static uint64_t replay_room(const struct replays *rs,
			    const struct segment *segment,
			    const struct pager_stats *stats)
{
	uint64_t room = stats->free_frames -
			MIN(stats->free_frames, stats->high_watermark);
	struct account_info info;

	for (account_id id = segment->account->id; id != 0; id = info.parent) {
		pager_account_get(rs->engine->pager, id, &info);
		if (info.limit_frames != 0)
			room = MIN(room, info.limit_frames -
				   MIN(info.used_frames, info.limit_frames));
	}
	/* Some of these have their frames: then there is room again soon. */
	return room - MIN(room, rs->fetching_units);
}

/* Ask for the next pages of one run, at most `most`.  Returns how many; 0: the
 * table of requests is full. */
static uint64_t replay_fetch(struct replays *rs, struct replay *rp,
			     const struct segment *segment, uint64_t most)
{
	struct page_run *run = &rp->run[rp->run_idx];
	uint64_t first = run->first, pages = MIN(run->count, most), cookie;
	const struct pending_entry like = { .kind = PENDING_REPLAY,
					    .replay = rp,
					    .page_count = (uint32_t)pages };

	if (!pending_add(rs->pending, &like, &cookie))
		return 0;
	rs->stats->replayed_pages += pages;
	rp->asked_pages += pages;
	run->first += pages;
	run->count -= pages;
	if (run->count == 0)
		rp->run_idx++;
	rp->fetches++;
	rs->fetches++;
	rs->fetching_units += pages << rp->order;
	engine_advise(rs->engine, segment->pager_id, first, pages, PAGER_FETCH,
		      cookie);
	return pages;
}

/* Ask for as many pages as `room` units allow.  Returns false if none are
 * left. */
static bool replay_fetch_some(struct replays *rs, struct replay *rp,
			      const struct segment *segment, uint64_t room)
{
	uint64_t most = MAX((uint64_t)RUN_UNITS_MAX >> segment->order, 1u);
	uint64_t left = room >> segment->order;

	while (rs->fetches < REPLAY_FETCHES_MAX && left > 0 &&
	       rp->run_idx < rp->run_count) {
		uint64_t pages = replay_fetch(rs, rp, segment,
					      MIN(most, left));

		if (pages == 0)
			break;
		left -= pages;
	}
	return rp->run_idx < rp->run_count;
}

/* Returns true if the replay has asked for pages, or has no more to ask for. */
static bool replay_take_turn(struct replays *rs, struct replay *rp,
			     const struct pager_stats *stats)
{
	const struct segment *segment =
		segments_find_id(rs->segments, rp->segment_number);
	uint64_t asked_pages = rp->asked_pages, room, page_units;

	if (segment == NULL || rs->is_stopping ||
	    sessions_find(rs->sessions, rp->session) == NULL) {
		replay_end(rs, rp, false);
		return true;
	}
	room = replay_room(rs, segment, stats);
	page_units = UINT64_C(1) << segment->order;
	if (room < page_units) {
		if (rs->fetches == 0)
			replay_end(rs, rp, true);
		return rs->fetches == 0;
	}
	/* At least one page, even if it is larger than the limit. */
	room = MIN(room, MAX(REPLAY_LOADING_UNITS -
			     MAX(stats->loading_frames, rs->fetching_units),
			     page_units));
	if (!replay_fetch_some(rs, rp, segment, room)) {
		replay_end(rs, rp, false);
		return true;
	}
	return rp->asked_pages != asked_pages;
}

/* The next one that has more to ask for, which becomes the last one. */
static struct replay *replays_rotate(struct replays *rs)
{
	struct replay *rp;

	TAILQ_FOREACH(rp, &rs->all, link)
		if (!rp->is_ending)
			break;
	if (rp != NULL) {
		TAILQ_REMOVE(&rs->all, rp, link);
		TAILQ_INSERT_TAIL(&rs->all, rp, link);
	}
	return rp;
}

static bool replays_must_wait(const struct replays *rs,
			      const struct pager_stats *stats)
{
	return MAX(stats->loading_frames, rs->fetching_units) >=
		       REPLAY_LOADING_UNITS ||
	       rs->fetches == REPLAY_FETCHES_MAX ||
	       stats->advice_waiting >= rs->fetches + ADVICE_WAITING_MAX;
}

static void replays_step(void *arg)
{
	struct replays *rs = arg;
	struct pager_stats stats;
	struct replay *rp;

	if (rs->count == 0)
		return;
	pager_stats_get(rs->engine->pager, &stats);
	/* When the work in progress ends, replays_wake() is called. */
	if (!rs->is_stopping && replays_must_wait(rs, &stats))
		return;
	rp = replays_rotate(rs);
	if (rp != NULL && replay_take_turn(rs, rp, &stats))
		replays_wake(rs);
}

void replays_init(struct replays *rs)
{
	rs->work = (struct deferred_work){ .run = replays_step, .ctx = rs };
	TAILQ_INIT(&rs->all);
}
