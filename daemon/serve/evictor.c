/* SPDX-License-Identifier: MIT */
#include "daemon/serve/evictor.h"

#include "common/clock.h"
#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"
#include <errno.h>

/* A piece never evicts more than what is left to evict, but is not silly small
 * either. */
#define PIECE_BYTES_MIN	(UINT64_C(1) << 20)

int evictor_start(struct daemon *d, struct conn *c, uint64_t request_id,
		  const struct whom *whom, uint64_t bytes)
{
	if (d->evictor.is_active)
		return -EBUSY;
	d->evictor = (struct evictor){
		.is_active = true,
		.session = c->session->id,
		.request_id = request_id,
		.whom = *whom,
		.bytes_left = bytes == 0 ? UINT64_MAX : bytes,
	};
	return 0;
}

static void finish(struct daemon *d)
{
	struct session *s = sessions_find(&d->sessions,
						d->evictor.session);
	Memd__EvictReply reply = MEMD__EVICT_REPLY__INIT;

	d->evictor.is_active = false;
	if (s == NULL)
		return;
	reply.evicted_bytes = d->evictor.evicted_bytes;
	conn_send(s->main, MEMD__MESSAGE_TYPE__TYPE_EVICT_REPLY,
		  d->evictor.request_id, &reply.base);
}

/* What another host keeps here nobody has attached. */
static bool is_store_of(const struct daemon *d, uint32_t session,
			const struct segment *segment)
{
	const struct session *s = session == 0 ? NULL :
		sessions_find(&d->sessions, session);

	return s != NULL && s->guest != NULL && s->guest->segment == segment;
}

static bool is_wanted(const struct daemon *d, const struct segment *segment)
{
	const struct evictor *ev = &d->evictor;
	const struct attachment *a;

	if (whom_is_everybody(&ev->whom) ||
	    is_store_of(d, ev->whom.session, segment))
		return true;
	LIST_FOREACH(a, &segment->attachments, of_segment)
		if (whom_is_session(&ev->whom, a->session))
			return true;
	return false;
}

static uint64_t resident_pages(const struct daemon *d,
			       const struct segment *segment)
{
	struct segment_info info;

	pager_segment_get(d->engine.pager, segment->pager_id, &info);
	return info.resident;
}

/* The first segment at or after the place where the job stands that has
 * something to evict; NULL at the end. */
static struct segment *find_next(struct daemon *d)
{
	struct evictor *ev = &d->evictor;
	struct segment *segment;

	TAILQ_FOREACH(segment, &d->segments.all, link) {
		bool is_here = segment->id == ev->segment_number;

		if (segment->id < ev->segment_number ||
		    (is_here && ev->next_page >= segment->page_count))
			continue;
		if (!is_wanted(d, segment) || resident_pages(d, segment) == 0)
			continue;
		if (!is_here)
			ev->next_page = 0;
		ev->segment_number = segment->id;
		return segment;
	}
	return NULL;
}

void evictor_step(struct daemon *d)
{
	struct evictor *ev = &d->evictor;
	struct pending_entry like = { .kind = PENDING_EVICT };
	struct segment *segment;
	uint64_t cookie, pages, first;

	if (!ev->is_active || ev->is_waiting)
		return;
	segment = ev->bytes_left == 0 || d->is_stopping ? NULL : find_next(d);
	if (segment == NULL) {
		finish(d);
		return;
	}
	if (!pending_add(&d->pending, &like, &cookie))
		return;
	ev->page_bytes = segment_page_bytes(segment);
	pages = MAX(MAX(ev->bytes_left, PIECE_BYTES_MIN) / ev->page_bytes, 1u);
	first = ev->next_page;
	pages = MIN(pages, segment->page_count - first);
	ev->next_page = first + pages;
	ev->is_waiting = true;
	pager_advise(d->engine.pager, segment->pager_id, first, pages,
		     PAGER_PAGEOUT, cookie, clock_now_ns());
	d->engine.wants_run = true;
}

void evictor_done(struct daemon *d, int result, uint64_t pages)
{
	struct evictor *ev = &d->evictor;
	uint64_t bytes = pages * ev->page_bytes;

	(void)result;			/* pinned or gone: the next piece */
	ev->is_waiting = false;
	ev->evicted_bytes += bytes;
	if (ev->bytes_left != UINT64_MAX)
		ev->bytes_left -= MIN(bytes, ev->bytes_left);
}
