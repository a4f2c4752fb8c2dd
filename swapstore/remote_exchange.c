/* SPDX-License-Identifier: MIT */
/* The exchange with the server: see remote_exchange.h.
 *
 * Messages are sent in the order of classes (swap_order.h).  Discards are sent
 * before each write, so both are in one order: a slot that was discarded and
 * then written again must not lose its new bytes.  A read is asked for in
 * parts, between the slots that are in the write-behind buffer.
 * The pager writes no slot that it is reading, so the server has the newest
 * bytes of each part, also if the part is asked for again. */
#include "swapstore/remote_exchange.h"

#include "common/bitmap.h"
#include "common/clock.h"
#include "swapstore/remote_greeting.h"
#include "swapstore/remote_link.h"

#include <errno.h>
#include <string.h>

enum { WRITE_SLOTS_MAX = 32 };	/* slots in one message (remote_stream.h) */

#define HOLD_NS		UINT64_C(20000000)

#define TYPE(name) MEMD__MESSAGE_TYPE__TYPE_##name

/* ---- messages */

static uint64_t message_id(const struct store_remote *sr,
			   const struct remote_message *m)
{
	return (uint64_t)m->generation << 16 |
	       (uint64_t)(m - sr->messages + 1);
}

/* The message with this id that waits for an answer; NULL: none. */
static struct remote_message *message_find(struct store_remote *sr,
					   uint64_t id)
{
	uint64_t index = (id & 0xffff) - 1;

	if (index >= sr->depth || sr->messages[index].state != MESSAGE_SENT ||
	    message_id(sr, &sr->messages[index]) != id)
		return NULL;
	return &sr->messages[index];
}

static void message_send(struct store_remote *sr, struct remote_message *m,
			 uint16_t type, uint32_t payload_bytes)
{
	Memd__StoreRange range = MEMD__STORE_RANGE__INIT;

	m->generation++;
	remote_message_enter(sr, m, MESSAGE_SENT);
	range.slot = m->slot;
	range.count = m->count;
	remote_stream_put(&sr->link.stream, type, message_id(sr, m),
			  &range.base, payload_bytes);
	remote_link_asked(&sr->link);
}

/* ---- reads */

static void *buffer_at(const struct remote_request *rq, uint32_t slot)
{
	return (char *)rq->io.buffer +
	       (size_t)(slot - rq->io.slot) * SWAP_SLOT_BYTES;
}

/* Copy the slots of the read that the buffer has, up to one that must be asked
 * for.  True: there is such a slot.  If one slot is lost, the whole request
 * is. */
static bool read_advance(struct store_remote *sr, struct remote_request *rq)
{
	while (rq->at < rq->io.slot_count) {
		uint32_t slot = rq->io.slot + rq->at;
		const uint8_t *bytes = behind_find(&sr->behind, slot);

		if (bytes != NULL) {
			memcpy(buffer_at(rq, slot), bytes, SWAP_SLOT_BYTES);
			rq->at++;
		} else if (bitmap_test(sr->lost, slot)) {
			rq->result = -SWAP_ELOST;
			rq->at = rq->io.slot_count;
		} else {
			return true;
		}
	}
	return false;
}

void remote_exchange_read(struct store_remote *sr, struct remote_request *rq)
{
	remote_request_enter(sr, rq, read_advance(sr, rq) ? REQUEST_READING :
							    REQUEST_DONE);
}

/* How many slots from the cursor on can be asked for in one message. */
static uint32_t part_count(const struct store_remote *sr,
			   const struct remote_request *rq)
{
	uint32_t first = rq->io.slot + rq->at;
	uint32_t most = rq->io.slot_count - rq->at, count = 1;

	while (count < most && !bitmap_test(sr->lost, first + count) &&
	       behind_find(&sr->behind, first + count) == NULL)
		count++;
	return count;
}

/* All slots of the read have been asked for. */
static void read_all_asked(struct store_remote *sr, struct remote_request *rq)
{
	remote_request_enter(sr, rq, rq->parts == 0 ? REQUEST_DONE :
						      REQUEST_ASKED);
}

