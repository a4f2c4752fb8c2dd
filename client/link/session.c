/* SPDX-License-Identifier: MIT */
/* Sessions, on the library's thread: see session.h.
 *
 * When the link breaks, the session is over for the daemon: private segments
 * die with it.  What is present in a private data file stays right and can
 * still be mapped; missing pages, and all unmapped pages of named segments
 * (region_is_trusted()), have to wait.  When the link is up again, a region
 * of a named segment goes on if the very same data file comes with the
 * segment's name; all others are lost, and the pages waited for are
 * poisoned.  A refusal that will pass is no loss: the segment is asked for
 * again until it comes or is refused for good, and the faults' deadlines say
 * how long anybody waits for that. */
#include "client/link/session.h"
#include "client/fault/paging.h"
#include "client/region/mapping.h"
#include "client/fault/request.h"
#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

enum {
	BACKOFF_FIRST_NS = 10000000,
	BACKOFF_MOST_NS = 1000000000,
	STABLE_NS = 1000000000,		/* a session that was worth having */
	MAILBOX_AGAIN_NS = 10000000,	/* to map it */
	REJOINS_MAX = 8,		/* under way */
};

static uint64_t capabilities(const struct memclient *mc)
{
	uint64_t caps = MEMD__CAPABILITY__CAP_FAULT_INLINE |
			MEMD__CAPABILITY__CAP_MAILBOX |
			MEMD__CAPABILITY__CAP_READY;

	if (!mc->handler.uffd.is_user_only)
		caps |= MEMD__CAPABILITY__CAP_FAULT_THREAD;
	if (mc->can_poison)
		caps |= MEMD__CAPABILITY__CAP_POISON;
	return caps;
}

static void connect_link(struct memclient *mc, uint64_t wait_ns)
{
	struct handler *h = &mc->handler;

	h->hello_deadline_ns = h->now_ns + mc->settings.timeout_ns;
	/* On failure the link is down and has the reason. */
	(void)!link_connect(&h->link, &mc->settings, capabilities(mc),
			    wait_ns);
}

/* ---- the mailbox */

static void drop_mailbox(struct handler *h)
{
	if (h->mailbox_fd >= 0)
		close(h->mailbox_fd);
	h->mailbox_fd = -1;
}

static void ask_for_mailbox(struct handler *h)
{
	if (h->link.capabilities & MEMD__CAPABILITY__CAP_MAILBOX)
		(void)!link_send(&h->link, MEMD__MESSAGE_TYPE__TYPE_MAILBOX,
				 handler_request_id(h, REQUEST_MAILBOX, 0),
				 NULL);
}

/* Now, or when the last thread has left the one of the last session. */
static void map_mailbox(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	if (h->mailbox_fd >= 0 && h->is_up &&
	    box_open(&mc->box, h->mailbox_fd, h->generation) != -EBUSY)
		drop_mailbox(h);
}

/* ---- up */

static void lose(struct memclient *mc, struct region *r)
{
	atomic_store(&r->state, REGION_LOST);
	paging_lose_region(mc, r);
}

static int send_rejoin(struct handler *h, struct region *r)
{
	Memd__SegmentAttach m = MEMD__SEGMENT_ATTACH__INIT;
	uint64_t id = handler_request_id(h, REQUEST_REJOIN, r->idx);
	int err;

	m.name = r->name;
	m.has_read_only = 1;
	m.read_only = r->is_read_only;
	err = link_send(&h->link, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_ATTACH, id,
			&m.base);
	if (err == 0) {
		r->request_id = id;
		h->rejoin_count++;
	}
	return err;
}

/* As many as the link has room for, and as memd sends descriptors for at a
 * time; the rest in a later turn; those that were refused, after their
 * pause. */
static void rejoin(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	struct region *r;

	h->is_rejoining = true;
	h->rejoin_ns = UINT64_MAX;
	for (size_t i = 0; (r = regions_nth(&mc->regions, i)) != NULL; i++) {
		if (atomic_load(&r->state) != REGION_JOINING ||
		    r->request_id != 0)
			continue;
		if (r->name[0] == '\0')
			lose(mc, r);
		else if (r->rejoin_ns > h->now_ns)
			h->rejoin_ns = MIN(h->rejoin_ns, r->rejoin_ns);
		else if (h->rejoin_count >= REJOINS_MAX ||
			 send_rejoin(h, r) != 0)
			return;
	}
	h->is_rejoining = false;
}

