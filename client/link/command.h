/* SPDX-License-Identifier: MIT */
/* Commands: how any thread asks the library's thread for something.
 *
 * A command is a cell of a fixed table, and has a bell: a page of memory that
 * is registered with the library's userfaultfd and is never there.  The asking
 * thread fills the cell, then reads its bell.  That fault is what wakes the
 * library's thread; and the page is given only when the command is done, so
 * the fault is also what the asking thread waits in.  No descriptor, no lock,
 * no heap and no stack of the program takes part, so it works from a signal
 * handler, with all descriptors closed, and with the caller's stack in managed
 * memory.
 *
 * What makes it right:
 *
 * C1  free -> claimed is a compare-and-swap: a cell has one owner.
 * C2  posted is stored (release) after the cell is filled and before the bell
 *     is touched; the library's thread takes a cell only if it finds it posted
 *     (acquire).  A touch of a bell whose cell is not posted is answered with
 *     the page and has no other meaning.
 * C3  Between posted and done the cell belongs to the library's thread.
 * C4  done is stored (release) before the page is given: who comes back from
 *     the bell and does not find done has been woken by something else (a
 *     signal, mlockall(), a stray page), drops the page and touches again.
 * C5  Every command ends: the handler gives each a deadline.
 * C6  Faults have cells of their own, because a thread that holds a cell for
 *     a call may fault; one that holds a cell for a fault does not. */
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
	COMMAND_BODY_BYTES = 1024,	/* a SegmentCreate with long names */
	COMMAND_BELLS_BYTES = COMMANDS_MAX * 4096,
};

enum command_state { COMMAND_FREE, COMMAND_CLAIMED, COMMAND_POSTED,
		     COMMAND_TAKEN, COMMAND_DONE };

enum command_kind {
	COMMAND_REQUEST,	/* send `body` as it is, want Ok or a segment */
	COMMAND_MAP,		/* the same, and map the segment that comes */
	COMMAND_UNMAP,
	COMMAND_ADVISE,
	COMMAND_PIN,
	COMMAND_UNPIN,
	COMMAND_STATS,
	COMMAND_FAULT,		/* `address` misses a page (inline regions) */
	COMMAND_STOP,
};

struct command {
	_Atomic uint32_t state;

	/* In. */
	enum command_kind kind;
	uint16_t type;			/* REQUEST, MAP: of the message */
	size_t body_bytes;
	uint8_t body[COMMAND_BODY_BYTES];
	char name[WIRE_NAME_BYTES_MAX + 1];	/* MAP: "" is private */
	uintptr_t address;
	size_t length;
	int advice;
	uint32_t page_bytes;		/* MAP: asked; 0: a named one's own */
	bool is_inline;
	bool is_read_only;
	bool is_write;			/* FAULT */
	uint64_t started_ns;		/* FAULT */

	/* Out. */
	int result;
	char text[ERRORS_TEXT_BYTES];	/* why, when result != 0 */
	uintptr_t ret_address;
	uint64_t ret_length;
	uint32_t ret_page_bytes;
	uint64_t figure[10];		/* STATS, in the reply's order */

	/* The handler's own. */
	uint64_t request_id;		/* 0: not sent yet */
	uint32_t segment;		/* ADVISE, PIN, UNPIN: what was sent */
	uint64_t first_page, end_page;
	bool is_mapping;		/* PIN: answered, next_page is next */
	uint64_t next_page;
	uint64_t deadline_ns;
};

struct commands {
	struct command cell[COMMANDS_MAX];
	_Atomic uint32_t released;	/* futex: counts cells given back */
	uint8_t *bells;			/* a page each */
	int uffd;			/* the handler's, of the bells */
};

/* ---- any thread */

/* A free cell; waits until there is one.  Async-signal-safe for faults. */
struct command *command_claim(struct commands *cs, bool is_fault);

/* Hand it over and wait until it is done.  Async-signal-safe. */
void command_run(struct commands *cs, struct command *c);

void command_release(struct commands *cs, struct command *c);

/* ---- the handler */

/* Make the bells, watched by `uffd` (borrowed).  0 or -ENOMEM. */
int commands_open(struct commands *cs, int uffd) MUST_CHECK;

/* Nobody may be in a command. */
void commands_close(struct commands *cs);

/* `address` was touched.  The command that was posted there, which is taken
 * now; NULL: none was.  ret_is_bell: is it a bell at all? */
struct command *commands_take(struct commands *cs, uintptr_t address,
			      bool *ret_is_bell);

static inline bool command_is_taken(struct command *c)
{
	return atomic_load_explicit(&c->state, memory_order_acquire) ==
	       COMMAND_TAKEN;
}

/* Say that it is done, and let its thread go on. */
void command_finish(struct commands *cs, struct command *c, int result,
		    const char *text);

#endif
