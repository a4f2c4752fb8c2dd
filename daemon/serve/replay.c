/* SPDX-License-Identifier: MIT */
#include "daemon/serve/replay.h"

#include "common/clock.h"
#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"
#include <errno.h>

enum {
	RUNS_AT_ONCE = 64,		/* asked of the pager in one step */
	RUN_UNITS_MAX = 64,		/* in one of them */
	ADVICE_WAITING_MAX = 16,	/* of anybody's, in the pager */
};

void replays_init(struct replays *rs)
{
	*rs = (struct replays){ 0 };
	TAILQ_INIT(&rs->all);
}

static void destroy(struct replays *rs, struct replay *rp)
{
	TAILQ_REMOVE(&rs->all, rp, link);
	rs->count--;
	free(rp->run);
	free(rp);
}

void replays_fini(struct replays *rs)
{
	struct replay *rp;

	while ((rp = TAILQ_FIRST(&rs->all)) != NULL)
		destroy(rs, rp);
}

/* It has ended; is_short: there was no room for the rest. */
static void finish(struct daemon *d, struct replay *rp, bool is_short)
{
	struct session *s = sessions_find(&d->sessions, rp->session);
	Memd__ReplayReply reply = MEMD__REPLAY_REPLY__INIT;

	reply.pages = rp->asked_pages;
	reply.has_is_short = true;
	reply.is_short = is_short;
	if (s != NULL)
		conn_send(s->main, MEMD__MESSAGE_TYPE__TYPE_REPLAY_REPLY,
			  rp->request_id, &reply.base);
	destroy(&d->replays, rp);
}

/* ---- starting */

static struct replay *find(const struct replays *rs,
			   const struct segment *segment)
{
	struct replay *rp;

	TAILQ_FOREACH(rp, &rs->all, link)
		if (rp->segment_number == segment->id)
			return rp;
	return NULL;
}

static bool has_room(const struct replays *rs, uid_t uid)
{
	const struct replay *rp;
	uint32_t count = 0;

	TAILQ_FOREACH(rp, &rs->all, link)
		count += rp->uid == uid;
	return rs->count < REPLAYS_MAX && count < REPLAYS_OF_USER_MAX;
}

/* Takes `run`, even when it fails. */
static int add(struct daemon *d, struct segment *segment, struct page_run *run,
	       uint32_t run_count, struct replay **ret_replay)
{
	struct replay *before = find(&d->replays, segment);
	struct replay *rp;

	if (before != NULL)
		finish(d, before, false);
	rp = has_room(&d->replays, segment->uid) ? calloc(1, sizeof(*rp)) :
						   NULL;
	if (rp == NULL) {
		free(run);
		return has_room(&d->replays, segment->uid) ? -ENOMEM : -EBUSY;
	}
	rp->segment_number = segment->id;
	rp->pager_id = segment->pager_id;
	rp->uid = segment->uid;
	rp->run = run;
	rp->run_count = run_count;
	TAILQ_INSERT_TAIL(&d->replays.all, rp, link);
	d->replays.count++;
	d->replays.is_due = true;
	d->stats.replays++;
	*ret_replay = rp;
	return 0;
}

int replay_start(struct daemon *d, struct segment *segment,
		 struct page_run *run, uint32_t run_count, struct conn *c,
		 uint64_t request_id)
{
	struct replay *rp;
	int err = add(d, segment, run, run_count, &rp);

	if (err != 0)
		return err;
	rp->session = c->session->id;
	rp->request_id = request_id;
	return 0;
}

/* ---- working it off */

/* Cut the next piece off the runs.  Returns false when nothing is left. */
static bool next_piece(struct replay *rp)
{
	uint32_t left = REPLAY_PIECE_PAGES, count = 0;

	while (left > 0 && rp->run_idx < rp->run_count) {
		const struct page_run *run = &rp->run[rp->run_idx];
		uint32_t pages = MIN(run->count - rp->run_page, left);

		rp->piece[count++] = (struct page_run){
			run->first + rp->run_page, pages };
		left -= pages;
		rp->run_page += pages;
		if (rp->run_page == run->count) {
			rp->run_page = 0;
			rp->run_idx++;
		}
	}
	rp->piece_count = page_runs_sort(rp->piece, count);
	rp->piece_idx = 0;
	return count != 0;
}

