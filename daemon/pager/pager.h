/* SPDX-License-Identifier: MIT */
/* The pager: decides which pages have frames.
 *
 * It has no sockets, no clock and no system calls.  What happens is told to
 * it by calls (a fault, an I/O completion, the time); what it wants done it
 * asks for through struct pager_ops, and whom it serves it answers through
 * struct pager_callbacks.  The same code therefore runs in the daemon, in the
 * simulator and in a unit test.
 *
 * Sizes here are in pages of the segment, or, where a name says `units`, in
 * 4 KiB units: a page of order n is 2^n units, takes 2^n frames of the pool
 * and 2^n slots of the store.
 *
 * Threads: one; nothing blocks. */
#ifndef MEMD_PAGER_PAGER_H
#define MEMD_PAGER_PAGER_H

#include "common/checks.h"
#include "swapstore/swapstore.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGER_UNIT_BYTES = 4096 };

/* Frames and slots that one pager can have, together: all have numbers of 32
 * bits, and 0 and the largest one mean something else. */
#define PAGER_UNITS_MAX		(UINT32_MAX - UINT32_C(1))

struct pager;
typedef uint32_t segment_id;	/* 0 is never a segment */
typedef uint32_t account_id;	/* 0: no account, no limit */

enum fault_kind {
	FAULT_ZERO,		/* first touch: a zeroed frame */
	FAULT_HIT,		/* was resident */
	FAULT_SWAP_IN,		/* its slot was read */
	FAULT_PUT_BACK,		/* was on its way out */
	FAULT_LOST,		/* its bytes are gone */
	FAULT_KINDS
};

const char *fault_kind_name(enum fault_kind kind);

#define PAGER_NO_PAGE UINT64_MAX

/* Answer to one pager_fault().  Pages [first, first + count) are resident
 * now, `page` among them.  All of them may be mapped but for `mark`: its first
 * touch is to be told at once, with pager_touched(); PAGER_NO_PAGE: none.
 * error: 0, -EIO (lost), -EFAULT (no such page or
 * segment gone), -EBUSY (too many faults in flight), -ENOMEM (no frame can be
 * freed now: all is pinned, or the store has failed; try again later). */
struct pager_reply {
	uint64_t cookie;
	segment_id segment;
	uint64_t page;
	uint64_t first, count;
	uint64_t mark;
	enum fault_kind kind;
	int error;
	uint64_t start_ns;	/* pager_fault() */
	uint64_t frame_ns;	/* it had a frame; = start_ns if at once */
	uint64_t io_ns;		/* its slot had been read; = frame_ns if none */
	uint64_t end_ns;	/* answered */
};

/* Units that are to be taken out together. */
struct pager_capture {
	segment_id segment;
	uint64_t unit, count;
	void *to;		/* count * PAGER_UNIT_BYTES */
	int error;		/* the answer: 0 or -errno */
	/* Of what was taken out, units [lost, lost_end): their bytes could not
	 * be had after all, and are gone.  0, 0: none. */
	uint64_t lost, lost_end;
};

enum { PAGER_CAPTURES_MAX = 64 };	/* at once */

/* What the pager asks for.  All are called from inside pager_*() calls and
 * must not call back into the pager. */
struct pager_ops {
	/* Make units [unit, unit + count) of the data file present with
	 * `bytes` (NULL: zeros).  0; or -ENOMEM (no memory now; some units may
	 * have been made present; asked again later); nothing else.  A unit
	 * that is present already keeps its bytes. */
	int (*install)(void *ctx, segment_id segment, uint64_t unit,
		       uint64_t count, const void *bytes);
	/* The same for one page, for which the fault `cookie` waits.  Its reply
	 * is called before the pager returns, and speaks of that page only,
	 * without a mark; so it may be given at once, if that is 0.  NULL:
	 * install does. */
	int (*install_for)(void *ctx, uint64_t cookie, segment_id segment,
			   uint64_t unit, uint64_t count, const void *bytes);
	/* Take the units out: unmapped everywhere, final bytes in `to`.
	 * Each of them fails alone, and then nothing of it was taken out;
	 * -ENOTRECOVERABLE: nor will anything of its segment ever be. */
	void (*capture)(void *ctx, struct pager_capture *capture,
			unsigned count);
	/* Take the units out, bytes not wanted.  0; or -EBUSY: they cannot be
	 * taken out now, and the memory they take cannot be used otherwise. */
	int (*discard)(void *ctx, segment_id segment, uint64_t unit,
		       uint64_t count);
	/* No page of the segment is left, and none will come: give back what
	 * else there is of its data file, a piece at a time.  To take out a
	 * unit costs one of *budget, which is more than 0 at first; what costs
	 * more may exceed it by what it costs.  Returns whether that was all;
	 * else asked again.  NULL: there is nothing. */
	bool (*shed)(void *ctx, segment_id segment, uint32_t *budget);
	/* Queue one request of the swap store; -EAGAIN: asked again after
	 * the next completion.  The cookie goes to pager_io_done(). */
	int (*submit)(void *ctx, const struct swap_io *io);
	/* What is in these slots is not needed any more; no request for any
	 * of them is in flight.  NULL: nobody wants to know. */
	void (*discard_slots)(void *ctx, uint32_t slot, uint32_t count);
	/* Is it known that what this slot contained is lost?  Then a page that
	 * is still in memory is not left to it.  NULL: never. */
	bool (*is_slot_lost)(void *ctx, uint32_t slot);
};