/* memd keeps them until this process's memory is gone.  Else the last one would
 * close while threads of a dying process still touch what others share, and
 * the kernel would give those threads, and so the others, pages of zeros. */
static bool hand_over_userfaultfds(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	const int fds[] = { h->uffd.fd, h->inline_fd, h->lifeline[0] };

	if ((h->link.capabilities & MEMD__CAPABILITY__CAP_USERFAULTFD) == 0)
		return true;
	return link_send_fds(&h->link, MEMD__MESSAGE_TYPE__TYPE_USERFAULTFD,
			     fds, ARRAY_SIZE(fds)) == 0;
}

static void come_up(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	if (!hand_over_userfaultfds(mc))
		return;
	h->is_up = true;
	h->up_ns = h->heard_ns = h->now_ns;
	h->outage_ns = 0;
	if (h->generation++ > 0)
		atomic_fetch_add(&mc->reconnect_count, 1);
	lanes_open(&mc->lanes, h->generation, h->link.session, h->link.token);
	ask_for_mailbox(h);
	rejoin(mc);
}

/* ---- down */

static void go_down(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	struct region *r;

	h->is_up = false;
	h->outage_ns = h->now_ns;
	h->retry_ns = h->now_ns;
	if (h->now_ns - h->up_ns >= STABLE_NS)
		h->backoff_ns = BACKOFF_FIRST_NS;
	else
		h->retry_ns += h->backoff_ns;
	lanes_close(&mc->lanes);
	box_close(&mc->box);
	drop_mailbox(h);
	h->must_ring = false;
	for (size_t i = 0; (r = regions_nth(&mc->regions, i)) != NULL; i++) {
		if (atomic_load(&r->state) == REGION_LIVE)
			atomic_store(&r->state, REGION_JOINING);
		r->request_id = 0;
		r->rejoin_ns = 0;
		r->rejoin_pause_ns = BACKOFF_FIRST_NS;
	}
	h->rejoin_count = 0;
	faults_forget_asked(&h->faults);
	faults_cap_deadlines(&h->faults,
			     h->outage_ns + mc->settings.timeout_ns);
	request_fail_sent(mc);
}

/* The next try is after twice the time, up to a second. */
static void back_off(struct handler *h)
{
	h->retry_ns = h->now_ns + h->backoff_ns;
	h->backoff_ns = MIN(h->backoff_ns * 2, (uint64_t)BACKOFF_MOST_NS);
}

void session_try_now(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	if (h->link.state != LINK_DOWN || h->is_up)
		return;
	connect_link(mc, 0);
	back_off(h);
}

void session_run(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	if (h->link.state == LINK_HELLO && h->hello_deadline_ns <= h->now_ns)
		link_drop(&h->link, -ETIMEDOUT,
			  "the daemon does not answer the handshake");
	if (h->is_up && h->link.state != LINK_UP)
		go_down(mc);
	if (h->link.state == LINK_DOWN && h->retry_ns <= h->now_ns)
		session_try_now(mc);
	if (h->is_up && (h->is_rejoining || h->rejoin_ns <= h->now_ns))
		rejoin(mc);
	map_mailbox(mc);
}

void session_postpone(struct memclient *mc, uint64_t lost_ns)
{
	struct handler *h = &mc->handler;

	if (h->link.state == LINK_HELLO)
		h->hello_deadline_ns += lost_ns;
	if (!h->is_up)
		h->outage_ns += lost_ns;
}

uint64_t session_next_ns(const struct memclient *mc)
{
	const struct handler *h = &mc->handler;

	if (h->mailbox_fd >= 0)
		return h->now_ns + MAILBOX_AGAIN_NS;
	switch (h->link.state) {
	case LINK_DOWN:
		return h->retry_ns;
	case LINK_HELLO:
		return h->hello_deadline_ns;
	default:
		return h->rejoin_ns;
	}
}

/* ---- the first time */

static int wait_for_hello(struct handler *h)
{
	while (h->link.state == LINK_HELLO) {
		struct pollfd p = { .fd = h->link.fd, .events = POLLIN };
		struct link_message message;
		uint64_t now_ns = clock_now_ns();

		if (now_ns >= h->hello_deadline_ns) {
			link_drop(&h->link, -ETIMEDOUT, "the daemon does not "
				  "answer the handshake");
			break;
		}
		link_flush(&h->link);
		(void)poll(&p, 1, (int)MIN((h->hello_deadline_ns - now_ns) /
					   1000000 + 1, (uint64_t)1000));
		if (p.revents != 0 && h->link.state == LINK_HELLO)
			link_receive(&h->link);
		if (link_next(&h->link, &message))
			link_finish_hello(&h->link, &message);
	}
	return h->link.state == LINK_UP ? 0 : h->link.error;
}

