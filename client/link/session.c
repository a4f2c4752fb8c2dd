/* SPDX-License-Identifier: MIT */
/* The session with the daemon: see session.h.
 *
 * memd keeps copies of the library's userfaultfds (`fds`) until the memory of
 * this process is gone.  Otherwise the last copy could close while threads of a
 * dying process still touch shared memory.  The kernel would then give those
 * threads, and so the other processes, pages of zeros. */
#include "client/link/session.h"
#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

/* A session that lasted this long resets the backoff. */
enum { STABLE_NS = 1000000000 };

static const char no_hello[] = "the daemon does not answer the handshake";

void session_init(struct session *s, const struct settings *settings)
{
	s->settings = settings;
	s->backoff_ns = SESSION_BACKOFF_FIRST_NS;
	link_init(&s->link);
}

/* ---- request ids: sequence, kind (4 bits), index (16 bits) */

uint64_t session_request_id(struct session *s, enum request_kind kind,
			    size_t idx)
{
	return ++s->request_sequence << 20 | (uint64_t)kind << 16 | idx;
}

enum request_kind session_request_kind(uint64_t request_id)
{
	uint64_t kind = request_id >> 16 & 15;

	return kind <= REQUEST_MAILBOX ? (enum request_kind)kind : REQUEST_NONE;
}

size_t session_request_idx(uint64_t request_id)
{
	return request_id & 0xffff;
}

void session_send_detach(struct session *s, uint32_t segment)
{
	Memd__SegmentDetach m = MEMD__SEGMENT_DETACH__INIT;

	m.segment = segment;
	/* If the link has no room, the daemon does not read.  The session will
	 * then end, and everything that it has attached with it. */
	(void)!link_send(&s->link, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_DETACH,
			 session_request_id(s, REQUEST_NONE, 0), &m.base);
}

/* ---- up */

static void connect_link(struct session *s, uint64_t wait_ns)
{
	s->hello_deadline_ns = s->now_ns + s->settings->timeout_ns;
	/* On failure the link is down, and has the reason. */
	(void)!link_connect(&s->link, s->settings, s->capabilities, wait_ns);
}

/* The link is up.  True: the session is up too. */
static bool come_up(struct session *s)
{
	if ((s->link.capabilities & MEMD__CAPABILITY__CAP_USERFAULTFD) != 0 &&
	    link_send_fds(&s->link, MEMD__MESSAGE_TYPE__TYPE_USERFAULTFD,
			  s->fds, SESSION_FDS) != 0)
		return false;
	s->is_up = true;
	s->up_ns = s->heard_ns = s->now_ns;
	s->outage_ns = 0;
	if (s->generation++ > 0)
		atomic_fetch_add(&s->reconnect_count, 1);
	return true;
}

bool session_next(struct session *s, struct link_message *ret_message,
		  bool *ret_has_begun)
{
	*ret_has_begun = false;
	while (link_next(&s->link, ret_message)) {
		s->heard_ns = s->now_ns;
		if (s->link.state != LINK_HELLO)
			return true;
		link_finish_hello(&s->link, ret_message);
		if (s->link.state == LINK_UP) {
			*ret_has_begun = come_up(s);
			return false;
		}
	}
	return false;
}

/* ---- down */

bool session_is_over(struct session *s)
{
	if (s->link.state == LINK_HELLO && s->hello_deadline_ns <= s->now_ns)
		link_drop(&s->link, -ETIMEDOUT, "%s", no_hello);
	if (!s->is_up || s->link.state == LINK_UP)
		return false;
	s->is_up = false;
	s->outage_ns = s->now_ns;
	s->retry_ns = s->now_ns;
	if (s->now_ns - s->up_ns >= STABLE_NS)
		s->backoff_ns = SESSION_BACKOFF_FIRST_NS;
	else
		s->retry_ns += s->backoff_ns;
	return true;
}

void session_try_now(struct session *s)
{
	if (s->link.state != LINK_DOWN || s->is_up)
		return;
	connect_link(s, 0);
	/* Double the pause before the next try, up to a second. */
	s->retry_ns = s->now_ns + s->backoff_ns;
	s->backoff_ns = MIN(s->backoff_ns * 2,
			    (uint64_t)SESSION_BACKOFF_MOST_NS);
}

void session_reconnect(struct session *s)
{
	if (s->link.state == LINK_DOWN && s->retry_ns <= s->now_ns)
		session_try_now(s);
}

void session_postpone(struct session *s, uint64_t lost_ns)
{
	s->heard_ns += lost_ns;
	if (s->link.state == LINK_HELLO)
		s->hello_deadline_ns += lost_ns;
	if (!s->is_up)
		s->outage_ns += lost_ns;
}

uint64_t session_next_ns(const struct session *s)
{
	return s->link.state == LINK_DOWN ? s->retry_ns :
	       s->link.state == LINK_HELLO ? s->hello_deadline_ns : UINT64_MAX;
}

/* ---- the first connection */

static int wait_for_hello(struct session *s)
{
	struct link *l = &s->link;

	while (l->state == LINK_HELLO) {
		struct pollfd p = { .fd = l->fd, .events = POLLIN };
		struct link_message message;
		uint64_t now_ns = clock_now_ns();

		if (now_ns >= s->hello_deadline_ns) {
			link_drop(l, -ETIMEDOUT, "%s", no_hello);
			break;
		}
		link_flush(l);
		(void)poll(&p, 1, (int)MIN((s->hello_deadline_ns - now_ns) /
					   1000000 + 1, (uint64_t)1000));
		if (p.revents != 0 && l->state == LINK_HELLO)
			link_receive(l);
		if (link_next(l, &message))
			link_finish_hello(l, &message);
	}
	return l->state == LINK_UP ? 0 : l->error;
}

/* While too many connections of a user have not said Hello, memd closes new
 * ones of that user at once.  This passes, so wait and try again.  False: there
 * is no time left. */
static bool wait_after_hang_up(struct session *s, uint64_t until_ns)
{
	const struct timespec pause = { .tv_nsec = (long)s->backoff_ns };

	s->now_ns = clock_now_ns();
	if (s->now_ns + s->backoff_ns >= until_ns)
		return false;
	nanosleep(&pause, NULL);
	s->now_ns += s->backoff_ns;
	s->backoff_ns = MIN(s->backoff_ns * 2,
			    (uint64_t)SESSION_BACKOFF_MOST_NS / 2);
	return true;
}

int session_open(struct session *s)
{
	uint64_t until_ns;
	int err;

	s->now_ns = clock_now_ns();
	until_ns = s->now_ns + s->settings->timeout_ns;
	do {
		connect_link(s, until_ns - s->now_ns);
		s->hello_deadline_ns = until_ns;
		err = wait_for_hello(s);
	} while (err == -ENOTCONN && wait_after_hang_up(s, until_ns));
	s->backoff_ns = SESSION_BACKOFF_FIRST_NS;
	if (err == 0 && !come_up(s))
		err = s->link.error;
	return err;
}