/* What the pager tells those it serves.  The same rules hold. */
struct pager_callbacks {
	/* Answer a fault. */
	void (*reply)(void *ctx, const struct pager_reply *reply);
	/* These pages have become resident ahead of a reader of `client`, who
	 * may map all but `mark` (as in struct pager_reply).  Only a hint. */
	void (*ready)(void *ctx, uint32_t client, segment_id segment,
		      uint64_t first, uint64_t count, uint64_t mark);
	/* Ask whoever maps these pages to unmap them. */
	void (*age)(void *ctx, segment_id segment, uint64_t first,
		    uint64_t count);
	/* A deferred request (pager_advise …) has ended. */
	void (*done)(void *ctx, uint64_t cookie, int result, uint64_t count);
	/* The segment is no more: nothing of it is in flight. */
	void (*segment_gone)(void *ctx, segment_id segment);
};

struct pager_config {
	uint32_t frame_count;		/* the pool */
	uint32_t slot_count;		/* the store; 0: none */
	uint32_t segments_max;
	uint32_t accounts_max;
	uint32_t faults_max;		/* waiting at once, in all */
	uint32_t low_watermark;		/* frames; 0: a default */
	uint32_t high_watermark;
	uint32_t readahead_max;		/* pages of one window; 0: none */
	uint32_t requests_max;		/* that the store works on at once; half
					 * may be readahead.  0: plenty */
	void *staging;			/* page-aligned memory for I/O */
	size_t staging_bytes;		/* >= 8 MiB for 2 MiB pages; at least
					 * 512 KiB */
};

/* Returns 0, or -EINVAL, -ENOMEM. */
int pager_create(const struct pager_config *config,
		 const struct pager_ops *ops, void *ops_ctx,
		 const struct pager_callbacks *callbacks, void *callbacks_ctx,
		 struct pager **ret_pager) MUST_CHECK;

/* No I/O may be in flight. */
void pager_destroy(struct pager *pg);

/* ---- accounts: who pays.  A uid has one, each session one below it. */

/* 0 limits mean none.  Returns 0, or -EAGAIN (accounts_max). */
int pager_account_add(struct pager *pg, account_id parent,
		      uint64_t limit_frames, uint64_t limit_mapped_units,
		      account_id *ret_account) MUST_CHECK;
void pager_account_remove(struct pager *pg, account_id account);

/* Lowering the frames below use starts evicting; nothing is lost. */
void pager_account_limit(struct pager *pg, account_id account,
			 uint64_t limit_frames, uint64_t limit_mapped_units);

struct account_info {
	account_id parent;
	uint64_t limit_frames, used_frames;
	uint64_t limit_mapped_units, mapped_units;
};
void pager_account_get(const struct pager *pg, account_id account,
		       struct account_info *ret_info);

/* ---- segments */

/* `serial` seeds checksums and must never repeat.
 * Returns 0, -ENOSPC (pool and store are committed), -EDQUOT (account),
 * -EAGAIN (segments_max), -EINVAL (zero pages, a page too large for this
 * pool: it needs 16 times the page size). */
int pager_segment_create(struct pager *pg, uint64_t serial,
			 uint64_t page_count, unsigned order,
			 account_id account, segment_id *ret_segment)
	MUST_CHECK;

/* One that was refused with -ENOSPC or -EDQUOT: would it fit if all that is
 * being taken down had gone, but for what ops.discard refuses? */
bool pager_segment_will_fit(const struct pager *pg, uint64_t page_count,
			    unsigned order, account_id account);

/* Advice on this segment, which nobody has pinned yet, has a share of its own,
 * together with others of the kind: PAGER_ADVICE_RESERVED under way at once,
 * and pins of an eighth of the pool.  What is done to all other segments cannot
 * use that up. */
enum { PAGER_ADVICE_RESERVED = 64 };
void pager_segment_reserve(struct pager *pg, segment_id segment);

/* Its faults in flight are answered -EFAULT.  Its frames and slots become free
 * at once, or, of a large segment, piece by piece in pager_run(), or, where
 * I/O is in flight, as that ends; then callbacks.segment_gone.  The id must not
 * be used any more.  Where ops.discard refuses, the segment's frames stay taken
 * until pager_retry_teardown(). */
void pager_segment_destroy(struct pager *pg, segment_id segment);

