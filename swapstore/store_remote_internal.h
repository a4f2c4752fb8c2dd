/* SPDX-License-Identifier: MIT */
/* What the files of store_remote share.
 *
 * A *request* is the owner's.  It is on the list of its state:
 *
 *	free ─▶ staged ─┬─▶ reading ──▶ (parts on their way) ─▶ done ─▶ free
 *	                └─▶ admitting ─────────────────────────▶ │
 *
 * A *message* is a part of a read, or a run of cells of the write-behind
 * buffer, that the server is to answer:
 *
 *	free ─▶ sent ─▶ free          a reply; a write as the link went down
 *	         │ ▲                  (its cells wait again then)
 *	         ▼ │
 *	        again                 a read that must be asked for again
 *
 *   free + sent + again == depth,   link.unanswered == sent
 *
 * A slot is *kept* when the server has confirmed its bytes, *lost* when it had
 * and then lost them.  The bytes of a slot are: those of its newest cell;
 * else, lost: none; else the server's. */
#ifndef MEMD_SWAPSTORE_STORE_REMOTE_INTERNAL_H
#define MEMD_SWAPSTORE_STORE_REMOTE_INTERNAL_H

#include "swapstore/remote_behind.h"
#include "swapstore/remote_greeting.h"
#include "swapstore/remote_link.h"
#include "swapstore/store_remote.h"
#include <sys/queue.h>

struct remote_request {
	struct swap_io io;
	uint32_t at;		/* slots in the buffer, or copied from it, or
				 * asked for */
	uint32_t parts;		/* of a read, not answered */
	int result;
	STAILQ_ENTRY(remote_request) link;
};

STAILQ_HEAD(remote_requests, remote_request);

struct remote_message {
	uint32_t generation;	/* so that no reply comes too late */
	bool is_sent;
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
	struct remote_requests free, staged, reading, admitting, done;
	struct remote_message *messages;	/* owned; [depth] */
	struct remote_messages free_messages, sent, again;
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

/* ---- remote_exchange.c: what is asked and answered */

extern const struct remote_link_ops remote_exchange_ops;

/* Copy what the buffer has of a read, up to a slot that must be asked for.
 * True: there is one. */
bool remote_read_advance(struct store_remote *sr, struct remote_request *rq);

/* A read that nothing is left to be asked for, and nothing to come of. */
bool remote_read_is_done(const struct remote_request *rq);

void remote_request_end(struct store_remote *sr, struct remote_request *rq);

/* Of a mirror's, whose link is down: end all reads, -ENOTCONN. */
void remote_reads_fail(struct store_remote *sr);

/* Take waiting writes into the buffer, as far as there is room. */
void remote_write_admit(struct store_remote *sr);

#endif
