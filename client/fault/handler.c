/* SPDX-License-Identifier: MIT */
/* A turn of the library's thread: see handler.h. */
#include "client/fault/handler.h"
#include "client/fault/attach.h"
#include "client/fault/hint.h"
#include "client/fault/own_paging.h"

#include <errno.h>
#include <unistd.h>

enum {
	TOUCHED_EVERY_NS = 20000000,
	/* Between attempts to map the mailbox. */
	MAILBOX_AGAIN_NS = 10000000,
};

void handler_init(struct handler *h, const struct handler_parts *parts)
{
	h->shared = *parts;
	session_init(&h->session, parts->settings);
	h->paging.space = h->requests.space = parts->space;
	h->paging.session = h->requests.session = &h->session;
	h->paging.commands = h->requests.commands = parts->commands;
	h->paging.touched = h->requests.touched = parts->touched;
	h->paging.box = parts->box;
	faults_init(&h->paging.faults);
	own_faults_init(&h->paging.own, parts->desk);
	h->rejoin.paging = &h->paging;
	h->rejoin.next_ns = UINT64_MAX;
	h->mailbox_fd = h->desk_fd = -1;
	h->touched_ns = UINT64_MAX;
}

/* ---- the mailbox */

static void drop_mailbox(struct handler *h)
{
	if (h->mailbox_fd >= 0)
		close(h->mailbox_fd);
	h->mailbox_fd = -1;
}

static void ask_for_mailbox(struct session *s)
{
	if (s->link.capabilities & MEMD__CAPABILITY__CAP_MAILBOX)
		(void)!link_send(&s->link, MEMD__MESSAGE_TYPE__TYPE_MAILBOX,
				 session_request_id(s, REQUEST_MAILBOX, 0),
				 NULL);
}

/* Map the new mailbox as soon as no thread is in the mailbox of the last
 * session. */
static void map_mailbox(struct handler *h)
{
	if (h->mailbox_fd >= 0 && h->session.is_up &&
	    box_open(h->shared.box, h->mailbox_fd, h->session.generation) !=
		    -EBUSY)
		drop_mailbox(h);
}

/* ---- the desk */

static void drop_desk(struct handler *h)
{
	if (h->desk_fd >= 0)
		close(h->desk_fd);
	h->desk_fd = -1;
}

static void ask_for_desk(struct session *s)
{
	Memd__Desk m = MEMD__DESK__INIT;

	m.version = DESK_VERSION;
	if (s->link.capabilities & MEMD__CAPABILITY__CAP_ONE_SIDED)
		(void)!link_send(&s->link, MEMD__MESSAGE_TYPE__TYPE_DESK,
				 session_request_id(s, REQUEST_DESK, 0),
				 &m.base);
}

/* As map_mailbox(). */
static void map_desk(struct handler *h)
{
	int err;

	if (h->desk_fd < 0 || !h->session.is_up)
		return;
	err = client_desk_open(h->shared.desk, h->desk_fd,
			       h->session.generation);
	if (err != -EBUSY)
		drop_desk(h);
}

static void begin_desk(struct handler *h)
{
	Memd__Desk m = MEMD__DESK__INIT;

	if (h->has_begun_desk || !h->shared.space->has_books ||
	    atomic_load(&h->shared.desk->generation) == 0)
		return;
	m.version = DESK_VERSION;
	m.has_begin = m.begin = true;
	h->has_begun_desk = link_send(&h->session.link,
				      MEMD__MESSAGE_TYPE__TYPE_DESK,
				      session_request_id(&h->session,
							 REQUEST_NONE, 0),
				      &m.base) == 0;
}

static void take_desk(struct handler *h, const Memd__DeskReply *reply)
{
	int fd = link_take_fd(&h->session.link);

	drop_desk(h);
	if (reply->version == DESK_VERSION)
		h->desk_fd = fd;
	else if (fd >= 0)
		close(fd);	/* go on without a desk */
}

static void take_area_file(struct handler *h, const Memd__AreaFile *m)
{
	int fd = m->has_slot_count ? link_take_fd(&h->session.link) : -1;

	area_files_hang(h->shared.files, &h->shared.area_hook, m->first_slot,
			m->slot_count, fd);
	own_faults_set_file(&h->paging.own, m->first_slot, m->slot_count, fd);
}

/* With the session go its segments' numbers: what is in the books is of no use
 * any more. */
static void leave_desk(struct handler *h)
{
	struct region *r;

	client_desk_close(h->shared.desk);
	drop_desk(h);
	area_files_hang(h->shared.files, &h->shared.area_hook, AREA_FILES_ALL,
			0, -1);
	own_faults_set_file(&h->paging.own, AREA_FILES_ALL, 0, -1);
	h->has_begun_desk = false;
	h->shared.space->has_books = false;
	for (size_t i = 0; (r = regions_nth(&h->shared.space->regions,
					    i)) != NULL; i++)
		atomic_store(&r->book, NULL);
}

