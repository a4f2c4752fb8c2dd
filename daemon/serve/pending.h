/* SPDX-License-Identifier: MIT */
/* Requests that the pager has not answered yet.  A request's cookie is its
 * index in this table and a generation: what comes back twice, or after its
 * entry was given to another, is noticed.  The connection may be gone by the
 * time of the answer; the entry then has none. */
#ifndef MEMD_SERVE_PENDING_H
#define MEMD_SERVE_PENDING_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

struct conn;
struct pin;
struct guest_op;

enum pending_kind {
	PENDING_FREE, PENDING_FAULT, PENDING_ADVISE, PENDING_PIN,
	PENDING_UNPIN, PENDING_EVICT, PENDING_REPLAY, PENDING_GUEST,
	/* The pager does not know of these. */
	PENDING_GUEST_CLOSE, PENDING_MAP,
};

struct pending_entry {
	enum pending_kind kind;
	uint32_t generation;
	struct conn *conn;		/* NULL: gone, or nobody waits */
	bool is_in_cell;		/* FAULT: answered in the mailbox, */
	uint8_t cell;			/* here */
	bool is_answered;		/* FAULT: already */
	uint64_t request_id;
	uint32_t segment_number;	/* FAULT: on the wire */
	uint64_t page;			/* FAULT */
	pid_t pid;			/* FAULT: for the trace */
	uint32_t session;		/* FAULT: counts it as waiting */
	struct pin *pin;		/* PIN, UNPIN */
	struct guest_op *guest_op;	/* GUEST */
	LIST_ENTRY(pending_entry) link;	/* of conn, or of the free ones */
};

struct pending_table {
	struct pending_entry *entries;
	uint32_t capacity, used;
	LIST_HEAD(, pending_entry) free;
};

int pending_init(struct pending_table *pt, uint32_t capacity) MUST_CHECK;
void pending_fini(struct pending_table *pt);

/* Remember a request; `like` gives its fields.  Returns false when the table
 * is full. */
bool pending_add(struct pending_table *pt, const struct pending_entry *like,
		 uint64_t *ret_cookie);

/* The entry of a request that has not been answered. */
struct pending_entry *pending_find(const struct pending_table *pt,
				   uint64_t cookie);

/* The request has been answered: give its entry back.  Returns a copy. */
struct pending_entry pending_take(struct pending_table *pt, uint64_t cookie);

/* The connection goes: its requests go on without it. */
void pending_orphan(struct conn *c);

#endif
