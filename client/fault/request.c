/* SPDX-License-Identifier: MIT */
/* Calls, on the library's thread: see request.h. */
#include "client/fault/request.h"
#include "client/fault/direct.h"
#include "client/region/mapping.h"
#include "client/fault/paging.h"
#include "client/fault/pinning.h"
#include "client/link/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void finish(struct memclient *mc, struct command *c, int result,
		   const char *text)
{
	errors_copy(c->text, sizeof(c->text), text);
	mc->handler.call_count--;
	handler_finish(mc, c, result);
}

/* The command that waits for the reply `id`, NULL if none does (any more). */
static struct command *waiting(struct memclient *mc, uint64_t id)
{
	size_t idx = handler_request_idx(id);
	struct command *c;

	if (idx >= COMMAND_CALLS_MAX)
		return NULL;
	c = &mc->commands.cell[idx];
	return command_is_taken(c) && c->request_id == id && !c->is_mapping ?
		c : NULL;
}

/* ---- messages out */

static uint64_t new_id(struct memclient *mc, const struct command *c)
{
	return handler_request_id(&mc->handler, c->kind == COMMAND_MAP ?
				  REQUEST_ATTACH : REQUEST_COMMAND,
				  (size_t)(c - mc->commands.cell));
}

static int send_message(struct memclient *mc, struct command *c, uint16_t type,
			const ProtobufCMessage *message)
{
	uint64_t id = new_id(mc, c);
	int err = link_send(&mc->handler.link, type, id, message);

	if (err == 0)
		c->request_id = id;
	return err;
}

static int send_body(struct memclient *mc, struct command *c)
{
	uint64_t id = new_id(mc, c);
	int err = link_send_packed(&mc->handler.link, c->type, id, c->body,
				   c->body_bytes);

	if (err == 0)
		c->request_id = id;
	return err;
}

/* The pages of the command's range: all that it touches, or (DONTNEED) all
 * that lie wholly inside.  False when none are. */
static bool find_pages(const struct region *r, struct command *c)
{
	uintptr_t page_bytes = region_page_bytes(r);
	uintptr_t from = c->address - r->start;
	uintptr_t to = from + c->length;

	if (c->kind == COMMAND_ADVISE && c->advice == MEMCLIENT_ADVICE_DONTNEED)
		from += page_bytes - 1;
	else
		to += page_bytes - 1;
	if (c->length == 0 || to >> r->page_shift <= from >> r->page_shift)
		return false;
	c->segment = atomic_load(&r->segment);
	c->first_page = from >> r->page_shift;
	c->end_page = to >> r->page_shift;
	return true;
}

static int send_advise(struct memclient *mc, struct command *c)
{
	Memd__Advise m = MEMD__ADVISE__INIT;

	m.segment = c->segment;
	m.first = c->first_page;
	m.count = c->end_page - c->first_page;
	m.advice = (Memd__Advice)c->advice;
	return send_message(mc, c, MEMD__MESSAGE_TYPE__TYPE_ADVISE, &m.base);
}

static int send_pin(struct memclient *mc, struct command *c)
{
	Memd__Pin m = MEMD__PIN__INIT;

	m.segment = c->segment;
	m.first = c->first_page;
	m.count = c->end_page - c->first_page;
	return send_message(mc, c, c->kind == COMMAND_PIN ?
			    MEMD__MESSAGE_TYPE__TYPE_PIN :
			    MEMD__MESSAGE_TYPE__TYPE_UNPIN, &m.base);
}

/* Advise, pin, unpin. */
static int send_range(struct memclient *mc, struct command *c)
{
	struct region *r = regions_find(&mc->regions, c->address);

	if (r == NULL || c->length > r->start + r->length - c->address) {
		finish(mc, c, -EINVAL, "the range is not inside one region");
		return 0;
	}
	if (atomic_load(&r->state) == REGION_LOST) {
		finish(mc, c, -ENOTCONN, "the region belonged to a daemon "
		       "that is gone");
		return 0;
	}
	if (atomic_load(&r->state) == REGION_JOINING)
		return -EAGAIN;
	if (c->kind == COMMAND_ADVISE && r->is_read_only &&
	    c->advice == MEMCLIENT_ADVICE_DONTNEED) {
		finish(mc, c, -EACCES, "the region is mapped read-only");
		return 0;
	}
	if (!find_pages(r, c)) {
		finish(mc, c, 0, "");
		return 0;
	}
	return c->kind == COMMAND_ADVISE ? send_advise(mc, c) :
					   send_pin(mc, c);
}