/* End a message that is SENT or AGAIN: it was answered, or will not be. */
static void part_end(struct store_remote *sr, struct remote_message *m,
		     int result)
{
	struct remote_request *rq = m->request;

	remote_message_enter(sr, m, MESSAGE_FREE);
	if (result != 0)
		rq->result = result;
	rq->parts--;
	if (rq->parts == 0 && rq->state == REQUEST_ASKED)
		remote_request_enter(sr, rq, REQUEST_DONE);
}

static bool has_lost_any(const struct store_remote *sr, uint32_t slot,
			 uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (bitmap_test(sr->lost, slot + i))
			return true;
	return false;
}

static bool put_read_again(struct store_remote *sr)
{
	struct remote_message *m = TAILQ_FIRST(&sr->messages_in[MESSAGE_AGAIN]);

	if (m == NULL)
		return false;
	if (has_lost_any(sr, m->slot, m->count))
		part_end(sr, m, -SWAP_ELOST);
	else
		message_send(sr, m, TYPE(STORE_READ), 0);
	return true;
}

/* The first read of this class that has a part to be asked for; NULL: none. */
static struct remote_request *first_read(const struct store_remote *sr,
					 enum swap_class class)
{
	struct remote_request *rq;

	TAILQ_FOREACH(rq, &sr->requests_in[REQUEST_READING], link)
		if (swap_io_class(&rq->io) == class)
			return rq;
	return NULL;
}

/* There is a free message. */
static void put_read(struct store_remote *sr, enum swap_class class)
{
	struct remote_request *rq = first_read(sr, class);
	struct remote_message *m;

	if (read_advance(sr, rq)) {
		m = TAILQ_FIRST(&sr->messages_in[MESSAGE_FREE]);
		m->request = rq;
		m->slot = rq->io.slot + rq->at;
		m->count = part_count(sr, rq);
		rq->at += m->count;
		rq->parts++;
		message_send(sr, m, TYPE(STORE_READ), 0);
	}
	if (rq->at == rq->io.slot_count)
		read_all_asked(sr, rq);
}

/* ---- writes and discards */

void remote_exchange_admit(struct store_remote *sr)
{
	struct remote_requests *from = &sr->requests_in[REQUEST_ADMITTING];
	struct remote_request *rq;

	while ((rq = TAILQ_FIRST(from)) != NULL) {
		while (rq->at < rq->io.slot_count) {
			uint32_t slot = rq->io.slot + rq->at;

			if (!behind_put(&sr->behind, slot,
					buffer_at(rq, slot)))
				return;
			bitmap_clear(sr->lost, slot);
			rq->at++;
		}
		remote_request_enter(sr, rq, REQUEST_DONE);
	}
}

static void put_discards(struct store_remote *sr)
{
	Memd__StoreDiscard discard = MEMD__STORE_DISCARD__INIT;

	if (sr->discard_count == 0)
		return;
	discard.n_range = sr->discard_count;
	discard.range = sr->discard_at;
	remote_stream_put(&sr->link.stream, TYPE(STORE_DISCARD), 0,
			  &discard.base, 0);
	sr->discard_count = 0;
	sr->discard_ns = 0;
}

/* A quarter of the messages is reserved for reads. */
static bool exchange_may_write(const struct store_remote *sr)
{
	return !TAILQ_EMPTY(&sr->behind.waiting) &&
	       !TAILQ_EMPTY(&sr->messages_in[MESSAGE_FREE]) &&
	       sr->writes_sent < MAX(sr->depth * 3 / 4, 1);
}

static void put_write(struct store_remote *sr)
{
	const struct behind_cell *cell;
	struct remote_message *m;

	m = TAILQ_FIRST(&sr->messages_in[MESSAGE_FREE]);
	m->count = behind_send_begin(&sr->behind, WRITE_SLOTS_MAX, &m->cells);
	m->slot = TAILQ_FIRST(&m->cells)->slot;
	message_send(sr, m, TYPE(STORE_WRITE), m->count * SWAP_SLOT_BYTES);
	TAILQ_FOREACH(cell, &m->cells, link)
		remote_stream_append(&sr->link.stream,
				     behind_bytes(&sr->behind, cell),
				     SWAP_SLOT_BYTES);
}

