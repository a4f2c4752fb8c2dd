/* SPDX-License-Identifier: MIT */
/* The session's mailbox (proto/mailbox.h), the client's side: threads ask for
 * pages in it without a system call, from a SIGBUS handler too; the library's
 * thread does the same without waiting.
 *
 * What cannot be asked here (no mailbox, no free cell, no bell, the page lost,
 * the daemon gone) the library's thread asks, in a cell or on the link. */
#ifndef MEMD_CLIENT_FAULT_MAILBOX_H
#define MEMD_CLIENT_FAULT_MAILBOX_H

#include "client/fault/bell.h"
#include "client/region/region.h"
#include "client/region/told.h"
#include "proto/mailbox.h"
#include "proto/wire.h"

/* Beside each cell, its taker's: a thread may have little stack.  What is
 * touched is for the engine of this process, too (direct.h). */
struct box_scratch {
	_Atomic(const struct region *) region;	/* NULL: the library asks */
	_Atomic uint64_t page;
	_Atomic uint32_t is_coming;	/* its bytes are here: the answer is a
					 * matter of microseconds */
	_Atomic uint32_t cpu;		/* on which it waits, plus 1 */
	bool had_company;		/* did others run before that, the last
					 * time?  Who took the cell's own */
	uint8_t message[MAILBOX_FRAME_BYTES];
	uint8_t arena[512] __attribute__((aligned(16)));
};

struct box_answer {
	uint64_t first, count, mark;	/* as in FaultReply; TOLD_NO_PAGE */
	bool is_mapped;			/* already, and nothing else is said */
};

struct box {
	/* The session whose mailbox is mapped.  0: none. */
	_Atomic uint64_t generation;
	struct mailbox *shared;
	struct bell *bell;		/* its; borrowed */
	_Atomic uint32_t users;		/* threads that may be in it */
	_Atomic uint32_t asking;	/* of these: waiting for an answer */
	/* Sleeps that the clock ended, and somebody should have: 0 as long
	 * as M2 and M3 hold. */
	_Atomic uint64_t overslept;
	struct box_scratch scratch[MAILBOX_CELLS];

	/* The library's thread's own. */
	uint64_t mine;			/* its cells that were asked */
};

/* ---- any thread */

/* Ask for a page and wait for the answer, at most until deadline_ns.
 * Async-signal-safe.  Returns 0; -EAGAIN (nothing was asked) or -EIO: the
 * library's thread has to be asked instead. */
int box_ask(struct box *b, const struct region *r, uint64_t page,
	    bool is_write, uint64_t deadline_ns,
	    struct box_answer *ret_answer) MUST_CHECK;

/* Tell the daemon that a page was mapped; nobody answers.  Async-signal-safe.
 * Returns 0, or -EAGAIN: it was not told. */
int box_tell_touched(struct box *b, const struct region *r, uint64_t page)
	MUST_CHECK;

/* Which page is asked for in a cell?  NULL: none, or by the library's thread.
 * Async-signal-safe. */
const struct region *box_asked(struct box *b, unsigned cell,
			       uint64_t *ret_page);

/* Whoever asked in the cell should not let go of his processor now. */
void box_announce(struct box *b, unsigned cell);

/* Did whoever asked in the cell last look for the answer on this processor? */
bool box_is_on_cpu(const struct box *b, unsigned cell, int cpu);

/* ---- the library's thread */

/* Map the mailbox that came for session `generation`.  `fd` is borrowed.
 * Returns 0, -EBUSY (a thread is still in the last one), -EEXIST (it has one),
 * -EPROTO (not a mailbox), -ENOMEM. */
int box_open(struct box *b, int fd, uint64_t generation) MUST_CHECK;

/* The session is over: nobody asks any more, who waits goes on. */
void box_close(struct box *b);

/* At the end of the connection; nobody is in it. */
void box_fini(struct box *b);

/* Put a request into a cell, without waiting.  Returns 0 or -EAGAIN.
 * *ret_must_ring: the daemon sleeps and must be sent a Ring. */
int box_post(struct box *b, uint16_t type, uint64_t request_id,
	     const ProtobufCMessage *message, bool *ret_must_ring) MUST_CHECK;

/* Did a thread leave the daemon asleep, as it could not ring?  Then the duty is
 * the caller's (X5).  To be called before each sleep: the thread then asks the
 * library's thread, which may have asked for that page already, and have relied
 * on that thread to ring. */
bool box_must_ring(struct box *b);

/* Take the next one.  The header and body are copied to `message`; a header
 * of zeros stands for what is none.  False when there is none. */
bool box_next(struct box *b, uint8_t message[MAILBOX_FRAME_BYTES],
	      struct wire_header *ret_header);

/* Is it worth looking for an answer before sleeping? */
bool box_is_worth_waiting(const struct box *b);

/* Is the daemon on this processor, and can do nothing while we look?  Any
 * thread that is in the mailbox; async-signal-safe. */
bool box_is_in_the_way(const struct box *b);

/* Look for a microsecond or two.  True when an answer is there. */
bool box_look(const struct box *b);

/* Before the thread sleeps.  Returns for how long it may: 0 when an answer is
 * there, -1 when it waits for none. */
int box_sleep(struct box *b);

/* After it.  `is_overdue`: nothing came for as long as box_sleep() said.
 * Returns true when the daemon should be rung, as it may not have heard. */
bool box_wake(struct box *b, bool is_overdue);

#endif
