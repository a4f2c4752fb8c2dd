/* SPDX-License-Identifier: MIT */
/* The mailbox of a session with the tests' own daemon (client_fake_daemon.h).
 * That daemon sleeps whenever it has nothing to do, so each request is rung
 * for.  What an answer is, the caller knows. */
#ifndef MEMD_TESTS_CLIENT_FAKE_MAILBOX_H
#define MEMD_TESTS_CLIENT_FAKE_MAILBOX_H

#include "proto/mailbox.h"
#include "proto/wire.h"
#include <stdbool.h>
#include <stddef.h>

enum { FAKE_CELLS_FEW = 3 };

struct fake_box {
	struct mailbox *shared;		/* NULL: none */
	int bell;			/* our end; -1: none */
};

/* Make one.  ret_fds: the file, and the client's end of the bell (without
 * has_bell: -1); both are the caller's.  is_small: only FAKE_CELLS_FEW of the
 * cells can be had. */
void fake_box_open(struct fake_box *box, bool has_bell, bool is_small,
		   int ret_fds[2]);
/* Accepts one that is not open. */
void fake_box_close(struct fake_box *box);

/* Read the bell.  Returns how often it was rung. */
unsigned fake_box_hear(struct fake_box *box);

/* Which cells were asked; none: the daemon may sleep now. */
uint64_t fake_box_look(struct fake_box *box);

/* Copy what is asked in a cell.  False: nothing. */
bool fake_box_read(const struct fake_box *box, unsigned cell,
		   uint8_t frame[MAILBOX_FRAME_BYTES],
		   struct wire_header *ret_header);
bool fake_box_is_library(const struct fake_box *box, unsigned cell);

/* Put these bytes into a cell, with this length, as its answer.  True: the
 * library must be sent a Ring. */
bool fake_box_answer(struct fake_box *box, unsigned cell, const void *bytes,
		     size_t count, uint32_t frame_bytes);

/* What was there has no answer. */
void fake_box_free(struct fake_box *box, unsigned cell);

#endif
