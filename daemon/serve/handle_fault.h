/* SPDX-License-Identifier: MIT */
/* Faults and touches that came in a cell of a mailbox.  They are handled as if
 * they had come in a message; the answer to a fault goes into the same cell. */
#ifndef MEMD_SERVE_HANDLE_FAULT_H
#define MEMD_SERVE_HANDLE_FAULT_H

#include "daemon/net/conn.h"

struct serve;

void handle_fault_in_cell(struct serve *sv, struct conn *c, unsigned cell,
			  uint64_t id, const void *message);
void handle_touched_in_cell(struct serve *sv, struct conn *c,
			    const void *message);

#endif
