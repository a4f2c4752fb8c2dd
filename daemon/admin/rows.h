/* SPDX-License-Identifier: MIT */
/* The rows of a reply that is a table: an array of messages, and an array of
 * pointers to the rows that are kept.  Rows that do not fit into one reply are
 * left out. */
#ifndef MEMD_ADMIN_ROWS_H
#define MEMD_ADMIN_ROWS_H

#include "daemon/net/conn.h"
#include <stdbool.h>
#include <stddef.h>

struct rows {
	void *row;		/* room for `most` rows of row_bytes each */
	void **pointer;			/* to the rows that are kept */
	size_t count;
	size_t bytes;		/* packed size so far */
};

/* Returns false if there is no memory; then the request has been answered. */
bool rows_init(struct rows *rows, struct conn *c, uint64_t id, size_t most,
	       size_t row_bytes) MUST_CHECK;
void rows_fini(struct rows *rows);

/* Keep the row that was just filled in.  Returns false if the reply is full. */
bool rows_keep(struct rows *rows, ProtobufCMessage *row) MUST_CHECK;

#endif