static int send_command(struct memclient *mc, struct command *c)
{
	switch (c->kind) {
	case COMMAND_REQUEST:
	case COMMAND_MAP:
		return send_body(mc, c);
	case COMMAND_ADVISE:	/* it may end a record */
		touched_send(&mc->touched, &mc->regions, &mc->handler.link);
		return send_range(mc, c);
	case COMMAND_STATS:	/* what we know must be counted first */
		touched_send(&mc->touched, &mc->regions, &mc->handler.link);
		return send_message(mc, c,
				    MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS,
				    NULL);
	default:
		return send_range(mc, c);
	}
}

/* ---- unmapping */

void request_detach(struct memclient *mc, uint32_t segment)
{
	struct handler *h = &mc->handler;
	Memd__SegmentDetach m = MEMD__SEGMENT_DETACH__INIT;

	m.segment = segment;
	/* No room in the link means a daemon that does not read: the session
	 * will end, and all that it attached with it. */
	(void)!link_send(&h->link, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_DETACH,
			 handler_request_id(h, REQUEST_NONE, 0), &m.base);
}

static void unmap(struct memclient *mc, struct command *c)
{
	struct region *r = regions_find(&mc->regions, c->address);
	bool is_live;

	if (r == NULL || r->start != c->address) {
		finish(mc, c, -EINVAL, "no region starts at this address");
		return;
	}
	is_live = atomic_load(&r->state) == REGION_LIVE;
	regions_remove(&mc->regions, r);
	direct_withdraw(mc, r);
	mc->handler.has_left_mapped |=
		!mapping_destroy(r, handler_uffd(mc, r));
	paging_forget_region(mc, r);
	pinned_forget(&mc->handler.pinned, r);
	/* Joining: when the reply comes, see session.c. */
	if (is_live)
		request_detach(mc, atomic_load(&r->segment));
	regions_put(&mc->regions, r);
	finish(mc, c, 0, "");
}

/* ---- pins */

/* Map some more of what the daemon has pinned. */
static void go_on_mapping(struct memclient *mc, struct command *c)
{
	int err = pinning_step(mc, c);

	if (err == -EAGAIN)
		return;
	if (err != 0)
		pinning_undo(mc, c);
	finish(mc, c, err, err == -EINVAL ? "the region was unmapped" :
					    errors_name(err));
}

static void begin_mapping(struct memclient *mc, struct command *c)
{
	int err = pinning_start(mc, c);

	if (err == 0) {
		c->is_mapping = true;
		go_on_mapping(mc, c);
		return;
	}
	pinning_undo(mc, c);
	finish(mc, c, err, err == -EINVAL ? "the region was unmapped" :
					    "too many ranges are pinned");
}

/* ---- taking, repeating, giving up */

static void try_send(struct memclient *mc, struct command *c)
{
	struct handler *h = &mc->handler;

	if (!h->is_up && h->link.state == LINK_DOWN)
		session_try_now(mc);
	if (h->link.state == LINK_DOWN)
		finish(mc, c, -ENOTCONN, h->link.text);
	else if (h->is_up)
		(void)send_command(mc, c);	/* else request_run() */
}

void request_take(struct memclient *mc, struct command *c)
{
	struct handler *h = &mc->handler;

	h->call_count++;
	c->request_id = 0;
	c->is_mapping = false;
	c->deadline_ns = h->now_ns + mc->settings.timeout_ns;
	if (c->kind == COMMAND_STOP) {
		h->is_stopping = true;
		finish(mc, c, 0, "");
	} else if (c->kind == COMMAND_UNMAP) {
		unmap(mc, c);
	} else {
		try_send(mc, c);
	}
}

static void give_up(struct memclient *mc, struct command *c)
{
	if (c->is_mapping)
		pinning_undo(mc, c);
	finish(mc, c, -ETIMEDOUT, errors_name(ETIMEDOUT));
}

