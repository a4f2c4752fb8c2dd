/* SPDX-License-Identifier: MIT */
/* Calls: see request.h. */
#include "client/fault/request.h"
#include "client/fault/pinning.h"
#include "client/include/memclient.h"

#include <errno.h>
#include <string.h>

void request_finish(struct requests *rq, struct command *c, int result,
		    const char *text)
{
	rq->call_count--;
	command_finish(rq->commands, c, result, text);
}

struct command *request_waiting(struct requests *rq, uint64_t id)
{
	size_t idx = session_request_idx(id);
	struct command *c;

	if (idx >= COMMAND_CALLS_MAX)
		return NULL;
	c = &rq->commands->cell[idx];
	return command_is_taken(c) && c->request_id == id && !c->is_mapping ?
		c : NULL;
}

/* ---- sending */

static uint64_t new_id(struct requests *rq, const struct command *c)
{
	return session_request_id(rq->session, c->kind == COMMAND_MAP ?
				  REQUEST_ATTACH : REQUEST_COMMAND,
				  (size_t)(c - rq->commands->cell));
}

static int send_message(struct requests *rq, struct command *c, uint16_t type,
			const ProtobufCMessage *message)
{
	uint64_t id = new_id(rq, c);
	int err = link_send(&rq->session->link, type, id, message);

	if (err == 0)
		c->request_id = id;
	return err;
}

static int send_body(struct requests *rq, struct command *c)
{
	uint64_t id = new_id(rq, c);
	int err = link_send_packed(&rq->session->link, c->type, id, c->body,
				   c->body_bytes);

	if (err == 0)
		c->request_id = id;
	return err;
}

/* Find the pages of the command's range: all that it touches, or (DONTNEED) all
 * that are wholly inside.  False: there are none. */
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

static int send_advise(struct requests *rq, struct command *c)
{
	Memd__Advise m = MEMD__ADVISE__INIT;

	m.segment = c->segment;
	m.first = c->first_page;
	m.count = c->end_page - c->first_page;
	m.advice = (Memd__Advice)c->advice;
	return send_message(rq, c, MEMD__MESSAGE_TYPE__TYPE_ADVISE, &m.base);
}

static int send_pin(struct requests *rq, struct command *c)
{
	Memd__Pin m = MEMD__PIN__INIT;

	m.segment = c->segment;
	m.first = c->first_page;
	m.count = c->end_page - c->first_page;
	return send_message(rq, c, c->kind == COMMAND_PIN ?
			    MEMD__MESSAGE_TYPE__TYPE_PIN :
			    MEMD__MESSAGE_TYPE__TYPE_UNPIN, &m.base);
}

/* Send ADVISE, PIN or UNPIN. */
static int send_range(struct requests *rq, struct command *c)
{
	struct region *r = regions_find(&rq->space->regions, c->address);

	if (r == NULL || c->length > r->start + r->length - c->address) {
		request_finish(rq, c, -EINVAL,
			       "the range is not inside one region");
		return 0;
	}
	if (atomic_load(&r->state) == REGION_LOST) {
		request_finish(rq, c, -ENOTCONN,
			       "the region belonged to a daemon that is gone");
		return 0;
	}
	if (atomic_load(&r->state) == REGION_JOINING)
		return -EAGAIN;
	if (c->kind == COMMAND_ADVISE && r->is_read_only &&
	    c->advice == MEMCLIENT_ADVICE_DONTNEED) {
		request_finish(rq, c, -EACCES,
			       "the region is mapped read-only");
		return 0;
	}
	if (!find_pages(r, c)) {
		request_finish(rq, c, 0, "");
		return 0;
	}
	return c->kind == COMMAND_ADVISE ? send_advise(rq, c) :
					   send_pin(rq, c);
}

static void send_touched(struct requests *rq)
{
	touched_send(rq->touched, &rq->space->regions, &rq->session->link);
}

static int send_command(struct requests *rq, struct command *c)
{
	switch (c->kind) {
	case COMMAND_REQUEST:
	case COMMAND_MAP:
		return send_body(rq, c);
	case COMMAND_ADVISE:	/* otherwise an earlier touch would undo COLD */
		send_touched(rq);
		return send_range(rq, c);
	case COMMAND_STATS:	/* the daemon must count our faults first */
		send_touched(rq);
		return send_message(rq, c,
				    MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS,
				    NULL);
	default:
		return send_range(rq, c);
	}
}

/* ---- pins */