/* Try again to take down segments that ops.discard refused.  Returns how many
 * there are; pager_run() does it. */
uint32_t pager_retry_teardown(struct pager *pg);

struct segment_info {
	uint64_t serial;
	uint64_t page_count;
	unsigned order;
	account_id account;
	uint64_t resident, swapped, dirty, lost, pinned, loading, evicting;
};
void pager_segment_get(const struct pager *pg, segment_id segment,
		       struct segment_info *ret_info);

/* ---- what happens */

/* A client misses a page.  Answered through callbacks.reply, exactly once,
 * perhaps before this returns.
 *
 * To read and to write are the same: what is dirty is found by checksum when
 * the page leaves.
 *
 * client    whom callbacks.ready is to tell what is read ahead for it; 0:
 *           nobody.  Then no more is read than what the answer can speak of.
 *
 * A client may also ask for a page that is there, when it has come to the end
 * of what it was told of: the answer says what is behind it. */
void pager_fault(struct pager *pg, segment_id segment, uint64_t page,
		 uint32_t client, uint64_t cookie, uint64_t now_ns);

/* Clients mapped these resident pages by themselves.  Returns true when that
 * has set off readahead. */
bool pager_touched(struct pager *pg, segment_id segment, uint64_t first,
		   uint64_t count, uint64_t now_ns);

/* Are pages [first, first + count) all here, with all their bytes?  Then they
 * have been used, and stay until the pager is called again: to read them takes
 * no pin. */
bool pager_use_resident(struct pager *pg, segment_id segment, uint64_t first,
			uint64_t count);

/* Somebody will ask about this page soon: have the processor fetch what is
 * known of it. */
void pager_prefetch(const struct pager *pg, segment_id segment, uint64_t page);

/* A request given to ops.submit has ended (0 or -errno). */
void pager_io_done(struct pager *pg, uint64_t io_cookie, int result,
		   uint64_t now_ns);

/* Do a bounded piece of background work: retries, eviction toward the
 * watermarks and limits.  Returns true while there is more to do at once. */
bool pager_run(struct pager *pg, uint64_t now_ns);

enum pager_advice {
	PAGER_NORMAL, PAGER_SEQUENTIAL, PAGER_RANDOM, PAGER_WILLNEED,
	PAGER_DONTNEED, PAGER_COLD, PAGER_PAGEOUT,
	PAGER_PIN, PAGER_UNPIN
};

/* Do `advice` to pages [first, first + count).  Ends through callbacks.done,
 * perhaps before this returns; `count` there is how many pages were acted on.
 * Results: 0, -EINVAL (range; UNPIN of what is not pinned), -EBUSY (pinned, or
 * too many requests; UNPIN while a PIN or UNPIN of the same pages is under
 * way), -ENOMEM (more pins than half the pool or than the account's limit
 * allows; nothing pinned), -EIO (PIN met a lost page; nothing pinned), -EFAULT
 * (segment destroyed meanwhile). */
void pager_advise(struct pager *pg, segment_id segment, uint64_t first,
		  uint64_t count, enum pager_advice advice, uint64_t cookie,
		  uint64_t now_ns);

/* ---- looking in */

struct pager_stats {
	uint64_t frame_count, free_frames, resident_frames, evicting_frames,
		 loading_frames, pinned_frames;
	uint64_t low_watermark, high_watermark;
	uint64_t slot_count, free_slots, quarantined_slots;
	uint64_t committed_units, commit_limit_units;
	uint64_t faults[FAULT_KINDS];
	uint64_t faults_waiting;
	uint64_t advice_waiting;
	uint64_t frame_waits;		/* faults that had to wait for one */
	uint64_t frames_examined;	/* in search of one */
	uint64_t aged, evicted, evicted_clean, evicted_zero, written;
	uint64_t pages_read;
	uint64_t readahead_pages, readahead_hits, readahead_wasted;
	uint64_t write_errors, checksum_errors, pages_lost;
	uint64_t read_errors;		/* but for what the store has lost */
	uint64_t install_retries, capture_errors;
	uint64_t minor_reported;	/* pages of pager_touched() */
	uint64_t metadata_bytes;
};
void pager_stats_get(const struct pager *pg, struct pager_stats *ret_stats);

/* Recount every table and ASSERT the invariants of tables.h.  Slow: walks all
 * frames and all page tables. */
void pager_check(const struct pager *pg);

/* Is an account over its limit, although nothing of it could go of late?  It is
 * looked at again in a call of pager_run() some time later, which somebody must
 * see to. */
bool pager_is_over_limits(const struct pager *pg);

/* Is there a fault, an advice or I/O that has not ended?  Cheap, as opposed
 * to pager_stats_get(), which asks the system how large the tables are. */
bool pager_is_waiting(const struct pager *pg);

/* True when no page of any segment has I/O in flight. */
bool pager_is_idle(const struct pager *pg);

#endif