void request_run(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	for (size_t i = 0; h->call_count > 0 && i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &mc->commands.cell[i];

		if (!command_is_taken(c))
			continue;
		if (c->deadline_ns <= h->now_ns)
			give_up(mc, c);
		else if (c->is_mapping)
			go_on_mapping(mc, c);
		else if (c->request_id == 0)
			try_send(mc, c);
	}
}

void request_fail_sent(struct memclient *mc)
{
	pinned_forget(&mc->handler.pinned, NULL);
	for (size_t i = 0; i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &mc->commands.cell[i];

		if (command_is_taken(c) && c->request_id != 0)
			finish(mc, c, -ENOTCONN, mc->handler.link.text);
	}
}

void request_postpone(struct memclient *mc, uint64_t lost_ns)
{
	for (size_t i = 0; i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &mc->commands.cell[i];

		if (command_is_taken(c))
			c->deadline_ns += lost_ns;
	}
}

uint64_t request_next_ns(struct memclient *mc)
{
	uint64_t next_ns = UINT64_MAX;

	if (mc->handler.call_count == 0)
		return next_ns;
	for (size_t i = 0; i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &mc->commands.cell[i];

		if (command_is_taken(c))
			next_ns = MIN(next_ns, c->is_mapping ?
					       mc->handler.now_ns :
					       c->deadline_ns);
	}
	return next_ns;
}

/* ---- replies */

void request_take_ok(struct memclient *mc, uint64_t id)
{
	struct command *c = waiting(mc, id);

	if (c == NULL)
		return;
	if (c->kind == COMMAND_MAP || c->kind == COMMAND_STATS) {
		finish(mc, c, -EPROTO, "the daemon answered something else");
		return;
	}
	if (c->kind == COMMAND_PIN) {
		begin_mapping(mc, c);
		return;
	}
	if (c->kind == COMMAND_UNPIN)
		pinning_end(mc, c);
	finish(mc, c, 0, "");
}

void request_take_error(struct memclient *mc, uint64_t id,
			const Memd__Error *error)
{
	struct command *c = waiting(mc, id);

	if (c != NULL)
		finish(mc, c, errors_from_wire(error->code), error->text);
}

void request_take_stats(struct memclient *mc, uint64_t id,
			const Memd__SessionStatsReply *reply)
{
	struct command *c = waiting(mc, id);
	const uint64_t figure[] = {
		reply->mapped_bytes, reply->resident_bytes,
		reply->swapped_bytes, reply->faults_minor, reply->faults_zero,
		reply->faults_hit, reply->faults_swap_in,
		reply->faults_put_back, reply->limit_frames,
	};

	if (c == NULL || c->kind != COMMAND_STATS)
		return;
	_Static_assert(sizeof(figure) <= sizeof(c->figure), "figures");
	/* Not pages_lost: that is counted here, as pages are lost without a
	 * daemon, too. */
	memcpy(c->figure, figure, sizeof(figure));
	finish(mc, c, 0, "");
}

/* log2 of a page size that the protocol allows, else 0. */
static unsigned page_shift(uint32_t page_bytes)
{
	static const unsigned orders[] = { PAGE_ORDER_4K, PAGE_ORDER_16K,
					   PAGE_ORDER_64K, PAGE_ORDER_2M };

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		if (page_bytes == (uint32_t)UFFD_UNIT_BYTES << orders[i])
			return 12 + orders[i];
	return 0;
}

/* Is it a segment, and for a private one: is it what was asked for? */
static bool is_sound(const struct command *c, const Memd__SegmentReply *reply)
{
	return page_shift(reply->page_bytes) != 0 && reply->segment != 0 &&
	       reply->length_bytes != 0 &&
	       reply->length_bytes <= SEGMENT_BYTES_MAX &&
	       reply->length_bytes % reply->page_bytes == 0 &&
	       (c->kind != COMMAND_MAP || c->is_read_only ||
		!reply->read_only) &&
	       (c->kind != COMMAND_MAP || c->name[0] != '\0' ||
		(reply->page_bytes == c->page_bytes &&
		 reply->length_bytes >= c->length));
}