/* Map some more of the pages that the daemon has pinned. */
static void go_on_mapping(struct requests *rq, struct command *c)
{
	int err = pinning_step(rq->space, c);

	if (err == -EAGAIN)
		return;
	if (err != 0)
		pinning_undo(rq->space, rq->session, c);
	request_finish(rq, c, err, err == -EINVAL ?
		       "the region was unmapped" : errors_name(err));
}

static void begin_mapping(struct requests *rq, struct command *c)
{
	int err = pinning_start(rq->space, c);

	if (err == 0) {
		c->is_mapping = true;
		go_on_mapping(rq, c);
		return;
	}
	pinning_undo(rq->space, rq->session, c);
	request_finish(rq, c, err, err == -EINVAL ?
		       "the region was unmapped" :
		       "too many ranges are pinned");
}

/* ---- taking, repeating, giving up */

static void try_send(struct requests *rq, struct command *c)
{
	session_try_now(rq->session);
	if (rq->session->link.state == LINK_DOWN)
		request_finish(rq, c, -ENOTCONN, rq->session->link.text);
	else if (rq->session->is_up)
		/* Otherwise request_run() sends it later. */
		(void)send_command(rq, c);
}

void request_take(struct requests *rq, struct command *c)
{
	const struct session *s = rq->session;

	rq->call_count++;
	c->request_id = 0;
	c->is_mapping = false;
	c->deadline_ns = s->now_ns + s->settings->timeout_ns;
	try_send(rq, c);
}

static void give_up(struct requests *rq, struct command *c)
{
	if (c->is_mapping)
		pinning_undo(rq->space, rq->session, c);
	request_finish(rq, c, -ETIMEDOUT, errors_name(ETIMEDOUT));
}

void request_run(struct requests *rq)
{
	for (size_t i = 0; rq->call_count > 0 && i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &rq->commands->cell[i];

		if (!command_is_taken(c))
			continue;
		if (c->deadline_ns <= rq->session->now_ns)
			give_up(rq, c);
		else if (c->is_mapping)
			go_on_mapping(rq, c);
		else if (c->request_id == 0)
			try_send(rq, c);
	}
}

void request_fail_sent(struct requests *rq)
{
	pinned_forget(&rq->space->pinned, NULL);
	for (size_t i = 0; i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &rq->commands->cell[i];

		if (command_is_taken(c) && c->request_id != 0)
			request_finish(rq, c, -ENOTCONN,
				       rq->session->link.text);
	}
}

void request_postpone(struct requests *rq, uint64_t lost_ns)
{
	for (size_t i = 0; i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &rq->commands->cell[i];

		if (command_is_taken(c))
			c->deadline_ns += lost_ns;
	}
}

uint64_t request_next_ns(struct requests *rq)
{
	uint64_t next_ns = UINT64_MAX;

	if (rq->call_count == 0)
		return next_ns;
	for (size_t i = 0; i < COMMAND_CALLS_MAX; i++) {
		struct command *c = &rq->commands->cell[i];

		if (command_is_taken(c))
			next_ns = MIN(next_ns, c->is_mapping ?
					       rq->session->now_ns :
					       c->deadline_ns);
	}
	return next_ns;
}

/* ---- replies */

void request_take_ok(struct requests *rq, uint64_t id)
{
	struct command *c = request_waiting(rq, id);

	if (c == NULL)
		return;
	if (c->kind == COMMAND_MAP || c->kind == COMMAND_STATS) {
		request_finish(rq, c, -EPROTO,
			       "the daemon answered something else");
		return;
	}
	if (c->kind == COMMAND_PIN) {
		begin_mapping(rq, c);
		return;
	}
	if (c->kind == COMMAND_UNPIN)
		pinning_end(rq->space, c);
	request_finish(rq, c, 0, "");
}

void request_take_error(struct requests *rq, uint64_t id, int error,
			const char *text)
{
	struct command *c = request_waiting(rq, id);

	if (c != NULL)
		request_finish(rq, c, error, text);
}

void request_take_stats(struct requests *rq, uint64_t id,
			const Memd__SessionStatsReply *reply)
{
	struct command *c = request_waiting(rq, id);
	const uint64_t figure[] = {
		reply->mapped_bytes, reply->resident_bytes,
		reply->swapped_bytes, reply->faults_minor, reply->faults_zero,
		reply->faults_hit, reply->faults_swap_in,
		reply->faults_put_back, reply->limit_frames,
	};

	if (c == NULL || c->kind != COMMAND_STATS)
		return;
	_Static_assert(sizeof(figure) <= sizeof(c->figure), "figures");
	/* Without pages_lost, which is counted here: pages may be lost without
	 * a daemon. */
	memcpy(c->figure, figure, sizeof(figure));
	request_finish(rq, c, 0, "");
}
