/* SPDX-License-Identifier: MIT */
/* The requests of a store_remote and the messages that it sends for them: what
 * the store is made of, and their states.
 *
 * A *request* is the owner's.  Its own messages are the *parts* of a read.
 *
 *	                ┌─▶ READING ─▶ ASKED ─┐
 *	FREE ─▶ STAGED ─┤      └──────────────┼─▶ DONE ─▶ FREE
 *	  └─────────────┴─▶ ADMITTING ────────┘
 *
 * READING: parts must still be asked for.  ASKED: all were, some are not
 * answered.  ADMITTING: a write whose slots the write-behind buffer had no room
 * for yet.  A mirror's writes are not STAGED.  A read that the buffer can
 * answer, or that is lost, goes from STAGED to DONE.
 *
 * A *message* is a part of a read, or a run of cells of the write-behind
 * buffer, that the server is to answer:
 *
 *	FREE ─▶ SENT ─▶ FREE          a reply; a write as the link went down
 *	         │ ▲                  (its cells wait again then)
 *	         ▼ │
 *	        AGAIN ─▶ FREE         a read that must be asked for again, or
 *	                              that ends without that
 *
 *   RR1  Each request, and each message, is on the list of its state.
 *   RR2  The slots of a read before `at` were copied from the buffer or are
 *        asked for.  `parts` counts its messages that are SENT or AGAIN; an
 *        ASKED request has some.
 *   RR3  writes_sent counts the messages SENT that are writes, and
 *        link.unanswered all that are SENT.
 *   RR4  A slot is *kept* when the server has confirmed its bytes, *lost* when
 *        it had and then lost them; never both.  The bytes of a slot are those
 *        of its newest cell; else, lost: none; else the server's. */
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
	enum remote_request_state state;	/* remote_request_enter() */
	struct swap_io io;
	uint32_t at;		/* slots in the buffer, or copied from it, or
				 * asked for */
	uint32_t parts;		/* of a read, not answered */
	int result;
	TAILQ_ENTRY(remote_request) link;
};

TAILQ_HEAD(remote_requests, remote_request);

enum remote_message_state {
	MESSAGE_FREE, MESSAGE_SENT, MESSAGE_AGAIN, MESSAGE_STATES,
};

struct remote_message {
	enum remote_message_state state;	/* remote_message_enter() */
	uint32_t generation;	/* so that no reply comes too late */
	struct remote_request *request;	/* a read's; NULL: a write */
	uint32_t slot, count;
	struct behind_cells cells;	/* a write's */
	TAILQ_ENTRY(remote_message) link;
};

TAILQ_HEAD(remote_messages, remote_message);

struct store_remote {
	struct swapstore base;
	struct remote_link link;
	struct behind behind;
	uint32_t depth;
	bool is_mirrored;
	bool is_admitted;	/* mirrored: something since the last flush */
	struct remote_request *requests;	/* owned; [depth] */
	struct remote_requests requests_in[REQUEST_STATES];
	struct remote_message *messages;	/* owned; [depth] */
	struct remote_messages messages_in[MESSAGE_STATES];
	struct remote_message *incoming;	/* whose payload comes in */
	uint32_t writes_sent;
	uint64_t *kept, *lost;			/* owned; a bit a slot */
	uint64_t lost_slots;			/* in all */
	uint64_t hold_ns;	/* nothing is asked before: the server has no
				 * room or no time; 0: go on */
	uint64_t discard_ns;	/* when discards go out at the latest */
	uint32_t discard_count;
	Memd__Range discards[WIRE_RANGES_MAX];
	Memd__Range *discard_at[WIRE_RANGES_MAX];
};

/* `depth` of each, all FREE.  Returns 0 or -ENOMEM. */
int remote_requests_init(struct store_remote *sr) MUST_CHECK;
void remote_requests_fini(struct store_remote *sr);

void remote_request_enter(struct store_remote *sr, struct remote_request *rq,
			  enum remote_request_state next);
void remote_message_enter(struct store_remote *sr, struct remote_message *m,
			  enum remote_message_state next);

/* Recount everything; ASSERTs RR1 to RR3. */
void remote_requests_check(const struct store_remote *sr);

#endif
