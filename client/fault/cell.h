/* SPDX-License-Identifier: MIT */
/* The cells of a mailbox, one at a time: M1 and M2 of proto/mailbox.h.  Who
 * waits for what, mailbox.h knows.
 *
 * Threads: any; async-signal-safe. */
#ifndef MEMD_CLIENT_FAULT_CELL_H
#define MEMD_CLIENT_FAULT_CELL_H

#include "common/checks.h"
#include "proto/mailbox.h"
#include "proto/wire.h"
#include <stdbool.h>

/* Map the mailbox that `fd` (borrowed) is.  0, -EPROTO (not a mailbox),
 * -ENOMEM. */
int cells_map(int fd, struct mailbox **ret_mailbox) MUST_CHECK;

/* A free cell, of the first ones from `first` on; NULL: there is none. */
struct mailbox_cell *cell_take(struct mailbox *m, size_t first);

/* Put a message into it.  -EAGAIN: it does not fit, and the cell is free
 * again. */
int cell_fill(struct mailbox_cell *cell, uint16_t type, uint64_t id,
	      const ProtobufCMessage *message) MUST_CHECK;

/* Take the duty to ring (X4), if the daemon sleeps and nobody has it. */
bool cell_must_ring(struct mailbox *m);

/* M2.  Then as cell_must_ring(). */
bool cell_hand_over(struct mailbox *m, struct mailbox_cell *cell);

/* Sleep until it is answered.  The daemon wakes us through its own mapping.
 * False: the time is over. */
bool cell_sleep(struct mailbox_cell *cell, uint64_t timeout_ns);

/* X3.  Returns false when it holds no message. */
bool cell_copy(const struct mailbox_cell *cell,
	       uint8_t to[MAILBOX_FRAME_BYTES], struct wire_header *ret_header);

#endif
