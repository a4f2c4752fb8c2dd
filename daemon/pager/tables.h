/* SPDX-License-Identifier: MIT */
/* The pager's tables.  Only the pager's own files include this.
 *
 * All state is in flat tables (common/table.h) linked by index: pages, frames,
 * segments, accounts, batches.  Index 0 means "none" everywhere, so a table of
 * zeros is a valid empty table.  Only faults are elsewhere: the record of a
 * fault belongs to who asked, and the pager's queues link it.
 *
 * The files stand on each other: a file calls only files on its own line or on
 * lines above it here.
 *
 *   account, frame, page,
 *   fault_queue                    entries of the tables, and faults
 *   victims                        what the policy of daemon/replace asks
 *   stream                         what to read ahead
 *   batch                          I/O of a run of pages
 *   zero, load, write_back,
 *   capture, evict                 pages come in, and leave
 *   ahead                          pages that no client has asked for
 *   answer, fault, waiting         pages that a client waits for
 *   advice_act, advice             what clients advise
 *   area, segment, teardown        segments, and where their pages may go
 *   turn                           events, and the work that they cause
 *
 * Invariants (check.c counts again and compares):
 *   P1  A page has a frame exactly in the states RESIDENT, LOADING and
 *       EVICTING.  The frame names the page.
 *   P2  free_units + lent_units + frames in those three states ==
 *       frame_count.
 *   P3  A SWAPPED or LOADING page has a slot; a ZERO or LOST page has none.  No
 *       two pages share a slot.  Slots in use == slots of pages + slots being
 *       written.
 *   P4  A page is busy if it is LOADING, EVICTING, or RESIDENT with
 *       PAGE_WRITING.  A busy page is in exactly one batch, and names it.  A
 *       page that is not busy is in no batch.  The pages of a CAPTURE batch are
 *       EVICTING, and may still be in the data file (capture.c, C1 … C4).
 *   P5  Every fault is in exactly one queue.  The page of a fault in a
 *       batch's queue is in that batch; or it was in an earlier batch, and the
 *       answer may also cover pages of this one.
 *   P6  committed <= commit limit when a segment is admitted.  The charges of
 *       an account == what its segments and its children use.
 *   P7  A frame is put only if E1 (write_back.c) holds: no frame that is given
 *       away has the only copy of bytes. */
#ifndef MEMD_PAGER_TABLES_H
#define MEMD_PAGER_TABLES_H

#include "common/table.h"
#include "daemon/pager/frame_line.h"
#include "daemon/pager/pager.h"
#include "daemon/replace/replace.h"
#include "daemon/pager/staging.h"
#include "daemon/pager/stream.h"
#include "daemon/pager/slots.h"
#include "proto/checksum.h"

/* Index into the page table, which has the pages of all segments. */
typedef uint32_t page_id;
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
 * And EVICTING ──▶ LOST: its memory failed while it was captured.  EVICTING ──▶
 * RESIDENT also if a capture that was under way has failed.
 */
enum page_state {
	PAGE_ZERO,		/* has no bytes: reads as zeros */
	PAGE_RESIDENT,		/* present in the data file */
	PAGE_LOADING,		/* its slot is being read into staging */
	/* Captured, and its bytes are in staging; or its capture is under
	 * way. */
	PAGE_EVICTING,
	PAGE_SWAPPED,		/* its bytes are only in its slot */
	PAGE_LOST,		/* its bytes are lost */
	PAGE_STATES
};

/* Flags of struct page. */
enum {
	/* The page was put back while its slot was being written.  Such a page,
	 * and a page in LOADING or EVICTING, is *busy*: only the end of its I/O
	 * changes its state. */
	PAGE_WRITING = BIT(0),
	/* A zero-fill ran out of memory half way, so some units may be holes.
	 * A hole is captured as zeros, which is right.  The next fault fills
	 * it. */
	PAGE_PARTIAL = BIT(1),
	/* The page was chosen for a capture in this call. */
	PAGE_LEAVING = BIT(2),
};

/* Every page of every segment has an entry.  Memory is used only for entries
 * that were touched: 128 entries to a memory page. */