/* memd hangs up at once on whoever comes while too many of his user have not
 * said Hello yet: that passes.  False: the time is over. */
static bool wait_after_hang_up(struct handler *h, uint64_t until_ns)
{
	const struct timespec pause = { .tv_nsec = (long)h->backoff_ns };

	h->now_ns = clock_now_ns();
	if (h->now_ns + h->backoff_ns >= until_ns)
		return false;
	nanosleep(&pause, NULL);
	h->now_ns += h->backoff_ns;
	h->backoff_ns = MIN(h->backoff_ns * 2,
			    (uint64_t)BACKOFF_MOST_NS / 2);
	return true;
}

int session_open(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	uint64_t until_ns;
	int err;

	h->backoff_ns = BACKOFF_FIRST_NS;
	h->now_ns = clock_now_ns();
	until_ns = h->now_ns + mc->settings.timeout_ns;
	do {
		connect_link(mc, until_ns - h->now_ns);
		h->hello_deadline_ns = until_ns;
		err = wait_for_hello(h);
	} while (err == -ENOTCONN && wait_after_hang_up(h, until_ns));
	h->backoff_ns = BACKOFF_FIRST_NS;
	if (err == 0)
		come_up(mc);
	return err == 0 && !h->is_up ? h->link.error : err;
}

/* ---- messages */

/* The region that waits for the answer `id`; NULL: it was unmapped meanwhile,
 * and its place may be another's. */
static struct region *take_rejoining(struct memclient *mc, uint64_t id)
{
	struct region *r = regions_at(&mc->regions, handler_request_idx(id));
	struct handler *h = &mc->handler;

	if (h->rejoin_count > 0)
		h->rejoin_count--;
	return r != NULL && r->request_id == id &&
	       atomic_load(&r->state) == REGION_JOINING ? r : NULL;
}

static void rejoin_later(struct handler *h, struct region *r)
{
	r->request_id = 0;
	r->rejoin_ns = h->now_ns + r->rejoin_pause_ns;
	r->rejoin_pause_ns = MIN(r->rejoin_pause_ns * 2,
				 (uint64_t)BACKOFF_MOST_NS);
	h->rejoin_ns = MIN(h->rejoin_ns, r->rejoin_ns);
}

/* Does it pass by itself?  The daemon or its host is short of something, most
 * likely because many come back at once. */
static bool is_passing(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ||
	       error == -EAGAIN || error == -EBUSY;
}

static void refuse_rejoin(struct memclient *mc, struct region *r, int error)
{
	if (is_passing(error))
		rejoin_later(&mc->handler, r);
	else
		lose(mc, r);
}

/* 0; -EMFILE: there was no room for a descriptor; -ESTALE: not its file. */
static int check_rejoined(const struct region *r,
			  const Memd__SegmentReply *reply, int fd)
{
	if (fd < 0)
		return -EMFILE;
	return mapping_is_of(r, fd) &&
	       reply->page_bytes == region_page_bytes(r) ? 0 : -ESTALE;
}

static void take_rejoined(struct memclient *mc, uint64_t id,
			  const Memd__SegmentReply *reply)
{
	struct region *r = take_rejoining(mc, id);
	int fd = link_take_fd(&mc->handler.link);
	int err = r != NULL ? check_rejoined(r, reply, fd) : -ENOENT;

	if (err == 0) {
		regions_set_segment(&mc->regions, r, reply->segment);
		atomic_store(&r->state, REGION_LIVE);
	} else {	/* or it stays attached while the session lives */
		request_detach(mc, reply->segment);
		if (r != NULL)
			refuse_rejoin(mc, r, err);
	}
	if (fd >= 0)
		close(fd);
}

static void take_segment(struct memclient *mc,
			 const struct link_message *message)
{
	struct link *l = &mc->handler.link;
	uint64_t id = message->header.request_id;
	Memd__SegmentReply *reply = (void *)link_unpack(
		l, message, &memd__segment_reply__descriptor);

	if (reply == NULL)
		link_drop(l, -EPROTO, "the daemon sent a malformed "
			  "SegmentReply");
	else if (handler_request_kind(id) == REQUEST_REJOIN)
		take_rejoined(mc, id, reply);
	else
		request_take_segment(mc, id, reply);
}

