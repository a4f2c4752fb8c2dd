/* SPDX-License-Identifier: MIT */
/* Advice and pins: from messages to the pager, and its answers back.  The
 * answer may take long; until then the request is in the table of pending
 * requests. */
#include "daemon/serve/serve.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/serve_messages.h"
#include "daemon/serve/paging.h"

#include "common/clock.h"
#include <errno.h>
#include <string.h>

static const char *explain_advice(int error)
{
	switch (error) {
	case -EINVAL:
		return "the range is not inside the segment";
	case -EBUSY:
		return "pages of the range are pinned or being faulted in, or "
		       "too many requests are under way; try again later";
	case -ENOMEM:
		return "more pages than may be pinned: half the pool, or the "
		       "limit of the session or user";
	case -EIO:
		return "a page of the range is lost";
	case -EFAULT:
		return "the segment has gone";
	default:
		return strerror(-error);
	}
}

/* Add the request to the table.  If that fails, it has been answered. */
static bool remember_request(struct serve *sv, struct conn *c, uint64_t id,
		     enum pending_kind kind, struct pin *pin,
		     uint64_t *ret_cookie)
{
	struct pending_entry like = { .kind = kind, .conn = c,
				      .request_id = id, .pin = pin };

	if (c->session->requests_waiting >= SESSION_REQUESTS_MAX ||
	    !pending_add(&sv->pending, &like, ret_cookie)) {
		conn_send_error(c, id, -EBUSY, "%s", explain_advice(-EBUSY));
		return false;
	}
	c->session->requests_waiting++;
	return true;
}

/* Find the attachment and check the range.  NULL: the request has been
 * answered. */
static struct attachment *find_attached(struct conn *c, uint64_t id,
				     uint32_t segment_number, uint64_t first,
				     uint64_t count)
{
	struct attachment *a = session_find(c->session, segment_number);

	if (a == NULL)
		conn_send_error(c, id, -EINVAL, "segment %u is not attached "
				"by this session", segment_number);
	else if (count == 0 || !segment_has_range(a->segment, first, count))
		conn_send_error(c, id, -EINVAL, "pages %llu + %llu are not "
				"inside segment %u of %llu pages",
				(unsigned long long)first,
				(unsigned long long)count, segment_number,
				(unsigned long long)a->segment->page_count);
	else
		return a;
	return NULL;
}

static int advice_of(Memd__Advice advice, enum pager_advice *ret_advice)
{
	static const enum pager_advice table[] = {
		[MEMD__ADVICE__ADVICE_NORMAL] = PAGER_NORMAL,
		[MEMD__ADVICE__ADVICE_SEQUENTIAL] = PAGER_SEQUENTIAL,
		[MEMD__ADVICE__ADVICE_RANDOM] = PAGER_RANDOM,
		[MEMD__ADVICE__ADVICE_WILLNEED] = PAGER_WILLNEED,
		[MEMD__ADVICE__ADVICE_DONTNEED] = PAGER_DONTNEED,
		[MEMD__ADVICE__ADVICE_COLD] = PAGER_COLD,
		[MEMD__ADVICE__ADVICE_PAGEOUT] = PAGER_PAGEOUT,
	};

	if ((unsigned)advice >= ARRAY_SIZE(table))
		return -EINVAL;
	*ret_advice = table[advice];
	return 0;
}

void handle_advise(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__Advise *request = message;
	const struct attachment *a = find_attached(c, id, request->segment,
						request->first,
						request->count);
	enum pager_advice advice;
	uint64_t cookie;

	if (a == NULL)
		return;
	if (advice_of(request->advice, &advice) != 0) {
		conn_send_error(c, id, -EINVAL, "unknown advice %d",
				(int)request->advice);
		return;
	}
	if (a->is_read_only && advice == PAGER_DONTNEED) {
		conn_send_error(c, id, -EACCES, "segment %u is attached "
				"read-only; DONTNEED would change it",
				request->segment);
		return;
	}
	/* As madvise(2): a client that may not write to shared memory may not
	 * page it out for the others.  Such advice is ignored without an
	 * error. */
	if (a->is_read_only && (advice == PAGER_PAGEOUT ||
				advice == PAGER_COLD)) {
		conn_send_ok(c, id);
		return;
	}
	if ((advice == PAGER_DONTNEED || advice == PAGER_PAGEOUT) &&
	    !desks_settle(&sv->desks, a->segment)) {
		conn_send_error(c, id, -EBUSY, "%s", explain_advice(-EBUSY));
		return;
	}
	if (!remember_request(sv, c, id, PENDING_ADVISE, NULL, &cookie))
		return;
	engine_advise(sv->engine, a->segment->pager_id, request->first,
		     request->count, advice, cookie);
}