static bool is_held(struct store_remote *sr)
{
	if (sr->hold_ns != 0 && clock_now_ns() >= sr->hold_ns)
		sr->hold_ns = 0;
	return sr->hold_ns != 0;
}

/* Classes that have something to send.  *ret_ready: those that may send. */
static unsigned exchange_waiting(const struct store_remote *sr,
				 unsigned *ret_ready)
{
	unsigned waiting = 0;

	for (unsigned c = 0; c < SWAP_CLASSES; c++)
		if (c == SWAP_WRITE ? !TAILQ_EMPTY(&sr->behind.waiting) :
		    first_read(sr, (enum swap_class)c) != NULL)
			waiting |= BIT(c);
	*ret_ready = waiting;
	if (TAILQ_EMPTY(&sr->messages_in[MESSAGE_FREE]))
		*ret_ready = 0;
	else if (!exchange_may_write(sr))
		*ret_ready &= ~BIT(SWAP_WRITE);
	return waiting;
}

/* Put the next message into the stream.  False: there is none. */
static bool put_next(struct store_remote *sr)
{
	unsigned ready, waiting = exchange_waiting(sr, &ready);
	enum swap_class class;

	if (ready == 0)
		return false;
	class = swap_order_next(&sr->order, ready);
	swap_order_take(&sr->order, waiting, ready, class);
	if (class == SWAP_WRITE) {
		put_discards(sr);
		put_write(sr);
	} else {
		put_read(sr, class);
	}
	return true;
}

static void exchange_fill(void *ctx)
{
	struct store_remote *sr = ctx;

	remote_exchange_admit(sr);
	while (remote_link_has_room(&sr->link) && !is_held(sr))
		if (!put_read_again(sr) && !put_next(sr)) {
			put_discards(sr);
			break;
		}
}

/* ---- answers */

static void write_confirmed(struct store_remote *sr, struct remote_message *m)
{
	const struct behind_cell *cell;

	TAILQ_FOREACH(cell, &m->cells, link)
		if (cell->state == BEHIND_SENT)
			bitmap_set(sr->kept, cell->slot);
	behind_release(&sr->behind, &m->cells);
	remote_message_enter(sr, m, MESSAGE_FREE);
}

/* The server could not keep these bytes, and does not have the old ones
 * either. */
static void write_lost(struct store_remote *sr, struct remote_message *m)
{
	const struct behind_cell *cell;

	TAILQ_FOREACH(cell, &m->cells, link) {
		if (cell->state != BEHIND_SENT)
			continue;
		bitmap_clear(sr->kept, cell->slot);
		bitmap_set(sr->lost, cell->slot);
		sr->lost_slots++;
	}
	behind_release(&sr->behind, &m->cells);
	remote_message_enter(sr, m, MESSAGE_FREE);
}

static void ask_again(struct store_remote *sr, struct remote_message *m)
{
	if (m->request == NULL)
		behind_send_again(&sr->behind, &m->cells);
	remote_message_enter(sr, m, m->request != NULL ? MESSAGE_AGAIN :
							 MESSAGE_FREE);
}

static bool is_passing_error(int code)
{
	return code == EAGAIN || code == EBUSY || code == ENOMEM ||
	       code == ENOSPC || code == EDQUOT || code == EINTR;
}

/* What an Error does.  EIO: the bytes are lost.  An error that will pass: try
 * again later, because bytes in the buffer must not be given up; a mirror's
 * read ends with -EAGAIN, so that the other child is asked.  Any other error:
 * connect and open the store again; the reason is shown. */
static int on_error(struct store_remote *sr, struct remote_message *m,
		    const struct wire_header *h, const uint8_t *body)
{
	char text[CHANNEL_REASON_BYTES];
	int code;

	if (remote_greeting_read_error(&sr->link, h, body, &code, text,
				       sizeof(text)) != 0)
		return remote_state_blame(&sr->link, -EPROTO,
					  "its Error is malformed");
	if (m == NULL || (code != EIO && !is_passing_error(code)))
		return remote_state_blame(&sr->link, -ECONNREFUSED,
					  "it says: %s", text);
	remote_link_answered(&sr->link);
	if (code != EIO)
		sr->hold_ns = clock_now_ns() + HOLD_NS;
	if (code != EIO && m->request != NULL && sr->is_mirrored) {
		part_end(sr, m, -EAGAIN);
	} else if (code != EIO) {
		ask_again(sr, m);
	} else if (m->request != NULL) {
		/* the server's medium may be bad; the slot is good */
		part_end(sr, m, -SWAP_ELOST);
	} else {
		write_lost(sr, m);
	}
	return 0;
}