struct page {
	struct checksum sum;	/* of the slot's content */
	/* First slot of its chain; a RESIDENT page may keep its slot, in case
	 * it stays clean. */
	slot_id slot;
	union {
		/* LOADING, RESIDENT, EVICTING.  In doubt, ask page_frame(). */
		frame_id frame;
		/* SWAPPED: what replace_leave() said; 0: nothing. */
		uint32_t left;
	};
	uint32_t generation;	/* of the slot's content; only grows */
	uint16_t batch;		/* its batch, while it is busy */
	uint8_t state;
	uint8_t flags;
};
_Static_assert(sizeof(struct page) == 32, "32 bytes a page are promised");

enum { PAGES_PER_CHUNK = 128 };	/* pages described by 4 KiB of table */

/* Flags of struct frame. */
enum {
	/* Came in without being asked for, and no client was told yet: it may
	 * be mapped along with its neighbours. */
	FRAME_FRESH = BIT(0),
	/* Was read ahead for a stream, and is not known to have been used. */
	FRAME_AHEAD = BIT(1),
	/* The frame is in slotted_line.  The line has the number of the entry,
	 * so this flag stays when the page goes. */
	FRAME_IN_SLOTTED = BIT(2),
};

/* A page in memory.  A page larger than 4 KiB also has one entry, which counts
 * as 2^order of the pool's frames.
 *
 *   free_units + sum over used entries of 2^order == frame_count */
struct frame {
	page_id page;		/* 0: the entry is free */
	segment_id segment;
	uint16_t pins;
	uint8_t flags;
	uint8_t order;
	union {
		frame_id next;	/* free: the free list */
		/* The page is leaving: what replace_leave() said. */
		uint32_t left;
	};
};

enum segment_state { SEGMENT_FREE, SEGMENT_LIVE, SEGMENT_DYING };

struct pager_segment {
	uint64_t serial;
	uint64_t page_count;
	struct book_entry *book;	/* NULL: only memd faults pages in */
	/* Its first entry in the page table; the others follow. */
	page_id first;
	account_id account;
	area_id area;			/* 0: there is no store */
	/* Ordered by `first`; next: also the free list. */
	segment_id next, prev;
	/* Next in pager.dying or pager.blocked. */
	segment_id dying_next;
	uint8_t state;
	uint8_t order;
	uint8_t mode;			/* enum stream_mode */
	uint32_t count[PAGE_STATES];	/* pages in each state except ZERO */
	uint32_t slotted;		/* RESIDENT pages that keep a slot */
	uint32_t writing;		/* RESIDENT pages with PAGE_WRITING */
	uint32_t stuck_pages;		/* EVICTING, in stuck batches */
	uint32_t waiting_count;		/* faults that are not answered yet */
	uint64_t pinned_units;		/* of all its pins (advice.c) */
	/* DYING: the pages before it are done */
	uint64_t teardown_cursor;
	/* DYING: the entries before it are given back */
	uint64_t shed_cursor;
	bool is_dying_queued;		/* DYING: is in pager.dying */
	bool is_parked;			/* DYING: is in pager.parked */
	/* DYING: its pages can perhaps never be taken out. */
	bool is_blocked;
	bool is_stuck;			/* nothing of it can be captured */
	bool is_reserved;		/* pager_segment_reserve() */
	struct stream_set streams;
	bool is_ahead_queued;
	uint8_t ahead_stream;		/* the stream that has the next turn */
	segment_id ahead_next;
};

