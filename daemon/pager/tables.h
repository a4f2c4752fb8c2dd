/* SPDX-License-Identifier: MIT */
/* The pager's tables; nobody but its own files includes this.
 *
 * Everything that must outlive the process is in flat tables (common/table.h)
 * linked by index: pages, frames, segments, accounts, waiters, batches.
 * Index 0 is "none" everywhere, so a table of zeros is a valid empty one.
 *
 * The files stand on each other, each calls only those above it here:
 *
 *   account, frame, page, waiter   entries of the tables
 *   clock, stream                  policy: whom to evict, what to read ahead
 *   batch                          I/O of a run of pages
 *   zero, load, write_back, evict  pages come in, and leave
 *   ahead                          those that nobody has asked for
 *   answer, fault, waiting         those that somebody waits for
 *   advice_act, advice             what clients advise
 *   segment, teardown              who owns pages
 *   turn                           what happens, and what is due
 *
 * Invariants (check.c recounts them all):
 *   P1  A page has a frame exactly while RESIDENT, LOADING or EVICTING, and
 *       the frame names the page.
 *   P2  free_units + frames of those three states == frame_count.
 *   P3  A SWAPPED or LOADING page has a slot; a ZERO or LOST one has none.
 *       No two pages share a slot, and slots in use == slots of pages + slots
 *       being written.
 *   P4  A page in a batch is busy (LOADING, EVICTING, or RESIDENT with
 *       PAGE_WRITING) and names that batch; a busy page is in exactly one.
 *   P5  Every waiter is in exactly one queue.  The page of a batch's waiter
 *       is in that batch, or it was there and the waiter may be told of that
 *       batch's pages too.
 *   P6  committed <= commit limit when a segment is admitted; charges of an
 *       account == what its segments and its children use.
 *   P7  A frame is put only after E1 (write_back.c): no bytes are ever only
 *       in a frame that has been given away. */
#ifndef MEMD_PAGER_TABLES_H
#define MEMD_PAGER_TABLES_H

#include "common/table.h"
#include "daemon/pager/pager.h"
#include "daemon/pager/staging.h"
#include "daemon/pager/stream.h"
#include "daemon/pager/checksum.h"
#include "daemon/pager/slots.h"

typedef uint32_t page_id;	/* index into the page table of all segments */
typedef uint32_t frame_id;
typedef uint32_t waiter_id;
typedef uint32_t batch_id;

/*
 *            zero-fill             capture
 *   ZERO ───────────────▶ RESIDENT ───────▶ EVICTING ──▶ SWAPPED
 *    ▲                     ▲  ▲  put back,      │          │
 *    │ all zero, discarded │  │  write failed   │          │ fault
 *    ├─────────────────────┼──┴─────────────────┘          ▼
 *    │                     └──────────────────────────  LOADING ──▶ LOST
 *    └── discarded: from RESIDENT, SWAPPED, LOST
 *
 * And EVICTING ──▶ LOST: its memory failed while it was captured.
 */
enum page_state {
	PAGE_ZERO,		/* no bytes anywhere: reads as zeros */
	PAGE_RESIDENT,		/* present in the data file */
	PAGE_LOADING,		/* its slot is being read into staging */
	PAGE_EVICTING,		/* captured; its bytes are in staging */
	PAGE_SWAPPED,		/* its bytes are in its slot only */
	PAGE_LOST,		/* its slot could not be read */
	PAGE_STATES
};

/* Flags of struct page. */
enum {
	/* Put back while its slot is being written.  Such a page, and one in
	 * LOADING or EVICTING, is *busy*: only the end of its I/O moves it. */
	PAGE_WRITING = BIT(0),
	/* A zero-fill ran out of memory half way: some units may be holes.
	 * A hole captures as zeros, which is right; the next fault fills it. */
	PAGE_PARTIAL = BIT(1),
	/* Chosen to be captured with others, in this call. */
	PAGE_LEAVING = BIT(2),
};

/* An entry exists, at no cost, for every page of every segment; memory is
 * spent on those that have ever been touched (128 to a memory page). */