static void take_stats(struct memclient *mc,
		       const struct link_message *message)
{
	struct link *l = &mc->handler.link;
	Memd__SessionStatsReply *reply = (void *)link_unpack(
		l, message, &memd__session_stats_reply__descriptor);

	if (reply == NULL)
		link_drop(l, -EPROTO, "the daemon sent malformed stats");
	else
		request_take_stats(mc, message->header.request_id, reply);
}

static void take_mailbox(struct memclient *mc,
			 const struct link_message *message)
{
	struct handler *h = &mc->handler;
	Memd__MailboxReply *reply = (void *)link_unpack(
		&h->link, message, &memd__mailbox_reply__descriptor);
	int fd = link_take_fd(&h->link);

	drop_mailbox(h);
	if (reply != NULL && reply->cell_count == MAILBOX_CELLS)
		h->mailbox_fd = fd;
	else if (fd >= 0)
		close(fd);	/* then without one */
	if (reply == NULL)
		link_drop(&h->link, -EPROTO, "the daemon sent a malformed "
			  "MailboxReply");
}

static void take_error(struct memclient *mc, const struct link_message *message)
{
	struct link *l = &mc->handler.link;
	uint64_t id = message->header.request_id;
	struct region *r;
	Memd__Error *error = (void *)link_unpack(l, message,
						 &memd__error__descriptor);

	if (error == NULL) {
		link_drop(l, -EPROTO, "the daemon sent a malformed Error");
		return;
	}
	switch (handler_request_kind(id)) {
	case REQUEST_FAULT:
		paging_take_error(mc, id, errors_from_wire(error->code));
		break;
	case REQUEST_COMMAND:
	case REQUEST_ATTACH:
		request_take_error(mc, id, error);
		break;
	case REQUEST_REJOIN:
		r = take_rejoining(mc, id);
		if (r != NULL)
			refuse_rejoin(mc, r, errors_from_wire(error->code));
		break;
	case REQUEST_NONE:
	case REQUEST_MAILBOX:	/* then without one */
		break;
	}
}

static void refuse_unknown(struct link *l, const struct link_message *message)
{
	Memd__Error error = MEMD__ERROR__INIT;

	error.code = ENOSYS;
	error.text = (char *)"libmemclient does not know this message";
	/* No room: the peer does not read, so it will not miss this. */
	(void)!link_send(l, MEMD__MESSAGE_TYPE__TYPE_ERROR,
			 message->header.request_id, &error.base);
}

static void take(struct memclient *mc, const struct link_message *message)
{
	struct link *l = &mc->handler.link;

	switch (message->header.type) {
	case MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY:
		paging_take_reply(mc, message);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_READY:
		paging_take_ready(mc, message);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_AGE:
		paging_take_age(mc, message);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_OK:
		request_take_ok(mc, message->header.request_id);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_ERROR:
		take_error(mc, message);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_SEGMENT_REPLY:
		take_segment(mc, message);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS_REPLY:
		take_stats(mc, message);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_MAILBOX_REPLY:
		take_mailbox(mc, message);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_RING:
		break;		/* session_take_mail() comes next */
	default:
		if (message->header.request_id != 0)
			refuse_unknown(l, message);
		break;
	}
}

void session_dispatch(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	struct link_message message;

	while (link_next(&h->link, &message)) {
		h->heard_ns = h->now_ns;
		if (h->link.state == LINK_HELLO) {
			link_finish_hello(&h->link, &message);
			if (h->link.state == LINK_UP)
				come_up(mc);
		} else {
			take(mc, &message);
		}
	}
}

bool session_take_mail(struct memclient *mc)
{
	bool is_any = false;
	uint8_t bytes[MAILBOX_FRAME_BYTES];
	struct link_message message = { .body = bytes + WIRE_HEADER_BYTES };

	while (box_next(&mc->box, bytes, &message.header)) {
		uint16_t type = message.header.type;

		is_any = true;
		if (type == MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY ||
		    type == MEMD__MESSAGE_TYPE__TYPE_ERROR) {
			take(mc, &message);
		} else if (mc->handler.link.state != LINK_DOWN) {
			link_drop(&mc->handler.link, -EPROTO, "the daemon put "
				  "garbage into the mailbox");
		}
	}
	return is_any;
}