/* Units that the account, and all above it, may have besides what it has. */
static uint64_t account_room(const struct daemon *d, account_id account)
{
	uint64_t room = UINT64_MAX;

	while (account != 0) {
		struct account_info info;

		pager_account_get(d->engine.pager, account, &info);
		if (info.limit_frames != 0)
			room = MIN(room, info.limit_frames -
				   MIN(info.used_frames, info.limit_frames));
		account = info.parent;
	}
	return room;
}

/* Ask for the first pages of the piece, `most` in all.  Returns how many; 0:
 * the table of requests is full. */
static uint32_t ask(struct daemon *d, struct replay *rp, uint64_t most)
{
	struct page_run *run = &rp->piece[rp->piece_idx];
	uint32_t pages = (uint32_t)MIN((uint64_t)run->count, most);
	struct pending_entry like = { .kind = PENDING_REPLAY };
	uint64_t cookie;

	if (!pending_add(&d->pending, &like, &cookie))
		return 0;
	pager_advise(d->engine.pager, rp->pager_id, run->first, pages,
		     PAGER_WILLNEED, cookie, clock_now_ns());
	d->engine.wants_run = true;
	d->stats.replayed_pages += pages;
	rp->asked_pages += pages;
	run->first += pages;
	run->count -= pages;
	if (run->count == 0)
		rp->piece_idx++;
	return pages;
}

/* Ask for as much as `room` units allow.  Returns false when nothing is
 * left. */
static bool ask_some(struct daemon *d, struct replay *rp, unsigned order,
		     uint64_t room)
{
	uint64_t most = MAX((uint64_t)RUN_UNITS_MAX >> order, 1u);
	uint64_t left = room >> order;

	for (unsigned n = 0; n < RUNS_AT_ONCE && left > 0; n++) {
		uint32_t pages;

		if (rp->piece_idx == rp->piece_count && !next_piece(rp))
			return false;
		pages = ask(d, rp, MIN(most, left));
		if (pages == 0) {
			d->replays.is_due = false;
			break;
		}
		left -= pages;
	}
	return rp->piece_idx < rp->piece_count || rp->run_idx < rp->run_count;
}

static void step(struct daemon *d, struct replay *rp,
		 const struct pager_stats *stats)
{
	const struct segment *segment =
		segments_find_pager_id(&d->segments, rp->pager_id);
	uint64_t room = stats->free_frames -
			MIN(stats->free_frames, stats->low_watermark);

	if (segment == NULL || segment->id != rp->segment_number ||
	    d->is_stopping) {
		finish(d, rp, false);
		return;
	}
	room = MIN(room, account_room(d, segment->account->id));
	if (room < UINT64_C(1) << segment->order) {
		finish(d, rp, true);
		return;
	}
	/* At least one page, however large. */
	room = MIN(room, MAX(REPLAY_LOADING_UNITS - stats->loading_frames,
			     UINT64_C(1) << segment->order));
	if (!ask_some(d, rp, segment->order, room)) {
		finish(d, rp, false);
		return;
	}
	TAILQ_REMOVE(&d->replays.all, rp, link);
	TAILQ_INSERT_TAIL(&d->replays.all, rp, link);
}

void replay_step(struct daemon *d)
{
	struct pager_stats stats;

	if (!d->replays.is_due)
		return;
	pager_stats_get(d->engine.pager, &stats);
	/* What is under way will end, and replays_wake() follow. */
	d->replays.is_due = stats.loading_frames < REPLAY_LOADING_UNITS &&
			    stats.advice_waiting < ADVICE_WAITING_MAX;
	if (d->replays.is_due)
		step(d, TAILQ_FIRST(&d->replays.all), &stats);
	d->replays.is_due &= d->replays.count != 0;
}
