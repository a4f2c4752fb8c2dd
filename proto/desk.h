/* SPDX-License-Identifier: MIT */
/* The desk: memory that memd shares with one session, over which the program
 * faults pages in by itself.  This is its layout; what the two sides do with it
 * is in client/fault/onesided.c and daemon/serve/desk.c.
 *
 * An *intent* says which page a thread is faulting in now.  A *credit* is a
 * frame that memd has lent.  Each credit has a cell, which also carries the
 * record of what became of it:
 *
 *         memd            program                 program
 *   FREE ──────▶ LENT ◀────────────▶ TAKEN{page} ────────▶ INSTALLED{page}
 *    ▲            │                                              │
 *    └────────────┴──────────────────────────────────────────────┘ memd
 *
 * One word has the state and the page, so that both change at once.
 *
 *   K1  A thread opens its intent, and then reads the page's entry in the book.
 *       memd marks the entry BUSY, and then reads the intents.  Both have a
 *       full fence between the two.  So memd sees the intent, or the thread
 *       sees BUSY.  (Dekker)
 *   K2  A thread closes its intent after its last use of what it has read in
 *       the entry: after the cell says INSTALLED, or is LENT again.
 *   K3  memd believes nothing.  It knows by itself which cells it has lent, and
 *       asks the data file whether a page is there.  A program that scribbles
 *       over its desk can use no more frames than it was lent, and can spoil
 *       only what it may write to anyway.
 *   K4  `lent`, `low` and `is_rung` are hints.  `open` is not: while it is 0,
 *       memd does not look at the intents. */
#ifndef MEMD_PROTO_DESK_H
#define MEMD_PROTO_DESK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	DESK_VERSION = 1,
	DESK_INTENTS = 64,		/* faults of a session at once */
	DESK_CREDITS = 1024,
	DESK_CREDIT_WORDS = DESK_CREDITS / 64,
};

enum credit_state {
	CREDIT_FREE, CREDIT_LENT, CREDIT_TAKEN, CREDIT_INSTALLED,
};

struct desk_credit {
	_Atomic uint64_t word;		/* credit_word() */
	/* Written while it is TAKEN, before the page is there; memd writes 0
	 * when it lends the credit. */
	_Atomic uint32_t segment;
	/* INSTALLED: what it took, in CLOCK_MONOTONIC. */
	uint32_t io_ns;			/* reading the slot; 0: no slot */
	uint64_t start_ns;
	uint32_t total_ns;
	uint32_t reserved;
};
_Static_assert(sizeof(struct desk_credit) == 32, "version 1");

/* The intent of one fault; 0: none. */
struct desk_intent {
	_Atomic uint64_t word __attribute__((aligned(64)));
};

struct desk {
	/* Intents that are open, or being opened. */
	_Atomic uint32_t open __attribute__((aligned(64)));
	/* The program rings, once, when so few credits are left. */
	_Atomic uint32_t low __attribute__((aligned(64)));
	_Atomic uint32_t is_rung;	/* memd sets it to 0 */
	/* A bit for each LENT cell. */
	_Atomic uint64_t lent[DESK_CREDIT_WORDS] __attribute__((aligned(64)));
	struct desk_intent intent[DESK_INTENTS];
	struct desk_credit credit[DESK_CREDITS];
};

enum { CREDIT_STATE_BITS = 2, CREDIT_PAGE_SHIFT = 8 };

static inline uint64_t credit_word(enum credit_state state, uint32_t page)
{
	return (uint64_t)page << CREDIT_PAGE_SHIFT | (uint64_t)state;
}

static inline enum credit_state credit_state_of(uint64_t word)
{
	return (enum credit_state)(word & ((1u << CREDIT_STATE_BITS) - 1));
}

static inline uint32_t credit_page_of(uint64_t word)
{
	return (uint32_t)(word >> CREDIT_PAGE_SHIFT);
}

/* The full fence of K1.  GCC refuses fences where ThreadSanitizer does not see
 * them; a locked operation is one on the machines that it knows. */
static inline void desk_fence(void)
{
#ifdef __SANITIZE_THREAD__
	static _Atomic uint32_t any;

	atomic_fetch_add(&any, 1);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Never 0, because no segment has the number 0. */
static inline uint64_t intent_word(uint32_t segment, uint32_t page)
{
	return (uint64_t)segment << 32 | page;
}

#endif