static int exchange_on_message(void *ctx, const struct wire_header *h,
			       const uint8_t *body, uint8_t **ret_payload_to)
{
	struct store_remote *sr = ctx;
	struct remote_message *m = message_find(sr, h->request_id);
	bool is_read = m != NULL && m->request != NULL;

	if (h->type == TYPE(ERROR) && h->payload_bytes == 0)
		return on_error(sr, m, h, body);
	if (m == NULL)
		return remote_state_blame(&sr->link, -EPROTO, "it answered "
					  "a request that was not sent");
	if (is_read && h->type == TYPE(STORE_BYTES) &&
	    h->payload_bytes == m->count * SWAP_SLOT_BYTES) {
		*ret_payload_to = buffer_at(m->request, m->slot);
		sr->incoming = m;
		return 0;
	}
	if (is_read || h->type != TYPE(OK) || h->payload_bytes != 0)
		return remote_state_blame(&sr->link, -EPROTO, "it answered "
					  "with %s and %u bytes",
					  wire_type_name(h->type),
					  h->payload_bytes);
	remote_link_answered(&sr->link);
	write_confirmed(sr, m);
	return 0;
}

static int exchange_on_payload(void *ctx, const struct wire_header *h)
{
	struct store_remote *sr = ctx;
	struct remote_message *m = sr->incoming;

	(void)h;
	ASSERT(m != NULL && m->state == MESSAGE_SENT && m->request != NULL);
	sr->incoming = NULL;
	remote_link_answered(&sr->link);
	part_end(sr, m, 0);
	return 0;
}

/* ---- the connection */

/* End the reads with slots not asked for first, so that the end of the last
 * message ends the request. */
void remote_exchange_fail_reads(struct store_remote *sr)
{
	struct remote_request *rq;
	struct remote_message *m;

	while ((rq = TAILQ_FIRST(&sr->requests_in[REQUEST_READING])) != NULL) {
		rq->result = -ENOTCONN;
		rq->at = rq->io.slot_count;
		read_all_asked(sr, rq);
	}
	while ((m = TAILQ_FIRST(&sr->messages_in[MESSAGE_AGAIN])) != NULL)
		part_end(sr, m, -ENOTCONN);
}

/* From the youngest message on, so that the oldest is first again. */
static void exchange_went_down(void *ctx)
{
	struct store_remote *sr = ctx;
	struct remote_message *m;

	sr->incoming = NULL;
	sr->hold_ns = 0;
	while ((m = TAILQ_LAST(&sr->messages_in[MESSAGE_SENT],
			       remote_messages)) != NULL)
		ask_again(sr, m);
	remote_requests_check(sr);
	behind_check(&sr->behind, 0);
	if (sr->is_mirrored)
		remote_exchange_fail_reads(sr);
}

static void exchange_was_lost(void *ctx)
{
	struct store_remote *sr = ctx;
	size_t words = BITMAP_WORDS((size_t)sr->base.slot_count);
	const struct behind_cell *cell;

	TAILQ_FOREACH(cell, &sr->behind.waiting, link)
		bitmap_clear(sr->kept, cell->slot);
	sr->lost_slots += bitmap_count(sr->kept, sr->base.slot_count);
	for (size_t i = 0; i < words; i++) {
		sr->lost[i] |= sr->kept[i];
		sr->kept[i] = 0;
	}
	sr->discard_count = 0;
	sr->discard_ns = 0;
}

const struct remote_link_ops remote_exchange_ops = {
	.receiver = {
		.message = exchange_on_message,
		.payload = exchange_on_payload,
	},
	.fill = exchange_fill,
	.went_down = exchange_went_down,
	.was_lost = exchange_was_lost,
};