/* If the link is full, this is done in a later turn. */
static void ring_daemon(struct handler *h)
{
	if (h->must_ring && link_send(&h->session.link,
				      MEMD__MESSAGE_TYPE__TYPE_RING, 0,
				      NULL) == 0)
		h->must_ring = false;
}

/* ---- the session begins and ends */

static void begin_session(struct handler *h)
{
	struct session *s = &h->session;

	ask_for_mailbox(s);
	ask_for_desk(s);
	rejoin_begin(&h->rejoin);
}

static void end_session(struct handler *h)
{
	struct session *s = &h->session;

	box_close(h->shared.box);
	bell_take_down(&h->shared.hook);
	drop_mailbox(h);
	leave_desk(h);
	h->must_ring = false;
	rejoin_wait(&h->rejoin);
	faults_forget_asked(&h->paging.faults);
	faults_cap_deadlines(&h->paging.faults,
			     s->outage_ns + s->settings->timeout_ns);
	request_fail_sent(&h->requests);
}

static void run_session(struct handler *h)
{
	struct session *s = &h->session;

	if (session_is_over(s))
		end_session(h);
	session_reconnect(s);
	if (s->is_up)
		rejoin_run(&h->rejoin);
	map_mailbox(h);
	map_desk(h);
	begin_desk(h);
}

int handler_open(struct handler *h)
{
	int err = session_open(&h->session);

	if (err == 0)
		begin_session(h);
	return err;
}

/* ---- faults and commands */

static void take_command(struct handler *h, struct command *c)
{
	switch (c->kind) {
	case COMMAND_FAULT:
		paging_take_command(&h->paging, c);
		break;
	case COMMAND_UNMAP:
		attach_unmap(&h->paging, h->shared.direct, c);
		break;
	case COMMAND_STOP:
		h->is_stopping = true;
		command_finish(h->shared.commands, c, 0, "");
		break;
	default:
		request_take(&h->requests, c);
		break;
	}
}

void handler_take_fault(struct handler *h, const struct uffd_fault *uf)
{
	bool is_bell;
	struct command *c = commands_take(h->shared.commands, uf->address,
					  &is_bell);

	if (c != NULL)
		take_command(h, c);
	else if (!is_bell && !own_paging_take_fault(&h->paging, uf))
		paging_take_fault(&h->paging, uf);
}

/* ---- messages */

static const struct {
	uint16_t type;
	const ProtobufCMessageDescriptor *descriptor;
} with_body[] = {
	{ MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY,
	  &memd__fault_reply__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_READY, &memd__ready__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_AGE, &memd__age__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_ERROR, &memd__error__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_SEGMENT_REPLY,
	  &memd__segment_reply__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS_REPLY,
	  &memd__session_stats_reply__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_MAILBOX_REPLY,
	  &memd__mailbox_reply__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_DESK_REPLY,
	  &memd__desk_reply__descriptor },
	{ MEMD__MESSAGE_TYPE__TYPE_AREA_FILE,
	  &memd__area_file__descriptor },
};

/* False: the body is malformed, and the link is down.  *ret_body is NULL for
 * messages without a body. */
static bool unpack_message(struct link *l, const struct link_message *message,
			   void **ret_body)
{
	*ret_body = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(with_body); i++)
		if (with_body[i].type == message->header.type) {
			*ret_body = link_unpack(l, message,
						with_body[i].descriptor);
			return *ret_body != NULL;
		}
	return true;
}

static void take_mailbox(struct handler *h, const Memd__MailboxReply *reply)
{
	int fd = link_take_fd(&h->session.link);
	int bell = reply->bell ? link_take_fd(&h->session.link) : -1;

	drop_mailbox(h);
	if (reply->cell_count == MAILBOX_CELLS)
		h->mailbox_fd = fd;
	else if (fd >= 0)
		close(fd);	/* go on without a mailbox */
	if (bell < 0)
		return;
	bell_hang(&h->shared.hook, bell, h->session.generation);
	close(bell);
}

static void take_error(struct handler *h, uint64_t id,
		       const Memd__Error *error)
{
	int code = errors_from_wire(error->code);

	switch (session_request_kind(id)) {
	case REQUEST_FAULT:
		paging_take_error(&h->paging, id, code);
		break;
	case REQUEST_COMMAND:
	case REQUEST_ATTACH:
		request_take_error(&h->requests, id, code, error->text);
		break;
	case REQUEST_REJOIN:
		rejoin_take_error(&h->rejoin, id, code);
		break;
	case REQUEST_NONE:
	case REQUEST_MAILBOX:	/* go on without a mailbox */
	case REQUEST_DESK:
		break;
	}
}

static void refuse_unknown(struct link *l, uint64_t id)
{
	Memd__Error error = MEMD__ERROR__INIT;

	error.code = ENOSYS;
	error.text = (char *)"libmemclient does not know this message";
	/* If the link has no room, the peer does not read and will not miss
	 * this. */
	(void)!link_send(l, MEMD__MESSAGE_TYPE__TYPE_ERROR, id, &error.base);
}