struct page {
	struct checksum sum;	/* of the slot's contents */
	slot_id slot;		/* first of its chain; RESIDENT pages may keep
				 * one, in case they stay clean */
	frame_id frame;
	uint32_t generation;	/* of the slot's contents; only grows */
	uint16_t batch;		/* while busy */
	uint8_t state;
	uint8_t flags;
};
_Static_assert(sizeof(struct page) == 32, "32 bytes a page are promised");

enum { PAGES_PER_CHUNK = 128 };	/* pages described by 4 KiB of table */

/* Flags of struct frame. */
enum {
	FRAME_REFERENCED = BIT(0),
	FRAME_COLD = BIT(1),	/* advised COLD and not used since */
	FRAME_FRESH = BIT(2),	/* came in unasked; nobody was told yet, so it
				 * may be mapped along with its neighbours */
	FRAME_AHEAD = BIT(3),	/* came in ahead of a stream and is not known
				 * to have been used */
	FRAME_SPARED = BIT(4),	/* AHEAD, and for that not aged once */
	/* It is in the line of that name.  These two are the entry's, and stay
	 * when its page goes. */
	FRAME_IN_COLD = BIT(5),
	FRAME_IN_SLOTTED = BIT(6),
	FRAME_LINES = FRAME_IN_COLD | FRAME_IN_SLOTTED,
};

/* A page in memory.  One entry even when the page is larger than 4 KiB: it
 * then counts for 2^order of the pool's frames.
 *
 *   free_units + sum over used entries of 2^order == frame_count */
struct frame {
	page_id page;		/* 0: entry is free */
	segment_id segment;
	uint16_t pins;
	uint8_t flags;
	uint8_t order;
	/* The ring of its account's frames; or (next) the free list. */
	frame_id next, prev;
};

/* Frames in a line, first in, first out: some that are worth a look, so that
 * nobody looks at all.  What has become of one meanwhile is seen when it comes
 * out.  A frame is in each line once at most, which its flag says. */
struct frame_line {
	struct table table;
	frame_id *id;
	uint32_t head, count;		/* of config.frame_count places */
	uint8_t flag;
};

enum segment_state { SEGMENT_FREE, SEGMENT_LIVE, SEGMENT_DYING };

struct pager_segment {
	uint64_t serial;
	uint64_t page_count;
	page_id first;			/* its pages are first, first + 1 … */
	account_id account;
	segment_id next, prev;		/* by `first`; next: free list, too */
	segment_id dying_next;		/* in pager.dying or pager.blocked */
	uint8_t state;
	uint8_t order;
	uint8_t mode;			/* enum stream_mode */
	uint32_t count[PAGE_STATES];	/* pages in each state but ZERO */
	uint32_t slotted;		/* RESIDENT pages that keep a slot */
	uint32_t writing;		/* RESIDENT pages with PAGE_WRITING */
	uint32_t waiting_count;		/* faults that are not answered */
	uint64_t pinned_units;		/* of all its pins: see advice.c */
	uint64_t teardown_cursor;	/* DYING: pages before it are done */
	uint64_t shed_cursor;		/* … and their entries given back */
	bool is_dying_queued;		/* DYING: it is in pager.dying */
	bool is_blocked;		/* DYING: ops.discard refused */
	bool is_stuck;			/* nothing can be captured from it */
	bool is_reserved;		/* pager_segment_reserve() */
	struct stream_set streams;
	bool is_ahead_queued;
	uint8_t ahead_stream;		/* the one that has the next turn */
	segment_id ahead_next;
};

/* First come, first served. */
struct waiter_queue {
	waiter_id head, tail;
};
struct batch_queue {
	batch_id head, tail;
};
struct segment_queue {
	segment_id head, tail;
};
struct account_queue {
	account_id head, tail;
};

/* Lists of accounts for which there is something to do, so that nobody looks
 * at all accounts. */
enum account_list {
	/* Something may have to be evicted: it has (or had) more frames than
	 * its limit, or one of its own waits for some. */
	ACCOUNT_PRESSED,
	/* It has given up frames, and faults wait for them. */
	ACCOUNT_RETRY,
	ACCOUNT_LISTS
};