/* Queues: first come, first served. */
struct fault_queue {
	struct fault *head, *tail;
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

/* Lists of accounts that have something to do, so that no walk over all
 * accounts is needed. */
enum account_list {
	/* Something may have to be evicted: the account has (or had) more
	 * frames than its limit, or a fault or PIN below it waits for
	 * frames. */
	ACCOUNT_PRESSED,
	/* The account has given up frames, and faults wait for them. */
	ACCOUNT_RETRY,
	/* Captures of it are refused. */
	ACCOUNT_BARRED,
	ACCOUNT_LISTS
};

struct pager_account {
	account_id parent;
	account_id next_free;
	bool is_used;
	uint64_t limit_frames;
	uint64_t used_frames;		/* resident, loading and evicting */
	uint64_t evicting_frames;	/* of used_frames: will be free soon */
	uint64_t lent_units;		/* frames that its programs may use */
	uint64_t limit_mapped_units;
	uint64_t mapped_units;
	uint64_t dying_units;		/* of mapped_units: in dying segments */
	uint64_t pinned_units;
	uint64_t wanted_units;		/* frames that a parked PIN waits for */
	/* Why ops.capture has refused pages of the account itself: -EAGAIN or
	 * -EBUSY.  0: it has not, since account_unbar_all(). */
	int bar;
	/* Faults that wait because of the account's limit.  Those in `waiting`
	 * are served in order.  If as many faults as the limit can bear are in
	 * `waiting` or have been served and not answered, new ones are set
	 * aside (waiting.c). */
	struct fault_queue waiting, set_aside;
	uint32_t near_count;		/* faults in `waiting` */
	/* Faults that were served, not answered. */
	uint32_t serving_count;
	/* Faults served since one was brought back from set_aside. */
	uint32_t served_count;
	struct {
		account_id next;
		bool is_in;
	} in_list[ACCOUNT_LISTS];
	/* All frames were looked at and none can go: do not look before this
	 * time, unless a fault or PIN waits. */
	uint64_t vain_until_ns;
};

enum batch_kind { BATCH_FREE, BATCH_LOAD, BATCH_EVICT, BATCH_CAPTURE,
		  BATCH_FILL };
enum {
	BATCH_PAGES_MAX = 64,
	BATCH_DROPS_MAX = 96,		/* pages of a CAPTURE batch with
					 * is_drop */
	/* Of all kinds but CAPTURE together.  There are PAGER_TICKETS_MAX more,
	 * one for each ticket. */
	BATCHES_MAX = 256,
};

/* A batch: pages whose bytes are in staging while the store reads or writes
 * them.  Page i is at units [i << order, (i + 1) << order) of the batch's
 * staging.  All pages have the same order.  The pages of a load belong to one
 * segment and ascend.
 *
 * CAPTURE: pages whose capture is under way (capture.c).  They have no staging
 * yet; when the capture has ended, the batch becomes an EVICT batch. */
struct batch {
	uint8_t kind;
	uint8_t order;
	/* load: each page has its own request */
	bool is_retry;
	bool is_ahead;			/* load: no fault waits for it */
	bool is_drop;			/* capture: the bytes are not needed */
	bool is_stuck;			/* capture: it may never end */
	uint32_t ticket;		/* capture: 1 … PAGER_TICKETS_MAX */
	uint64_t started_ns;		/* capture */
	uint16_t page_count;
	uint16_t io_pending;		/* requests that have not ended */
	/* Of io_pending: counted in pager.ahead_io. */
	uint16_t ahead_io;
	uint32_t staging_first, staging_count;
	batch_id next;			/* in a queue, or the free list */
	/* Where submission goes on after the store was full. */
	uint16_t cursor_page;
	uint32_t cursor_unit;
	slot_id cursor_slot;
	bool is_stalled;
	uint32_t fill_count;		/* fill: slots from slot[0] on */
	/* Sets of pages, one bit each; load and evict only: */
	uint64_t wanted;		/* to be read or written */
	uint64_t failed;		/* its I/O has failed */
	uint64_t put_back;		/* evict: is in the data file again */
	uint64_t returning;		/* some units are there (again) */
	uint64_t settled;		/* nothing is left to do */
	uint64_t ahead;			/* load: was read ahead */
	uint64_t io_ns;
	struct fault_queue waiting;		/* load and capture */
	page_id page[BATCH_DROPS_MAX];
	segment_id segment[BATCH_DROPS_MAX];
	slot_id slot[BATCH_PAGES_MAX];	/* evict: the slot that is written */
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

/* An advice that is under way. */
struct advice {
	uint8_t state;
	uint8_t kind;			/* enum pager_advice */
	/* done() was called; the advice goes on in the background */
	bool is_answered;
	segment_id segment;
	uint64_t first, end, cursor;
	/* DONTNEED: pages before it were dropped, or are being dropped. */
	uint64_t drop_end;
	uint64_t cookie, count;
	uint64_t charged_units;		/* pins to give back when it ends */
	int result, claim_tries;	/* of the page at the cursor */
};

/* Limits of the work in one turn (pager_run()). */
enum {
	TEARDOWN_UNITS = 96,		/* about 30 us */
	ADVICE_WORK_PER_TURN = 256,	/* see advice.c */
};

struct pager {
	struct pager_config config;
	const struct pager_ops *ops;
	void *ctx;			/* of ops */
	const struct pager_callbacks *up;
	void *up_ctx;
	uint64_t now_ns;

