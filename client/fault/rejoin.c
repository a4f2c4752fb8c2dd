/* SPDX-License-Identifier: MIT */
/* Attaching regions again: see rejoin.h.
 *
 * When the link breaks, the session is over for the daemon, and its private
 * segments are destroyed.  Pages that are present in a private data file stay
 * right and can still be mapped.  Missing pages, and all unmapped pages of
 * named segments (region_is_trusted()), have to wait.  When the link is up
 * again, a region of a named segment goes on if the very same data file comes
 * with the segment's name.  All other regions are lost, and their pages that
 * are waited for are poisoned.  If a refusal will pass, the segment is asked
 * for again until it comes or is refused for good; the deadlines of the faults
 * limit the wait. */
#include "client/fault/rejoin.h"
#include "client/region/mapping.h"

#include <errno.h>
#include <unistd.h>

enum { ASKED_MAX = 8 };

static void lose_region(struct rejoin *rj, struct region *r)
{
	atomic_store(&r->state, REGION_LOST);
	paging_lose_region(rj->paging, r);
}

void rejoin_wait(struct rejoin *rj)
{
	struct regions *rs = &rj->paging->space->regions;
	struct region *r;

	for (size_t i = 0; (r = regions_nth(rs, i)) != NULL; i++) {
		if (atomic_load(&r->state) == REGION_LIVE)
			atomic_store(&r->state, REGION_JOINING);
		r->request_id = 0;
		r->rejoin_ns = 0;
		r->rejoin_pause_ns = SESSION_BACKOFF_FIRST_NS;
	}
	rj->asked_count = 0;
}

static int send_attach(struct rejoin *rj, struct region *r)
{
	struct session *s = rj->paging->session;
	Memd__SegmentAttach m = MEMD__SEGMENT_ATTACH__INIT;
	uint64_t id = session_request_id(s, REQUEST_REJOIN, r->idx);
	int err;

	m.name = r->name;
	m.has_read_only = 1;
	m.read_only = r->is_read_only;
	err = link_send(&s->link, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_ATTACH, id,
			&m.base);
	if (err == 0) {
		r->request_id = id;
		rj->asked_count++;
	}
	return err;
}

/* Ask for as many segments as the link has room for, and as memd sends
 * descriptors for at a time.  The rest follows in a later turn; refused ones,
 * after their pause. */
void rejoin_begin(struct rejoin *rj)
{
	struct regions *rs = &rj->paging->space->regions;
	const uint64_t now_ns = rj->paging->session->now_ns;
	struct region *r;

	rj->is_pending = true;
	rj->next_ns = UINT64_MAX;
	for (size_t i = 0; (r = regions_nth(rs, i)) != NULL; i++) {
		if (atomic_load(&r->state) != REGION_JOINING ||
		    r->request_id != 0)
			continue;
		if (r->name[0] == '\0')
			lose_region(rj, r);
		else if (r->rejoin_ns > now_ns)
			rj->next_ns = MIN(rj->next_ns, r->rejoin_ns);
		else if (rj->asked_count >= ASKED_MAX ||
			 send_attach(rj, r) != 0)
			return;
	}
	rj->is_pending = false;
}

void rejoin_run(struct rejoin *rj)
{
	if (rj->is_pending || rj->next_ns <= rj->paging->session->now_ns)
		rejoin_begin(rj);
}

/* ---- answers */

/* The region that waits for the answer `id`.  NULL: it was unmapped meanwhile,
 * and another region may have its number. */
static struct region *take_answered(struct rejoin *rj, uint64_t id)
{
	struct region *r = regions_at(&rj->paging->space->regions,
				      session_request_idx(id));

	if (rj->asked_count > 0)
		rj->asked_count--;
	return r != NULL && r->request_id == id &&
	       atomic_load(&r->state) == REGION_JOINING ? r : NULL;
}

/* True if the error will pass: the daemon or its host is short of something,
 * most likely because many clients come back at once. */
static bool is_passing(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ||
	       error == -EAGAIN || error == -EBUSY;
}

static void refuse_region(struct rejoin *rj, struct region *r, int error)
{
	if (!is_passing(error)) {
		lose_region(rj, r);
		return;
	}
	r->request_id = 0;
	r->rejoin_ns = rj->paging->session->now_ns + r->rejoin_pause_ns;
	r->rejoin_pause_ns = MIN(r->rejoin_pause_ns * 2,
				 (uint64_t)SESSION_BACKOFF_MOST_NS);
	rj->next_ns = MIN(rj->next_ns, r->rejoin_ns);
}

/* 0; -EMFILE: no descriptor came; -ESTALE: it is another file. */
static int check_rejoined(const struct region *r,
			  const Memd__SegmentReply *reply, int fd)
{
	if (fd < 0)
		return -EMFILE;
	return mapping_is_of(r, fd) &&
	       reply->page_bytes == region_page_bytes(r) ? 0 : -ESTALE;
}

void rejoin_take_reply(struct rejoin *rj, uint64_t id,
		       const Memd__SegmentReply *reply)
{
	struct session *s = rj->paging->session;
	struct region *r = take_answered(rj, id);
	int fd = link_take_fd(&s->link);
	int book = reply->has_book_version ? link_take_fd(&s->link) : -1;
	int err = r != NULL ? check_rejoined(r, reply, fd) : -ENOENT;

	if (err == 0) {
		regions_set_segment(&rj->paging->space->regions, r,
				    reply->segment);
		atomic_store(&r->state, REGION_LIVE);
	} else {	/* otherwise the segment would stay attached */
		session_send_detach(s, reply->segment);
		if (r != NULL)
			refuse_region(rj, r, err);
	}
	if (fd >= 0)
		close(fd);
	if (book >= 0)
		close(book);
}

void rejoin_take_error(struct rejoin *rj, uint64_t id, int error)
{
	struct region *r = take_answered(rj, id);

	if (r != NULL)
		refuse_region(rj, r, error);
}
