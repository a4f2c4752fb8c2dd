/* SPDX-License-Identifier: MIT */
/* The faults of clients that are not answered yet: one record each, of which
 * the pager has its part.  When a connection ends, its faults stay without a
 * connection. */
#ifndef MEMD_SERVE_CLIENT_FAULT_H
#define MEMD_SERVE_CLIENT_FAULT_H

#include "common/checks.h"
#include "daemon/pager/pager.h"
#include <sys/queue.h>
#include <sys/types.h>

struct conn;

struct client_fault {
	struct fault fault;		/* first: the pager knows only this */
	struct conn *conn;		/* NULL: ended */
	uint64_t request_id;
	uint32_t segment_number;
	uint32_t session;		/* for the trace, as pid */
	pid_t pid;
	bool is_in_cell;		/* the answer goes into a mailbox */
	uint8_t cell;			/* cell of that mailbox */
	bool is_answered;		/* the client already has its answer */
	LIST_ENTRY(client_fault) link;	/* of conn, or of the free ones */
};

struct client_faults {
	struct client_fault *all;
	uint32_t used;
	LIST_HEAD(, client_fault) free;
};

/* Returns 0 or -ENOMEM. */
int client_faults_init(struct client_faults *fs, uint32_t capacity) MUST_CHECK;
void client_faults_fini(struct client_faults *fs);

/* A record of `c`, all zeros else; NULL: all are in use. */
struct client_fault *client_faults_get(struct client_faults *fs,
				       struct conn *c);

/* The fault has been answered. */
void client_faults_put(struct client_faults *fs, struct client_fault *cf);

/* The connection ends: its faults go on without it. */
void client_faults_orphan(struct conn *c);

static inline struct client_fault *client_fault_of(struct fault *f)
{
	return (struct client_fault *)f;
}

#endif