/* Pins are for users who may write to the segment, even if this attachment is
 * read-only: pinned pages use up the pool and the owner's limit. */
static bool may_write(const struct conn *c, const struct segment *segment)
{
	return peer_may(&c->peer, segment->uid, segment->gid, segment->mode,
			PEER_WRITE);
}

void handle_pin(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__Pin *request = message;
	struct attachment *a = find_attached(c, id, request->segment,
					  request->first, request->count);
	struct pin *pin;
	uint64_t cookie;

	if (a == NULL)
		return;
	if (a->is_read_only && !may_write(c, a->segment)) {
		conn_send_error(c, id, -EACCES, "only users who may write to a "
				"segment may pin it: \"%s\" belongs to uid %u, "
				"gid %u with mode %04o", a->segment->name,
				a->segment->uid, a->segment->gid,
				a->segment->mode);
		return;
	}
	if (c->session->pins.count >= SESSION_PINS_MAX) {
		conn_send_error(c, id, -ENOMEM, "this session has pinned %u "
				"ranges; no more are allowed",
				c->session->pins.count);
		return;
	}
	pin = pin_add(&sv->pins, &a->pins, request->first, request->count);
	if (pin == NULL) {
		conn_send_error(c, id, -ENOMEM, "no memory");
		return;
	}
	if (!remember_request(sv, c, id, PENDING_PIN, pin, &cookie)) {
		pin_asked(&sv->pins, pin, false);
		return;
	}
	engine_advise(sv->engine, a->segment->pager_id, request->first,
		     request->count, PAGER_PIN, cookie);
}

/* Reply when the pages are unpinned, so that they can be paged out at once.  If
 * too many requests wait, reply now and unpin later; that cannot fail. */
static void unpin(struct serve *sv, struct conn *c, uint64_t id,
		  struct pin *pin)
{
	const struct pending_entry like = { .kind = PENDING_UNPIN, .conn = c,
					    .request_id = id, .pin = pin };

	bool has_room = c->session->requests_waiting < SESSION_REQUESTS_MAX;

	c->session->requests_waiting++;
	if (has_room && pin_unpin(&sv->pins, pin, &like))
		return;
	c->session->requests_waiting--;
	pin_orphan(&sv->pins, pin);
	conn_send_ok(c, id);
}

void handle_unpin(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__Pin *request = message;
	struct attachment *a = find_attached(c, id, request->segment,
					  request->first, request->count);
	struct pin *pin;

	if (a == NULL)
		return;
	pin = pin_find(&sv->pins, &a->pins, request->first, request->count);
	if (pin == NULL) {
		conn_send_error(c, id, -EINVAL, "this session has not pinned "
				"exactly pages %llu + %llu of segment %u",
				(unsigned long long)request->first,
				(unsigned long long)request->count,
				request->segment);
		return;
	}
	unpin(sv, c, id, pin);
}

void paging_done(void *serve, uint64_t cookie, int result, uint64_t count)
{
	struct serve *sv = serve;
	struct pending_entry e = pending_take(&sv->pending, cookie);

	switch (e.kind) {
	case PENDING_PIN:
		pin_asked(&sv->pins, e.pin, result == 0);
		break;
	case PENDING_UNPIN:
		/* An unpin that has to be repeated counts as done:
		 * pin_released() repeats it. */
		pin_released(&sv->pins, e.pin, result);
		result = 0;
		break;
	case PENDING_EVICT:
		evictor_done(&sv->evictor, result, count);
		return;
	case PENDING_GUEST:
		sv->hooks->guest_answered(e.guest_op, result);
		return;
	case PENDING_REPLAY:
		replay_fetched(&sv->replays, &e, result, count);
		return;
	default:
		ASSERT(e.kind == PENDING_ADVISE);
	}
	if (e.conn == NULL)
		return;
	e.conn->session->requests_waiting--;
	if (result == 0)
		conn_send_ok(e.conn, e.request_id);
	else
		conn_send_error(e.conn, e.request_id, result, "%s",
				explain_advice(result));
}
