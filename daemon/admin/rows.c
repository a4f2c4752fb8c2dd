/* SPDX-License-Identifier: MIT */
#include "daemon/admin/rows.h"

#include "daemon/net/conn_output.h"
#include <errno.h>

enum { TABLE_BYTES_MAX = WIRE_REPLY_BYTES_MAX - 4096, ROW_OVERHEAD = 8 };

bool rows_init(struct rows *rows, struct conn *c, uint64_t id, size_t most,
	       size_t row_bytes)
{
	*rows = (struct rows){ 0 };
	rows->row = calloc(MAX(most, 1u), row_bytes);
	rows->pointer = calloc(MAX(most, 1u), sizeof(void *));
	if (rows->row != NULL && rows->pointer != NULL)
		return true;
	free(rows->row);
	free(rows->pointer);
	conn_send_error(c, id, -ENOMEM, "no memory for the table");
	return false;
}

void rows_fini(struct rows *rows)
{
	free(rows->row);
	free(rows->pointer);
}

bool rows_keep(struct rows *rows, ProtobufCMessage *row)
{
	size_t bytes = protobuf_c_message_get_packed_size(row) + ROW_OVERHEAD;

	if (rows->bytes + bytes > TABLE_BYTES_MAX)
		return false;
	rows->bytes += bytes;
	rows->pointer[rows->count++] = row;
	return true;
}
