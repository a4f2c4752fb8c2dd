/* SPDX-License-Identifier: MIT */
/* A fault in a mailbox: the same as in a message, answered in cell `cell`. */
#ifndef MEMD_SERVE_HANDLE_FAULT_H
#define MEMD_SERVE_HANDLE_FAULT_H

#include "daemon/net/conn.h"

struct serve;

void handle_fault_in_cell(struct serve *sv, struct conn *c, unsigned cell,
			  uint64_t id, const void *message);
void handle_touched_in_cell(struct serve *sv, struct conn *c,
			    const void *message);

#endif
