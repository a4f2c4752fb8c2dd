/* SPDX-License-Identifier: MIT */
/* Rows of a reply that is a table: an array of messages, and one of pointers to
 * those that are in it.  What is more than fits into one reply is left out. */
#ifndef MEMD_ADMIN_ROWS_H
#define MEMD_ADMIN_ROWS_H

#include "daemon/net/conn.h"
#include <stdbool.h>
#include <stddef.h>

struct rows {
	void *row;		/* room for `most`, each row_bytes long */
	void **pointer;
	size_t count;
	size_t bytes;		/* packed, so far */
};

/* Returns false when there is no memory; the client has been told. */
bool rows_init(struct rows *rows, struct conn *c, uint64_t id, size_t most,
	       size_t row_bytes) MUST_CHECK;
void rows_fini(struct rows *rows);

/* Keep the row just filled in, if the reply has room for it. */
bool rows_keep(struct rows *rows, ProtobufCMessage *row) MUST_CHECK;

#endif