static void take_message(struct handler *h, const struct link_message *message)
{
	struct space *sp = h->shared.space;
	struct link *l = &h->session.link;
	uint64_t id = message->header.request_id;
	void *body;

	if (!unpack_message(l, message, &body))
		return;
	switch (message->header.type) {
	case MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY:
		paging_take_reply(&h->paging, id, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_READY:
		hint_take_ready(sp, l, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_AGE:
		hint_take_age(sp, h->shared.touched, l, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_OK:
		request_take_ok(&h->requests, id);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_ERROR:
		take_error(h, id, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_SEGMENT_REPLY:
		if (session_request_kind(id) == REQUEST_REJOIN)
			rejoin_take_reply(&h->rejoin, id, body);
		else
			attach_take_reply(&h->requests, id, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS_REPLY:
		request_take_stats(&h->requests, id, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_MAILBOX_REPLY:
		take_mailbox(h, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_DESK_REPLY:
		take_desk(h, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_AREA_FILE:
		take_area_file(h, body);
		break;
	case MEMD__MESSAGE_TYPE__TYPE_RING:
		break;		/* handler_take_mail() comes next */
	default:
		if (id != 0)
			refuse_unknown(l, id);
		break;
	}
}

void handler_take_messages(struct handler *h)
{
	struct link_message message;
	bool has_begun;

	do {
		while (session_next(&h->session, &message, &has_begun))
			take_message(h, &message);
		if (has_begun)
			begin_session(h);
	} while (has_begun);
}

bool handler_take_mail(struct handler *h)
{
	bool is_any = false;
	uint8_t bytes[MAILBOX_FRAME_BYTES];
	struct link_message message = { .body = bytes + WIRE_HEADER_BYTES };

	while (box_next(h->shared.box, bytes, &message.header)) {
		uint16_t type = message.header.type;

		is_any = true;
		if (type == MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY ||
		    type == MEMD__MESSAGE_TYPE__TYPE_ERROR)
			take_message(h, &message);
		else if (h->session.link.state != LINK_DOWN)
			link_drop(&h->session.link, -EPROTO, "the daemon put "
				  "garbage into the mailbox");
	}
	return is_any;
}

/* ---- a turn */

static void report_touched(struct handler *h)
{
	struct handler_parts *shared = &h->shared;
	struct session *s = &h->session;

	if (!touched_is_pending(shared->touched) || !s->is_up) {
		h->touched_ns = UINT64_MAX;
	} else if (h->touched_ns == UINT64_MAX) {
		h->touched_ns = s->now_ns + TOUCHED_EVERY_NS;
	} else if (h->touched_ns <= s->now_ns) {
		touched_send(shared->touched, &shared->space->regions,
			     &s->link);
		h->touched_ns = UINT64_MAX;
	}
}

void handler_run(struct handler *h)
{
	run_session(h);
	request_run(&h->requests);
	own_paging_run(&h->paging);
	h->must_ring |= paging_run(&h->paging);
	h->must_ring |= h->paging.own.must_ring;
	h->paging.own.must_ring = false;
	h->must_ring |= box_must_ring(h->shared.box);
	report_touched(h);
	ring_daemon(h);
	link_flush(&h->session.link);
	run_session(h);
}

void handler_postpone(struct handler *h, uint64_t lost_ns)
{
	faults_postpone(&h->paging.faults, lost_ns);
	request_postpone(&h->requests, lost_ns);
	session_postpone(&h->session, lost_ns);
}

uint64_t handler_next_ns(struct handler *h)
{
	const struct session *s = &h->session;
	uint64_t next = MIN(h->paging.faults.next_ns, h->touched_ns);

	next = MIN(next, session_next_ns(s));
	if (h->mailbox_fd >= 0 || h->desk_fd >= 0)
		next = MIN(next, s->now_ns + MAILBOX_AGAIN_NS);
	if (s->link.state == LINK_UP)
		next = MIN(next, h->rejoin.next_ns);
	return MIN(next, request_next_ns(&h->requests));
}

/* ---- the end */

void handler_unmap_all(struct handler *h)
{
	struct space *sp = h->shared.space;
	struct region *r;

	while ((r = regions_nth(&sp->regions, 0)) != NULL) {
		direct_withdraw(h->shared.direct, r);
		space_unmap(sp, r);
	}
}

void handler_close(struct handler *h)
{
	struct link *l = &h->session.link;

	own_faults_fini(&h->paging.own);
	/* GOODBYE makes memd close its copies of the userfaultfds.  They must
	 * stay if anything is still mapped. */
	if (h->session.is_up && !h->shared.space->has_left_mapped &&
	    link_send(l, MEMD__MESSAGE_TYPE__TYPE_GOODBYE, 0, NULL) == 0)
		link_flush(l);
	if (l->state != LINK_DOWN)
		link_drop(l, 0, "closed");
	drop_mailbox(h);
	drop_desk(h);
}