struct pager_account {
	account_id parent;
	account_id next_free;
	bool is_used;
	uint64_t limit_frames;
	uint64_t used_frames;		/* resident, loading and evicting */
	uint64_t evicting_frames;	/* of these: soon free by themselves */
	uint64_t limit_mapped_units;
	uint64_t mapped_units;
	uint64_t dying_units;		/* of these: will go soon */
	uint64_t pinned_units;
	uint64_t wanted_units;		/* by a parked PIN */
	/* Faults that must wait for it: some are served in their order, and
	 * those that came when these, and those that have been served and not
	 * answered, were as many as its limit bears: set aside. */
	struct waiter_queue waiting, set_aside;
	uint32_t near_count;		/* in `waiting` */
	uint32_t serving_count;		/* served and not answered */
	uint32_t served_count;		/* since one was brought back */
	struct {
		account_id next;
		bool is_in;
	} in_list[ACCOUNT_LISTS];

	/* Its clock, for when it is over its limit, has two rings: of its own
	 * frames, and of the accounts below it that have any.  It goes
	 * round the one, then round each of the others' in turn.
	 *
	 *   frame_count == own_frames + sum over the ring of frame_count */
	uint32_t frame_count;		/* entries, of all below it too */
	uint32_t own_frames;		/* entries */
	uint32_t child_count;		/* accounts in the ring */
	frame_id hand;			/* where it is in the ring of these */
	account_id child;		/* and in that of accounts */
	account_id next, prev;		/* the ring of its parent */
	account_id looking_at;		/* itself or one below: whose frames */
	uint32_t looks_left;		/* … these are, how many more */
	uint32_t children_left;		/* before its own have their turn */
	uint64_t vain_looks;		/* since the last victim */
	uint64_t vain_until_ns;		/* all was looked at, and nothing can
					 * go: look again then */
};

/* A fault that is not answered yet: on the pool's queue, on an account's, or
 * on a batch's. */
struct waiter {
	uint64_t cookie;
	uint64_t start_ns, frame_ns;
	page_id page;
	segment_id segment;
	waiter_id next;
	uint32_t client;
	account_id served_by;		/* it waited for this one's limit */
	uint8_t kind;			/* enum fault_kind */
	bool is_used;
	/* What else its answer may speak of: `around` pages in all, in the
	 * direction `step`, whose frames have one of `around_flags`; and for
	 * how many of them it is worth waiting. */
	int8_t step;
	uint8_t around_flags;
	uint16_t around, hold;
};

enum batch_kind { BATCH_FREE, BATCH_LOAD, BATCH_EVICT };
enum { BATCH_PAGES_MAX = 64 };

/* Pages whose bytes are in staging while the store reads or writes them.
 * Page i stands at units [i << order, (i + 1) << order) of the batch's run of
 * staging.  All have one order; a load's are of one segment and ascend. */
struct batch {
	uint8_t kind;
	uint8_t order;
	bool is_retry;			/* load: one request a page */
	bool is_ahead;			/* load: nobody waits for it */
	uint16_t page_count;
	uint16_t io_pending;		/* submitted, not ended */
	uint16_t ahead_io;		/* of these, in pager.ahead_io */
	uint32_t staging_first, staging_count;
	batch_id next;			/* in a queue, or free list */
	/* Submission goes on from here when the store was full. */
	uint16_t cursor_page;
	uint32_t cursor_unit;
	slot_id cursor_slot;
	bool is_stalled;
	/* A bit a page: */
	uint64_t wanted;		/* to be submitted */
	uint64_t failed;		/* its I/O ended badly */
	uint64_t put_back;		/* evict: in its data file again */
	uint64_t returning;		/* evict: some of its units are */
	uint64_t settled;		/* nothing is left to do for it */
	uint64_t ahead;			/* load: nobody has asked for it yet */
	uint64_t io_ns;
	struct waiter_queue waiting;		/* load */
	page_id page[BATCH_PAGES_MAX];
	segment_id segment[BATCH_PAGES_MAX];
	slot_id slot[BATCH_PAGES_MAX];	/* evict: being written */
	int error[BATCH_PAGES_MAX];
};

enum { ADVICE_MAX = 256 };

enum advice_state {			/* see advice.c */
	ADVICE_FREE,
	ADVICE_ACTING,
	ADVICE_WANTING,
	ADVICE_ENDING,
	ADVICE_STATES
};

/* An advice under way. */
struct advice {
	uint8_t state;
	uint8_t kind;			/* enum pager_advice */
	bool is_answered;		/* done() was called; goes on alone */
	segment_id segment;
	uint64_t first, end, cursor;
	uint64_t cookie, count;
	uint64_t charged_units;		/* pins to be given back at its end */
	int result;
};

