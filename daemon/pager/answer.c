/* SPDX-License-Identifier: MIT */
#include "daemon/pager/answer.h"

#include "daemon/pager/ahead.h"
#include "daemon/pager/frame.h"
#include "daemon/pager/page.h"
#include "daemon/pager/fault_queue.h"
#include <errno.h>

static void answer_now(struct pager *pg, struct fault *f, uint64_t io_ns)
{
	f->io_ns = MAX(io_ns, f->frame_ns);
	f->end_ns = pg->now_ns;
	pg->up->reply(pg->up_ctx, f);
}

/* From now on the fault is not ours. */
static void answer_waiting(struct pager *pg, struct fault *f, uint64_t io_ns)
{
	if (f->error == 0 || f->error == -EIO)
		pg->stats.faults[f->kind]++;
	fault_unserve(pg, f);
	pg->segment[f->segment].waiting_count--;
	pg->waiting_count--;
	answer_now(pg, f, io_ns);
}

static void set_error(struct fault *f, int error)
{
	f->first = f->count = 0;
	f->mark = PAGER_NO_PAGE;
	f->error = error;
}

void answer_no_page(struct pager *pg, struct fault *f)
{
	set_error(f, -EFAULT);
	answer_now(pg, f, 0);
}

void answer_failed(struct pager *pg, struct fault *f, int error)
{
	set_error(f, error);
	answer_waiting(pg, f, 0);
}

void answer_resident(struct pager *pg, struct fault *f, uint32_t count,
		     uint64_t io_ns)
{
	struct pager_segment *sg = &pg->segment[f->segment];
	struct stream *st = stream_at(&sg->streams, f->page);

	f->first = f->step < 0 ? f->page - (count - 1) : f->page;
	f->count = count;
	f->mark = PAGER_NO_PAGE;
	f->error = 0;
	page_mark_used(pg, fault_page(pg, f));
	for (uint64_t i = f->first; i < f->first + count; i++)
		frame_set_flags(pg, pg->page[sg->first + i].frame, 0,
				FRAME_FRESH);
	/* A reader can only chase if its answer covers more pages than its
	 * own. */
	if (st != NULL && count == 1)
		st->is_chasing = false;
	if (st != NULL && st->is_chasing)
		ahead_expect(pg, f->segment, st,
			     (count - 1) / stream_span(st));
	else if (count > 1 && f->client != 0)
		f->mark = stream_choose_mark(&sg->streams, f->first, count,
					     f->page);
	if (st != NULL)
		ahead_tell_rest(pg, f->segment, st);
	answer_waiting(pg, f, io_ns);
}
