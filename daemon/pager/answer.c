/* SPDX-License-Identifier: MIT */
#include "daemon/pager/answer.h"

#include "daemon/pager/ahead.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"
#include "daemon/pager/waiter.h"
#include <errno.h>

static void answer_waiter(struct pager *pg, waiter_id id,
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
	pg->up->reply(pg->up_ctx, &reply);
}

void answer_failed(struct pager *pg, waiter_id id, int error)
{
	const struct pager_reply what = {
		.mark = PAGER_NO_PAGE,
		.error = error,
	};

	answer_waiter(pg, id, &what, 0);
}

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
	/* A reader can only chase if its answer covers more pages than its
	 * own. */
	if (st != NULL && count == 1)
		st->is_chasing = false;
	if (st != NULL && st->is_chasing)
		ahead_expect(pg, w->segment, st,
			     (count - 1) / stream_span(st));
	else if (count > 1 && w->client != 0)
		what.mark = stream_choose_mark(&sg->streams, what.first,
					       count, page);
	answer_waiter(pg, id, &what, io_ns);
}
