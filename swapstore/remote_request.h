/* SPDX-License-Identifier: MIT */
/* The state of a store_remote, and of its requests and messages.
 *
 * A *request* comes from the owner.  A read has one message for each of its
 * *parts*.
 *
 *	                ┌─▶ READING ─▶ ASKED ─┐
 *	FREE ─▶ STAGED ─┤      └──────────────┼─▶ DONE ─▶ FREE
 *	  └─────────────┴─▶ ADMITTING ────────┘
 *
 * READING: some parts were not asked for yet.  ASKED: all parts were asked for,
 * and some are not answered.  ADMITTING: a write for which the write-behind
 * buffer had no room yet.  A mirror's writes are not STAGED.  A read that the
 * buffer can answer, or that is lost, goes from STAGED to DONE.
 *
 * A *message* is a part of a read, or a run of cells of the write-behind
 * buffer.  The server must answer it.
 *
 *	FREE ─▶ SENT ─▶ FREE          answered; or a write when the link went
 *	         │ ▲                  down (its cells wait again then)
 *	         ▼ │
 *	        AGAIN ─▶ FREE         a read that must be asked for again, or
 *	                              that ends without that
 *
 *   RR1  Each request, and each message, is on the list of its state.
 *   RR2  The slots of a read before `at` were copied from the buffer or are
 *        asked for.  `parts` counts the read's messages that are SENT or AGAIN.
 *        An ASKED request has at least one.
 *   RR3  writes_sent counts the SENT messages that are writes.  link.unanswered
 *        counts all SENT messages.
 *   RR4  A slot is *kept* when the server has confirmed its bytes, and *lost*
 *        when the server had them and then lost them; never both.  The bytes of
 *        a slot are those of its newest cell.  If it has no cell and is not
 *        lost, they are the server's. */
#ifndef MEMD_SWAPSTORE_REMOTE_REQUEST_H
#define MEMD_SWAPSTORE_REMOTE_REQUEST_H

#include "swapstore/remote_behind.h"
#include "swapstore/remote_state.h"
#include "swapstore/swapstore.h"
#include <sys/queue.h>

enum remote_request_state {
	REQUEST_FREE, REQUEST_STAGED, REQUEST_READING, REQUEST_ASKED,
	REQUEST_ADMITTING, REQUEST_DONE, REQUEST_STATES,
};

struct remote_request {
	/* Changed by remote_request_enter(). */
	enum remote_request_state state;
	struct swap_io io;
	/* read: slots copied or asked for; write: slots in the buffer */
	uint32_t at;
	uint32_t parts;		/* parts of a read that are not answered */
	int result;
	TAILQ_ENTRY(remote_request) link;
};

TAILQ_HEAD(remote_requests, remote_request);

enum remote_message_state {
	MESSAGE_FREE, MESSAGE_SENT, MESSAGE_AGAIN, MESSAGE_STATES,
};

struct remote_message {
	/* Changed by remote_message_enter(). */
	enum remote_message_state state;
	uint32_t generation;	/* in the id, to recognize late replies */
	struct remote_request *request;	/* read: its request; write: NULL */
	uint32_t slot, count;
	struct behind_cells cells;	/* write: its cells */
	TAILQ_ENTRY(remote_message) link;
};

TAILQ_HEAD(remote_messages, remote_message);

struct store_remote {
	struct swapstore base;
	struct remote_link link;
	struct behind behind;
	uint32_t depth;
	bool is_mirrored;
	/* mirrored: a write came since the last flush */
	bool is_admitted;
	struct remote_request *requests;	/* owned; [depth] */
	struct remote_requests requests_in[REQUEST_STATES];
	struct remote_message *messages;	/* owned; [depth] */
	struct remote_messages messages_in[MESSAGE_STATES];
	/* The message whose payload is coming in. */
	struct remote_message *incoming;
	uint32_t writes_sent;
	struct swap_order order;
	/* owned; a bit for each slot (RR4) */
	uint64_t *kept, *lost;
	uint64_t lost_slots;			/* since the start */
	/* Send nothing before this time, because the server has no room or no
	 * time; 0: send. */
	uint64_t hold_ns;
	/* When discards must be sent at the latest; 0: none. */
	uint64_t discard_ns;
	uint32_t discard_count;
	Memd__Range discards[WIRE_RANGES_MAX];
	Memd__Range *discard_at[WIRE_RANGES_MAX];
};

/* `depth` requests and messages, all FREE.  Returns 0 or -ENOMEM. */
int remote_requests_init(struct store_remote *sr) MUST_CHECK;
void remote_requests_fini(struct store_remote *sr);

void remote_request_enter(struct store_remote *sr, struct remote_request *rq,
			  enum remote_request_state next);
void remote_message_enter(struct store_remote *sr, struct remote_message *m,
			  enum remote_message_state next);

/* Count everything again, and ASSERT RR1 to RR3. */
void remote_requests_check(const struct store_remote *sr);

#endif