/* Limits of the work of one turn. */
enum {
	TEARDOWN_UNITS = 96,		/* some 30 us */
	ADVICE_WORK_PER_TURN = 256,	/* see advice.c */
};

struct pager {
	struct pager_config config;
	const struct pager_ops *ops;
	void *ctx;			/* of the ops */
	const struct pager_callbacks *up;
	void *up_ctx;
	uint64_t now_ns;

	struct table page_table, chunk_table, frame_table, segment_table,
		     account_table, waiter_table, batch_table;
	struct frame_line cold_line, slotted_line;
	struct page *page;
	uint16_t *chunk;		/* pages of it that are not ZERO */
	struct frame *frame;
	struct pager_segment *segment;
	struct pager_account *account;
	struct waiter *waiter;
	struct batch *batch;
	uint32_t page_limit;		/* entries in the page table */

	struct slots slots;
	struct staging read_staging, write_staging;

	uint32_t free_units;
	frame_id frame_free;
	uint32_t units[PAGE_STATES];	/* frames in each state */
	uint64_t pinned_units;
	uint64_t reserved_pinned_units;	/* of these: of reserved segments */
	segment_id segment_free, segment_first;
	struct segment_queue dying;	/* can go on dying now */
	struct segment_queue blocked;
	segment_id segment_hint;	/* look for room behind it first */
	account_id account_free;
	waiter_id waiter_free;
	uint32_t waiting_count;		/* waiters in use */
	batch_id batch_free;
	uint32_t batches_used;
	/* To be submitted further; the second when nothing else is. */
	struct batch_queue stalled, stalled_ahead;
	struct batch_queue starved;	/* to be settled when there is memory */
	struct waiter_queue pool_waiting;
	uint64_t wanted_units;		/* by a parked PIN */
	uint64_t committed_units;
	uint64_t dying_units;		/* of these: will go soon */
	uint32_t segment_count, dying_count;
	uint32_t blocked_count;		/* of the dying ones */

	frame_id back_hand;
	frame_id frame_top;		/* entries behind it were never used */
	uint64_t vain_looks;		/* at frames, since the last victim */
	bool is_reclaiming;		/* below low, not yet above high */
	uint64_t futile_units;		/* captured in vain since the last */
	uint64_t futile_until_ns;
	uint32_t futile_free_slots;
	struct account_queue accounts[ACCOUNT_LISTS];
	uint32_t account_waiting;	/* faults in accounts' queues */
	uint32_t teardown_budget;	/* units that may go in this turn */

	/* Readahead: segments whose streams have not got all they want yet. */
	struct segment_queue ahead;
	uint32_t ahead_count;
	uint32_t ahead_io;		/* requests in flight for it */
	uint32_t ahead_wanted;		/* units it lacked the last time */

	/* Pages to be aged, not yet told: one run at a time. */
	segment_id age_segment;
	uint64_t age_first, age_count;

	struct advice advice[ADVICE_MAX];
	uint32_t advice_count;
	uint32_t advice_others;		/* of these: not of reserved segments */
	unsigned advice_next;		/* where the next turn begins */
	uint32_t advice_work;		/* that may be done in this turn */
	uint64_t fault_ns;		/* when there was one last */
	struct pager_stats stats;	/* the counters; gauges on demand */
};

/* Free entries of a table are a list: `next` is the one behind, 0 stands for
 * the neighbour.  So a table of zeros is one whose entries are all free, and
 * those that are never used cost no memory.  A list ends behind the table. */
static inline uint32_t next_free_entry(uint32_t id, uint32_t next)
{
	return next != 0 ? next : id + 1;
}

static inline uint32_t order_units(unsigned order)
{
	return 1u << order;
}

static inline uint64_t page_index(const struct pager_segment *sg, page_id page)
{
	return page - sg->first;
}

static inline bool page_is_busy(const struct page *p)
{
	return p->state == PAGE_LOADING || p->state == PAGE_EVICTING ||
	       (p->flags & PAGE_WRITING) != 0;
}

/* What all tables occupy now.  Slow: it asks the system. */
uint64_t tables_memory_bytes(const struct pager *pg);

#endif