	struct table page_table, chunk_table, frame_table, segment_table,
		     account_table, batch_table;
	/* RESIDENT pages that may keep a slot. */
	struct frame_line slotted_line;
	struct replace *replace;	/* owned; its groups are accounts */
	struct page *page;
	/* Pages in each chunk that are not ZERO. */
	uint16_t *chunk;
	struct frame *frame;
	struct pager_segment *segment;
	struct pager_account *account;
	struct batch *batch;
	uint32_t page_limit;		/* entries in the page table */

	struct slots slots;
	area_id only_area;		/* of all segments; 0: there are others,
					 * or no store */
	struct staging read_staging, write_staging;

	uint32_t free_units;
	uint32_t lent_units;		/* frames that programs may use */
	uint32_t recalled_units;	/* lent at the last asks_loans */
	bool asks_loans;
	uint32_t lend_wanted;		/* free frames that a loan lacked */
	frame_id frame_free;
	uint32_t units[PAGE_STATES];	/* frames of the pages in each state */
	uint64_t pinned_units;
	/* Of pinned_units: of reserved segments. */
	uint64_t reserved_pinned_units;
	segment_id segment_free, segment_first;
	struct segment_queue dying;	/* DYING, and work is possible */
	struct segment_queue parked;
	segment_id segment_hint;	/* the search for a gap starts here */
	account_id account_free;
	uint32_t waiting_count;		/* faults not answered */
	batch_id batch_free;
	batch_id fill_batch;		/* 0: none is under way */
	uint32_t batches_used;
	uint32_t capturing_count;	/* of batches_used: of kind CAPTURE */
	uint32_t capturing_units;	/* frames of their pages */
	uint32_t stuck_count;		/* of capturing_count */
	uint16_t batch_of_ticket[PAGER_TICKETS_MAX + 1];
	/* Batches with requests to submit, by class: in each, the store has
	 * room that the others cannot take (SW3). */
	struct batch_queue stalled[SWAP_CLASSES];
	struct batch_queue starved;	/* batches that wait for memory */
	struct fault_queue pool_waiting;
	uint64_t wanted_units;		/* frames that a parked PIN waits for */
	uint64_t committed_units;
	/* Of committed_units: of segments that will go soon. */
	uint64_t dying_units;
	uint32_t segment_count, dying_count;
	uint32_t blocked_count;		/* of dying_count */

	uint32_t frame_entries;		/* frames in use, of any order */
	/* Between reaching low and reaching high. */
	bool is_reclaiming;
	/* Units captured without freeing a frame, since the last success. */
	uint64_t futile_units;
	uint64_t futile_until_ns;
	uint32_t futile_free_slots;
	struct account_queue accounts[ACCOUNT_LISTS];
	uint32_t account_waiting;	/* faults in the queues of accounts */
	uint32_t teardown_budget;	/* units left in this turn */

	/* Readahead: segments with streams that want more pages. */
	struct segment_queue ahead;
	uint32_t ahead_count;
	uint32_t ahead_io;		/* readahead requests in flight */
	/* Units that readahead lacked the last time. */
	uint32_t ahead_wanted;

	/* One run of pages to be aged that the clients were not told of yet. */
	segment_id age_segment;
	uint64_t age_first, age_count;

	struct advice advice[ADVICE_MAX];
	uint32_t advice_count;
	/* Of advice_count: on segments that are not reserved. */
	uint32_t advice_others;
	unsigned advice_next;		/* where the next turn begins */
	uint32_t advice_work;		/* work left in this turn */
	uint64_t fault_ns;		/* time of the last fault */
	/* The counters; gauges are computed on demand. */
	struct pager_stats stats;
};

/* The free entries of a table form a list.  `next` 0 means the neighbour, so in
 * a table of zeros all entries are free, and entries that are never used cost
 * no memory.  The list ends behind the last entry. */
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

/* Frames that are free, or will be without anything that a client can hold
 * up. */
static inline uint64_t sure_units(const struct pager *pg)
{
	return (uint64_t)pg->free_units + pg->units[PAGE_EVICTING] -
	       pg->capturing_units;
}

/* Memory that all tables use now, in bytes.  Slow: it asks the system. */
uint64_t tables_memory_bytes(const struct pager *pg);

#endif
