/* SPDX-License-Identifier: MIT */
/* The table of requests, other than faults, that the pager has not answered
 * yet.  A request's cookie is the index of its entry and a generation, so an
 * assertion finds an answer that comes twice.  When a connection ends, its
 * entries stay without a connection. */
#ifndef MEMD_SERVE_PENDING_H
#define MEMD_SERVE_PENDING_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct conn;
struct pin;
struct guest_op;
struct replay;

enum pending_kind {
	PENDING_FREE, PENDING_ADVISE, PENDING_PIN,
	PENDING_UNPIN, PENDING_EVICT, PENDING_REPLAY, PENDING_GUEST,
	/* These are not requests to the pager. */
	PENDING_GUEST_CLOSE, PENDING_MAP,
};

struct pending_entry {
	enum pending_kind kind;
	uint32_t generation;
	struct conn *conn;		/* NULL: ended, or nobody waits */
	uint64_t request_id;
	struct pin *pin;		/* PIN, UNPIN */
	struct guest_op *guest_op;	/* GUEST */
	struct replay *replay;		/* REPLAY */
	uint32_t page_count;		/* REPLAY */
	LIST_ENTRY(pending_entry) link;	/* of conn, or of the free entries */
};

struct pending_table {
	struct pending_entry *entries;
	uint32_t capacity, used;
	LIST_HEAD(, pending_entry) free;
};

int pending_init(struct pending_table *pt, uint32_t capacity) MUST_CHECK;
void pending_fini(struct pending_table *pt);

/* Add a request with the fields of `like`.  Returns false if the table is
 * full. */
bool pending_add(struct pending_table *pt, const struct pending_entry *like,
		 uint64_t *ret_cookie);

/* The entry of a request that is in the table.  Any other cookie is a bug. */
struct pending_entry *pending_find(const struct pending_table *pt,
				   uint64_t cookie);

/* The request has been answered: free its entry, and return a copy of it. */
struct pending_entry pending_take(struct pending_table *pt, uint64_t cookie);

/* The connection ends: its requests go on without it. */
void pending_orphan(struct conn *c);

#endif
