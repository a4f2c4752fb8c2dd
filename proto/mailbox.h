/* SPDX-License-Identifier: MIT */
/* The mailbox: shared memory in which a client's threads ask for pages without
 * a system call, as long as the daemon is awake.  This is its layout; what the
 * two sides do with it is in client/fault/mailbox.c and daemon/serve/mailbox.c.
 *
 * A cell carries one request and its reply, each a frame as on the socket
 * (wire.h).  The request id is chosen by the client and comes back.
 *
 *           client             client            daemon
 *   FREE ───────────▶ TAKEN ───────────▶ ASKED ──────────▶ ANSWERED, MAPPED
 *    ▲                                     │ client: waited    │ client:
 *    │   daemon, from LEFT; from ASKED     ▼ long enough       │ copied
 *    │   for what has no reply          LEFT                   │
 *    └─────────────────────────────────────┴───────────────────┘
 *
 * MAPPED is an answer without a frame: the page is there and mapped already
 * where it was touched, and there is nothing else to say.  Only an engine in
 * the client's own process can have done that (daemon/engine/memd_engine.h).
 *
 * M1  A cell is its taker's from TAKEN until it is FREE again, but for the
 *     daemon's turn between ASKED (or LEFT) and ANSWERED, MAPPED
 *     or FREE.
 * M2  Asking: state = ASKED, then the cell's bit in `asked`, then a look at
 *     daemon_sleeps.  Going to sleep: daemon_sleeps = 1, then a look at
 *     `asked`.  All are sequentially consistent, so one of the two sees the
 *     other: nobody sleeps on a request.
 * M3  The same for answers and sleeping askers: the daemon stores the state,
 *     then looks at is_waiting; the asker stores is_waiting, then sleeps only
 *     while the state is ASKED.
 * M4  The daemon believes nothing: `asked` is taken by exchange, a frame is
 *     copied out before it is looked at, its length is bounded, the state is
 *     changed by compare-and-exchange only.  A client that scribbles over its
 *     mailbox gets wrong answers to its own questions, and no more of the
 *     daemon's time than one that asks.
 * M5  The client believes an answer no more than one from a socket: it is a
 *     hint that CONTINUE, or the access itself, will work.
 *
 * The idea of a flag that says "I sleep, ring the bell" is io_uring's
 * (IORING_SQ_NEED_WAKEUP). */
#ifndef MEMD_PROTO_MAILBOX_H
#define MEMD_PROTO_MAILBOX_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	MAILBOX_CELLS = 64,		/* a bit each in `asked` */
	MAILBOX_CELL_BYTES = 512,
	MAILBOX_FRAME_BYTES = MAILBOX_CELL_BYTES - 16,
};

enum mailbox_state {
	CELL_FREE, CELL_TAKEN, CELL_ASKED, CELL_ANSWERED, CELL_LEFT,
	CELL_MAPPED
};

struct mailbox_cell {
	_Atomic uint32_t state;		/* futex, shared */
	_Atomic uint32_t is_waiting;	/* its asker sleeps on `state` */
	_Atomic uint32_t is_library;	/* asked by the library's thread */
	uint32_t frame_bytes;
	uint8_t frame[MAILBOX_FRAME_BYTES];
};
_Static_assert(sizeof(struct mailbox_cell) == MAILBOX_CELL_BYTES, "cell");

struct mailbox {
	/* Cells asked and not yet seen. */
	_Atomic uint64_t asked __attribute__((aligned(64)));
	/* The daemon does not look at `asked` until somebody rings. */
	_Atomic uint32_t daemon_sleeps __attribute__((aligned(64)));
	/* The processor it was on when it last looked or answered, plus one; 0:
	 * it does not say.  A hint: who looks for an answer there keeps it from
	 * being given, and does better to sleep. */
	_Atomic uint32_t daemon_cpu;
	/* Cells of the library's thread that were answered. */
	_Atomic uint64_t answered __attribute__((aligned(64)));
	/* It does not look at `answered` until the daemon rings. */
	_Atomic uint32_t library_sleeps __attribute__((aligned(64)));
	struct mailbox_cell cell[MAILBOX_CELLS] __attribute__((aligned(64)));
};

#endif
