/* SPDX-License-Identifier: MIT */
/* Answers to faults: which pages one speaks of besides its own, and the end of
 * its waiter. */
#include "daemon/pager/internal.h"

#include <errno.h>

static void answer(struct pager *pg, waiter_id id,
		   const struct pager_reply *what, uint64_t io_ns)
{
	const struct waiter *w = &pg->waiter[id];
	const struct pager_segment *sg = &pg->segment[w->segment];
	struct pager_reply reply = *what;

	reply.cookie = w->cookie;
	reply.segment = w->segment;
	reply.page = page_index(sg, w->page);
	reply.kind = w->kind;
	reply.start_ns = w->start_ns;
	reply.frame_ns = w->frame_ns;
	reply.io_ns = MAX(io_ns, w->frame_ns);
	reply.end_ns = pg->now_ns;
	if (reply.error == 0 || reply.error == -EIO)
		pg->stats.faults[w->kind]++;
	waiter_put(pg, id);
	pg->ops->reply(pg->ctx, &reply);
}

void answer_error(struct pager *pg, waiter_id id, int error, uint64_t io_ns)
{
	const struct pager_reply what = {
		.mark = PAGER_NO_PAGE,
		.error = error,
	};

	answer(pg, id, &what, io_ns);
}

/* May it be mapped along with the waiter's page?  Pages that nobody was told
 * of yet: others are mapped already, or were aged and must show by a fault
 * that they are in use. */
static bool is_around(const struct pager *pg, const struct waiter *w,
		      uint64_t page)
{
	const struct pager_segment *sg = &pg->segment[w->segment];

	return page_is_mappable(pg, sg, page) &&
	       (pg->frame[pg->page[sg->first + page].frame].flags &
		w->around_flags);
}

uint32_t answer_extent(const struct pager *pg, const struct waiter *w)
{
	uint64_t page = page_index(&pg->segment[w->segment], w->page);
	uint32_t count = 1;

	while (count < w->around &&
	       is_around(pg, w, page + (uint64_t)(w->step * (int64_t)count)))
		count++;
	return count;
}

/* Its own page is there; answer with `count` that are. */
void answer_resident(struct pager *pg, waiter_id id, uint32_t count,
		     uint64_t io_ns)
{
	const struct waiter *w = &pg->waiter[id];
	struct pager_segment *sg = &pg->segment[w->segment];
	uint64_t page = page_index(sg, w->page);
	struct pager_reply what = {
		.first = w->step < 0 ? page - (count - 1) : page,
		.count = count,
		.mark = PAGER_NO_PAGE,
	};
	struct stream *st = stream_at(&sg->streams, page);

	page_mark_used(pg, w->page);
	for (uint64_t i = what.first; i < what.first + count; i++)
		frame_set_flags(pg, pg->page[sg->first + i].frame, 0,
				FRAME_FRESH);
	/* To chase, a reader must know of an end that it can come to. */
	if (st != NULL && count == 1)
		st->is_chasing = false;
	if (st != NULL && st->is_chasing)
		ahead_expect(pg, w->segment, st,
			     (count - 1) / stream_span(st));
	else if (count > 1 && w->client != 0)
		what.mark = stream_choose_mark(&sg->streams, what.first,
					       count, page);
	answer(pg, id, &what, io_ns);
}
