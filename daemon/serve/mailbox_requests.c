/* SPDX-License-Identifier: MIT */
/* What is asked in mailboxes, M4 of proto/mailbox.h: copied out, unpacked,
 * handled as if it had come in a message. */
#include "daemon/serve/mailbox_requests.h"

#include "common/clock.h"
#include "daemon/serve/serve.h"
#include "daemon/serve/handle_fault.h"
#include <errno.h>
#include <string.h>

enum {
	/* Looked into at once: who fills his mailbox all the time does not
	 * make all others wait for the whole of it each time. */
	CELLS_PER_LOOK = 16,
};

static void answer_error(struct mailbox_end *end, unsigned idx,
			 uint64_t request_id, int error)
{
	Memd__Error message = MEMD__ERROR__INIT;

	message.code = (uint32_t)-error;
	message.text = (char *)"only a Fault of one page, or Touched, may be "
			       "put into a mailbox";
	mailbox_answer(end, idx, MEMD__MESSAGE_TYPE__TYPE_ERROR, request_id,
		       &message.base);
}

/* ---- requests, M4 */

/* Copy the frame out.  Returns its length, or 0 when it can be none. */
static uint32_t copy_frame(const struct mailbox_cell *cell,
			   uint8_t to[MAILBOX_FRAME_BYTES],
			   struct wire_header *ret_header)
{
	uint32_t bytes = *(volatile const uint32_t *)&cell->frame_bytes;

	if (bytes < WIRE_HEADER_BYTES || bytes > MAILBOX_FRAME_BYTES)
		return 0;
	memcpy(to, cell->frame, bytes);
	if (wire_header_unpack(to, bytes - WIRE_HEADER_BYTES,
			       ret_header) != 0 ||
	    ret_header->version_major != WIRE_VERSION_MAJOR ||
	    ret_header->payload_bytes != 0)
		return 0;
	return bytes;
}

static const void *unpack_cell(struct serve *sv,
			       const struct wire_header *header,
			       const uint8_t *frame)
{
	const ProtobufCMessageDescriptor *descriptor =
		header->type == MEMD__MESSAGE_TYPE__TYPE_FAULT ?
			&memd__fault__descriptor : &memd__touched__descriptor;
	struct wire_arena arena;

	if (header->type != MEMD__MESSAGE_TYPE__TYPE_FAULT &&
	    header->type != MEMD__MESSAGE_TYPE__TYPE_TOUCHED)
		return NULL;
	wire_arena_init(&arena, sv->server->conns.unpack,
			sizeof(sv->server->conns.unpack));
	return wire_unpack(descriptor, &arena, frame + WIRE_HEADER_BYTES,
			   header->body_bytes);
}

/* NULL, or more than one page: what may not be in a cell. */
static bool is_refused(const struct wire_header *header, const void *message)
{
	return message == NULL ||
	       (header->type == MEMD__MESSAGE_TYPE__TYPE_FAULT &&
		((const Memd__Fault *)message)->n_page != 1);
}

static void take_cell(struct serve *sv, struct mailbox_end *end, unsigned idx)
{
	struct mailbox_cell *cell = &end->shared->cell[idx];
	uint32_t asked = CELL_ASKED, left = CELL_LEFT;
	uint32_t state = atomic_load(&cell->state);
	struct wire_header header = { 0 };
	uint8_t frame[MAILBOX_FRAME_BYTES];
	const void *message = NULL;

	if (state == CELL_LEFT)
		(void)atomic_compare_exchange_strong(&cell->state, &left,
						     CELL_FREE);
	if (state != CELL_ASKED)
		return;
	if (copy_frame(cell, frame, &header) != 0)
		message = unpack_cell(sv, &header, frame);
	if (is_refused(&header, message)) {
		answer_error(end, idx, header.request_id, -EPROTO);
	} else if (header.type == MEMD__MESSAGE_TYPE__TYPE_TOUCHED) {
		handle_touched_in_cell(sv, end->main, message);
		(void)atomic_compare_exchange_strong(&cell->state, &asked,
						     CELL_FREE);
	} else {
		handle_fault_in_cell(sv, end->main, idx, header.request_id,
				     message);
	}
}

/* A round is what was asked when it began: what is asked meanwhile comes after
 * it, so that no cell waits for another one for ever. */
static unsigned look_into(struct serve *sv, struct mailbox_end *end)
{
	struct mailbox *m = end->shared;
	unsigned count = 0;

	if (end->seen == 0) {
		if (atomic_load_explicit(&m->asked, memory_order_relaxed) == 0)
			return 0;
		end->seen = atomic_exchange(&m->asked, 0);
		mailbox_note_cpu(m);
	}
	for (; end->seen != 0 && count < CELLS_PER_LOOK; count++) {
		unsigned idx = (unsigned)__builtin_ctzll(end->seen);

		end->seen &= end->seen - 1;
		if (end->main->state == CONN_MAIN)
			take_cell(sv, end, idx);
	}
	end->asked_ns = clock_now_ns();
	end->is_used = true;
	return count;
}

unsigned mailboxes_poll(struct serve *sv)
{
	struct mailbox_end *end;
	unsigned count = 0;

	/* Nothing below opens, closes or puts to sleep a mailbox. */
	LIST_FOREACH(end, &sv->mailboxes.awake, link)
		count += look_into(sv, end);
	sv->stats->mailbox_requests += count;
	sv->stats->messages_in += count;
	return count;
}
