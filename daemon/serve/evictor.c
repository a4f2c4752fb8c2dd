/* SPDX-License-Identifier: MIT */
#include "daemon/serve/evictor.h"

#include "daemon/net/conn_output.h"
#include "daemon/serve/pending.h"
#include "daemon/serve/session.h"
#include <errno.h>

/* A piece is as large as the rest of the job, but at least this large. */
#define PIECE_BYTES_MIN	(UINT64_C(1) << 20)

void evictor_wake(struct evictor *ev)
{
	if (ev->is_active && !ev->is_waiting)
		defer(ev->deferred, &ev->work);
}

int evictor_start(struct evictor *ev, struct conn *c, uint64_t request_id,
		  const struct whom *whom, uint64_t bytes)
{
	if (ev->is_active)
		return -EBUSY;
	ev->is_active = true;
	ev->is_waiting = false;
	ev->session = c->session->id;
	ev->request_id = request_id;
	ev->whom = *whom;
	ev->bytes_left = bytes == 0 ? UINT64_MAX : bytes;
	ev->evicted_bytes = ev->page_bytes = 0;
	ev->segment_number = 0;
	ev->next_page = 0;
	evictor_wake(ev);
	return 0;
}

void evictor_stop(struct evictor *ev)
{
	ev->bytes_left = 0;
}

static void evictor_finish(struct evictor *ev)
{
	struct session *s = sessions_find(ev->sessions, ev->session);
	Memd__EvictReply reply = MEMD__EVICT_REPLY__INIT;

	ev->is_active = false;
	if (s == NULL)
		return;
	reply.evicted_bytes = ev->evicted_bytes;
	conn_send(s->main, MEMD__MESSAGE_TYPE__TYPE_EVICT_REPLY,
		  ev->request_id, &reply.base);
}

/* The segment with a guest's pages has no attachments. */
static bool is_guests(const struct evictor *ev, const struct segment *segment)
{
	const struct session *s = ev->whom.session == 0 ? NULL :
		sessions_find(ev->sessions, ev->whom.session);

	return s != NULL && s->guest_segment == segment;
}

static bool is_to_be_evicted(const struct evictor *ev,
			     const struct segment *segment)
{
	const struct attachment *a;

	if (whom_is_everybody(&ev->whom) || is_guests(ev, segment))
		return true;
	LIST_FOREACH(a, &segment->attachments, of_segment)
		if (session_is(a->session, &ev->whom))
			return true;
	return false;
}

static uint64_t resident_pages(const struct evictor *ev,
			       const struct segment *segment)
{
	struct segment_info info;

	pager_segment_get(ev->engine->pager, segment->pager_id, &info);
	return info.resident;
}

/* The next segment of the job that has resident pages; NULL: none is left. */
static struct segment *find_next(struct evictor *ev)
{
	struct segment *segment;

	TAILQ_FOREACH(segment, &ev->segments->all, link) {
		bool is_here = segment->id == ev->segment_number;

		if (segment->id < ev->segment_number ||
		    (is_here && ev->next_page >= segment->page_count))
			continue;
		if (!is_to_be_evicted(ev, segment) ||
		    resident_pages(ev, segment) == 0)
			continue;
		if (!is_here)
			ev->next_page = 0;
		ev->segment_number = segment->id;
		return segment;
	}
	return NULL;
}

static void evictor_step(void *arg)
{
	struct evictor *ev = arg;
	struct pending_entry like = { .kind = PENDING_EVICT };
	struct segment *segment;
	uint64_t cookie, pages, first;

	segment = ev->bytes_left == 0 ? NULL : find_next(ev);
	if (segment == NULL) {
		evictor_finish(ev);
		return;
	}
	if (!pending_add(ev->pending, &like, &cookie))
		return;
	ev->page_bytes = segment_page_bytes(segment);
	pages = MAX(MAX(ev->bytes_left, PIECE_BYTES_MIN) / ev->page_bytes, 1u);
	first = ev->next_page;
	pages = MIN(pages, segment->page_count - first);
	ev->next_page = first + pages;
	ev->is_waiting = true;
	engine_advise(ev->engine, segment->pager_id, first, pages,
		      PAGER_PAGEOUT, cookie);
}

void evictor_init(struct evictor *ev)
{
	ev->work = (struct deferred_work){ .run = evictor_step, .ctx = ev };
}

void evictor_done(struct evictor *ev, int result, uint64_t pages)
{
	uint64_t bytes = pages * ev->page_bytes;

	(void)result;			/* if pages are pinned or the segment is
					 * gone, go on */
	ev->is_waiting = false;
	ev->evicted_bytes += bytes;
	if (ev->bytes_left != UINT64_MAX)
		ev->bytes_left -= MIN(bytes, ev->bytes_left);
	evictor_wake(ev);
}