/* For those who look at the daemon from outside; nothing hangs on it. */
static void tell_address(struct memclient *mc, const struct region *r)
{
	Memd__SegmentMapped m = MEMD__SEGMENT_MAPPED__INIT;

	m.segment = atomic_load(&r->segment);
	m.address = r->start;
	(void)!link_send(&mc->handler.link,
			 MEMD__MESSAGE_TYPE__TYPE_SEGMENT_MAPPED, 0, &m.base);
}

static int make_region(struct memclient *mc, struct command *c,
		       const Memd__SegmentReply *reply, int fd)
{
	struct region *r;
	int err = regions_get(&mc->regions, &r);

	if (err != 0)
		return err;
	r->length = (size_t)reply->length_bytes;
	r->page_shift = page_shift(reply->page_bytes);
	r->is_inline = c->is_inline;
	r->is_read_only = c->is_read_only;
	memcpy(r->name, c->name, sizeof(r->name));
	atomic_store(&r->segment, reply->segment);
	err = mapping_create(r, fd, handler_uffd(mc, r));
	if (err == 0) {
		/* Before anybody can know its address. */
		atomic_store(&r->state, REGION_LIVE);
		err = regions_add(&mc->regions, r);
		if (err != 0)
			mc->handler.has_left_mapped |=
				!mapping_destroy(r, handler_uffd(mc, r));
	}
	if (err != 0) {
		regions_put(&mc->regions, r);
		return err;
	}
	c->ret_address = r->start;
	tell_address(mc, r);
	return 0;
}

static const char *map_error_text(int err)
{
	switch (err) {
	case -EPROTO:
		return "the daemon sent no proper data file";
	case -ENOMEM:
		return "no address space or too many mappings left "
		       "(sysctl vm.max_map_count, ulimit -v)";
	case -EAGAIN:
		return "mlockall(MCL_FUTURE) is on and RLIMIT_MEMLOCK is "
		       "too low for the region";
	case -EMFILE:
		return "no descriptor came with the segment (RLIMIT_NOFILE), "
		       "or too many regions";
	default:
		return errors_name(err);
	}
}

/* Who attaches may say what the pages should be. */
static bool has_other_pages(const struct command *c,
			    const Memd__SegmentReply *reply)
{
	return c->page_bytes != 0 && c->page_bytes != reply->page_bytes;
}

static void refuse_other_pages(struct memclient *mc, struct command *c,
			       uint32_t page_bytes)
{
	char text[128];

	snprintf(text, sizeof(text), "the segment has pages of %u bytes, not "
		 "of %u; ask for page_size 0 to take what it has", page_bytes,
		 c->page_bytes);
	finish(mc, c, -EINVAL, text);
}

static void take_map(struct memclient *mc, struct command *c,
		     const Memd__SegmentReply *reply, int fd)
{
	bool is_other = is_sound(c, reply) && has_other_pages(c, reply);
	int err = is_other ? -EINVAL : -EPROTO;

	if (is_sound(c, reply) && !is_other)
		err = fd >= 0 ? make_region(mc, c, reply, fd) : -EMFILE;
	if (err != 0)
		request_detach(mc, reply->segment);
	c->ret_length = reply->length_bytes;
	if (is_other)
		refuse_other_pages(mc, c, reply->page_bytes);
	else
		finish(mc, c, err, err != 0 ? map_error_text(err) : "");
}

void request_take_segment(struct memclient *mc, uint64_t id,
			  const Memd__SegmentReply *reply)
{
	struct command *c = waiting(mc, id);
	int fd = -1;

	if (handler_request_kind(id) == REQUEST_ATTACH)
		fd = link_take_fd(&mc->handler.link);
	if (c != NULL && c->kind == COMMAND_MAP) {
		take_map(mc, c, reply, fd);
	} else if (c != NULL && c->kind == COMMAND_REQUEST) {
		c->ret_length = reply->length_bytes;
		c->ret_page_bytes = reply->page_bytes;
		finish(mc, c, is_sound(c, reply) ? 0 : -EPROTO,
		       "the daemon sent no proper segment");
	} else if (fd >= 0) {	/* who asked has given up: undo */
		request_detach(mc, reply->segment);
	}
	if (fd >= 0)
		close(fd);
}
