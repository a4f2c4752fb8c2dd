/* SPDX-License-Identifier: MIT */
/* Commands: any thread uses them to ask the library's thread for something.
 *
 * A command is a cell of a fixed table.  Each cell has a *bell*: a page that is
 * registered with the library's userfaultfd and normally absent.  The asking
 * thread fills the cell, and then reads its bell.  The fault wakes the
 * library's thread, which makes the page present only when the command is done.
 * So the fault is also what the asking thread waits in.  This needs no
 * descriptor, lock, heap or stack of the program.  So it works in a signal
 * handler, after the program has closed all descriptors, and with a stack in
 * managed memory.
 *
 * Invariants:
 *
 * C1  free -> claimed is a compare-and-swap, so a cell has one owner.
 * C2  `posted` is stored (release) after the cell is filled and before the bell
 *     is touched.  The library's thread takes a cell only if it finds it posted
 *     (acquire).  If a bell is touched whose cell is not posted, the page is
 *     made present and nothing else happens.
 * C3  Between posted and done the cell belongs to the library's thread.
 * C4  `done` is stored (release) before the page is made present.  If the
 *     asking thread returns from the bell and does not find `done`, something
 *     else has woken it (a signal, mlockall(), a stray page): it drops the page
 *     and touches it again.
 * C5  Every command ends: the library's thread gives each a deadline.
 * C6  Faults have cells of their own.  A thread that holds a cell for a call
 *     may fault; a thread that holds a cell for a fault does not. */
#ifndef MEMD_CLIENT_LINK_COMMAND_H
#define MEMD_CLIENT_LINK_COMMAND_H

#include "client/link/errors.h"
#include "proto/limits.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	COMMAND_CALLS_MAX = 48,
	COMMAND_FAULTS_MAX = 48,
	COMMANDS_MAX = COMMAND_CALLS_MAX + COMMAND_FAULTS_MAX,
	/* Room for a SegmentCreate with long names. */
	COMMAND_BODY_BYTES = 1024,
	COMMAND_BELLS_BYTES = COMMANDS_MAX * 4096,
};

enum command_state { COMMAND_FREE, COMMAND_CLAIMED, COMMAND_POSTED,
		     COMMAND_TAKEN, COMMAND_DONE };

enum command_kind {
	COMMAND_REQUEST,	/* send `body`; the reply is Ok or a segment */
	COMMAND_MAP,		/* as REQUEST; then map the segment */
	COMMAND_UNMAP,
	COMMAND_ADVISE,
	COMMAND_PIN,
	COMMAND_UNPIN,
	COMMAND_STATS,
	/* A page of `address` is missing (inline regions). */
	COMMAND_FAULT,
	COMMAND_STOP,
};

struct command {
	_Atomic uint32_t state;

	/* Input. */
	enum command_kind kind;
	uint16_t type;			/* REQUEST, MAP: type of the message */
	size_t body_bytes;
	uint8_t body[COMMAND_BODY_BYTES];
	char name[WIRE_NAME_BYTES_MAX + 1];	/* MAP: name; "": private */
	uintptr_t address;
	size_t length;
	int advice;
	/* MAP: page size asked for; 0: the segment's */
	uint32_t page_bytes;
	bool is_inline;
	bool is_read_only;
	bool is_write;			/* FAULT */
	uint64_t started_ns;		/* FAULT */

	/* Output. */
	int result;
	char text[ERRORS_TEXT_BYTES];	/* the reason, if result is not 0 */
	uintptr_t ret_address;
	uint64_t ret_length;
	uint32_t ret_page_bytes;
	/* STATS: in the order of request_take_stats() */
	uint64_t figure[10];

	/* Used only by the library's thread. */
	uint64_t request_id;		/* 0: not sent yet */
	uint32_t segment;		/* ADVISE, PIN, UNPIN: what was sent */
	uint64_t first_page, end_page;
	/* PIN: the daemon has answered; next_page is mapped next */
	bool is_mapping;
	uint64_t next_page;
	uint64_t deadline_ns;
};

struct commands {
	struct command cell[COMMANDS_MAX];
	_Atomic uint32_t released;	/* futex: counts released cells */
	uint8_t *bells;			/* one page for each cell */
	/* Watches the bells; the library's thread has it. */
	int uffd;
};

/* ---- any thread */

/* Claim a free cell; waits until there is one.  Async-signal-safe if
 * is_fault. */
struct command *command_claim(struct commands *cs, bool is_fault);

/* Run the command and wait until it is done.  Async-signal-safe. */
void command_run(struct commands *cs, struct command *c);

void command_release(struct commands *cs, struct command *c);

/* ---- the library's thread */

/* Make the bells, watched by `uffd` (borrowed).  0 or -ENOMEM. */
int commands_open(struct commands *cs, int uffd) MUST_CHECK;

/* Unmap the bells.  No thread may be in a command. */
void commands_close(struct commands *cs);

/* `address` was touched.  Returns the command that was posted at this bell,
 * which is taken now; NULL: none was.  *ret_is_bell: the address is a bell. */
struct command *commands_take(struct commands *cs, uintptr_t address,
			      bool *ret_is_bell);

static inline bool command_is_taken(struct command *c)
{
	return atomic_load_explicit(&c->state, memory_order_acquire) ==
	       COMMAND_TAKEN;
}

/* Set the result, and let the asking thread go on. */
void command_finish(struct commands *cs, struct command *c, int result,
		    const char *text);

#endif
