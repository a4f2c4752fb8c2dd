/* SPDX-License-Identifier: MIT */
/* The pager decides which pages have frames.
 *
 * It has no sockets, no clock and no system calls.  Calls tell it what has
 * happened (a fault, the end of an I/O, the time).  It asks for work through
 * struct pager_ops, and answers its users through struct pager_callbacks.  So
 * the same code runs in the daemon, in the simulator and in unit tests.
 *
 * Numbers are in pages of the segment.  If a name says `units`, they are in
 * units of 4 KiB.  A page of order n is 2^n units; it takes 2^n frames of the
 * pool and 2^n slots of the store.
 *
 * Threads: one.  No call blocks. */
#ifndef MEMD_PAGER_PAGER_H
#define MEMD_PAGER_PAGER_H

#include "common/checks.h"
#include "daemon/pager/pager_ops.h"
#include "proto/book.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pager_config {
	uint32_t frame_count;		/* size of the pool */
	uint32_t slot_count;		/* size of the store; 0: no store */
	/* 0: all segments share all slots, which are there from the start. */
	uint32_t areas_max;
	bool fills_files;		/* with areas: see fill.h */
	uint32_t segments_max;
	uint32_t accounts_max;
	uint32_t low_watermark;		/* frames; 0: the default */
	uint32_t high_watermark;
	uint32_t lent_max;		/* frames lent to programs; 0: a
					 * 16th of the pool */
	const char *replacement;	/* replace_policy_name(); NULL: first */
	/* Most pages of one window; 0: no readahead. */
	uint32_t readahead_max;
	/* Requests that the store works on at once; half of them may be
	 * readahead.  0: no limit is known. */
	uint32_t requests_max;
	void *staging;			/* page-aligned memory for I/O */
	/* At least 512 KiB; at least 8 MiB for pages of 2 MiB. */
	size_t staging_bytes;
};

/* The indexes of slots in the store are below this.  With areas they are not
 * all slots of a file. */
uint32_t pager_slot_limit(const struct pager_config *config);

/* Returns 0, or -EINVAL, -ENOMEM. */
int pager_create(const struct pager_config *config,
		 const struct pager_ops *ops, void *ops_ctx,
		 const struct pager_callbacks *callbacks, void *callbacks_ctx,
		 struct pager **ret_pager) MUST_CHECK;

/* Go on with another replacement policy (replace_choose()).  Returns 0, or
 * -EINVAL. */
int pager_set_replacement(struct pager *pg, const char *policy) MUST_CHECK;

/* Free the pager; NULL is allowed.  No I/O may be in flight. */
void pager_destroy(struct pager *pg);

/* ---- accounts: to whom frames and mapped memory are charged.  A uid has one,
 * and each of its sessions has one below it. */

/* Limits of 0 mean no limit.  Returns 0, or -EAGAIN (accounts_max). */
int pager_account_add(struct pager *pg, account_id parent,
		      uint64_t limit_frames, uint64_t limit_mapped_units,
		      account_id *ret_account) MUST_CHECK;
void pager_account_remove(struct pager *pg, account_id account);

/* Set the limits.  If the account uses more frames than its new limit, the
 * pager evicts the rest; no byte is lost. */
void pager_account_limit(struct pager *pg, account_id account,
			 uint64_t limit_frames, uint64_t limit_mapped_units);

struct account_info {
	account_id parent;
	uint64_t limit_frames;
	uint64_t used_frames;		/* with those that are lent */
	uint64_t limit_mapped_units, mapped_units;
};
void pager_account_get(const struct pager *pg, account_id account,
		       struct account_info *ret_info);

/* ---- areas: the slots of one owner.  A page leaves only to a slot of its
 * segment's area.  An area has no slots until files are added to it.  Only with
 * areas_max > 0. */

/* Returns 0, or -EAGAIN (areas_max). */
int pager_area_add(struct pager *pg, area_id *ret_area) MUST_CHECK;
/* True while a file of the area is being filled. */
bool pager_area_is_filling(const struct pager *pg, area_id area);
/* No segment has the area any more, and it is not being filled.  Its files
 * end. */
void pager_area_remove(struct pager *pg, area_id area);

/* How many slots the area lacks to admit a segment of `units` units. */
uint64_t pager_area_lacks(const struct pager *pg, area_id area, uint64_t units);

/* A file of `slot_count` slots, at most SLOTS_FILE_MAX, has been made for the
 * area.  Returns 0 and the index, in the store, of its first slot, or -ENOSPC:
 * all areas would have more than config.slot_count. */
int pager_area_add_file(struct pager *pg, area_id area, uint32_t slot_count,
			uint32_t *ret_first) MUST_CHECK;

/* Take away the file whose first slot has this index.  No slot of it is in
 * use. */
void pager_area_remove_file(struct pager *pg, uint32_t first);

/* Take away a file of which no slot is in use, if the area has enough without
 * it.  Returns how many slots it has, and the index of the first one; 0: there
 * is none. */
uint32_t pager_area_trim(struct pager *pg, area_id area, uint32_t *ret_first);

struct area_info {
	uint32_t slot_count, free_slots, quarantined_slots;
	uint64_t committed_units;
};
void pager_area_get(const struct pager *pg, area_id area,
		    struct area_info *ret_info);

/* ---- segments */

/* Make a segment of `page_count` pages, which are zeros.  `serial` is part of
 * the checksums and must never be used twice.  `area`: where its pages may go;
 * 0 without areas.  Returns 0, or -ENOSPC (pool and store are committed, or the
 * area lacks slots: pager_area_lacks()), -EDQUOT (a limit of the account),
 * -EAGAIN (segments_max), -EINVAL (no pages or too many, or a page too large:
 * the pool must hold 16 of them, and staging one). */
int pager_segment_create(struct pager *pg, uint64_t serial,
			 uint64_t page_count, unsigned order,
			 account_id account, area_id area,
			 segment_id *ret_segment) MUST_CHECK;

/* What pager_segment_create() would say, but for what the area lacks. */
int pager_segment_try(const struct pager *pg, uint64_t page_count,
		      unsigned order, account_id account) MUST_CHECK;

/* A segment was refused with -ENOSPC or -EDQUOT.  Returns true if it will fit
 * when the segments that are being taken down have gone.  Segments whose pages
 * ops.capture refuses do not count as going. */
bool pager_segment_will_fit(const struct pager *pg, uint64_t page_count,
			    unsigned order, account_id account);

/* Give advice on this segment a share of its own, together with all other
 * reserved segments: PAGER_ADVICE_RESERVED requests at once, and pins of an
 * eighth of the pool.  Advice on other segments cannot use up this share.  The
 * segment must have no pins yet. */
enum { PAGER_ADVICE_RESERVED = 64 };
void pager_segment_reserve(struct pager *pg, segment_id segment);

/* From now on programs may fault in pages of the segment by themselves: the
 * pager keeps `book`, an entry for each page, which was zeros.  Only for pages
 * of 4 KiB.  The memory is the caller's, and stays until
 * callbacks.segment_gone. */
void pager_segment_publish(struct pager *pg, segment_id segment,
			   struct book_entry *book);

/* Destroy a segment.  Its faults in flight are answered with -EFAULT.  Its
 * frames and slots become free at once; those of a large segment piece by piece
 * in pager_run(), and those with I/O in flight when the I/O ends.  Then the
 * pager calls callbacks.segment_gone.  The id must not be used any more.  If
 * ops.capture refuses, the segment's frames stay in use until
 * pager_retry_refused(). */
void pager_segment_destroy(struct pager *pg, segment_id segment);

/* Captures that were refused may succeed now: try again, also to take down the
 * segments that are held up by that.  Returns how many there are.  pager_run()
 * does the work. */
uint32_t pager_retry_refused(struct pager *pg);

struct segment_info {
	uint64_t serial;
	uint64_t page_count;
	unsigned order;
	account_id account;
	area_id area;
	uint64_t resident, swapped, dirty, lost, pinned, loading, evicting;
};
void pager_segment_get(const struct pager *pg, segment_id segment,
		       struct segment_info *ret_info);

/* ---- what happens */

/* A client misses a page.  The pager answers through callbacks.reply exactly
 * once, perhaps before this call returns.
 *
 * Reading and writing are the same here: the checksum shows whether the page is
 * dirty when it is evicted.
 *
 * A client may also ask for a page that is resident, when it has reached the
 * end of the pages that it was told of.  The answer covers the pages behind
 * it. */
void pager_fault(struct pager *pg, struct fault *fault, uint64_t now_ns);

/* Clients have mapped these resident pages without asking.  Returns true if
 * this has started readahead. */
bool pager_touched(struct pager *pg, segment_id segment, uint64_t first,
		   uint64_t count, uint64_t now_ns);

/* ---- frames that are lent to programs, which fault pages in by themselves: at
 * most config.lent_max. */

/* How many more frames (4 KiB) could be lent, and how many the account has on
 * loan. */
struct pager_loans {
	uint64_t left, of_account;
};

struct pager_loans pager_loans_get(const struct pager *pg, account_id account);

/* Lend up to `most` frames, charged to the account.  Returns how many. */
uint32_t pager_lend(struct pager *pg, account_id account, uint32_t most);

/* `count` frames that were lent come back unused. */
void pager_unlend(struct pager *pg, account_id account, uint32_t count);

/* True, once, if faults wait for frames and only lent ones are left: take back
 * what programs do not use now, and call pager_run() again. */
bool pager_asks_loans(struct pager *pg);

/* A program says that it has used one frame, lent to `account`, for this page.
 * Any numbers may be given.  is_present: the data file has the page now.
 * kind: what the program says of its fault, FAULT_ZERO or FAULT_SWAP_IN.
 * Returns true if the page is counted because of this. */
bool pager_installed(struct pager *pg, account_id account, segment_id segment,
		     uint64_t page, bool is_present, enum fault_kind kind,
		     uint64_t now_ns);

/* The page is in the data file: count it, if it is not counted.  Any numbers
 * may be given.  False: no frame is free for it. */
bool pager_found(struct pager *pg, segment_id segment, uint64_t page,
		 uint64_t now_ns) MUST_CHECK;

/* If pages [first, first + count) are all resident and whole, mark them as used
 * and return true.  They stay resident until the next call of the pager, so the
 * caller can read them without a pin. */
bool pager_use_resident(struct pager *pg, segment_id segment, uint64_t first,
			uint64_t count);

/* Is there such a page, of a segment that is not being destroyed? */
bool pager_has_page(const struct pager *pg, segment_id segment, uint64_t page);

/* Have the processor fetch the entries of this page, which will be asked about
 * soon. */
void pager_prefetch(const struct pager *pg, segment_id segment, uint64_t page);

/* A request given to ops.submit has ended.  result: 0 or -errno. */
void pager_io_done(struct pager *pg, uint64_t io_cookie, int result,
		   uint64_t now_ns);

/* The captures of this ticket have ended. */
void pager_capture_done(struct pager *pg, uint32_t ticket, uint64_t now_ns);

/* The captures of this ticket may never end, because a client holds them up.
 * Nobody waits for them any more.  pager_capture_done() may come all the
 * same. */
void pager_capture_stuck(struct pager *pg, uint32_t ticket, uint64_t now_ns);

/* Do a bounded piece of background work: retries, teardown, and eviction toward
 * the watermarks and limits.  Returns true if there is more to do at once. */
bool pager_run(struct pager *pg, uint64_t now_ns);

enum pager_advice {
	PAGER_NORMAL, PAGER_SEQUENTIAL, PAGER_RANDOM, PAGER_WILLNEED,
	PAGER_FETCH, PAGER_DONTNEED, PAGER_COLD, PAGER_PAGEOUT,
	PAGER_PIN, PAGER_UNPIN
};

/* Apply `advice` to pages [first, first + count).  The end is reported through
 * callbacks.done, perhaps before this call returns; `count` there is the number
 * of pages that were acted on.  WILLNEED is reported at once and goes on in the
 * background; if too many are under way, it does nothing.
 *
 * FETCH reads pages as WILLNEED, and is reported when they are there.  Its
 * result, if not negative, is the number of pages that are still not in memory:
 * there was no free frame for them, or they are lost.  Both wait while a fault
 * or a PIN waits for a frame, so they never take one from it.
 *
 * Results: 0, -EINVAL (bad range; UNPIN of pages that are not pinned), -EBUSY
 * (pages are pinned, or cannot be taken out; too many requests; UNPIN while a
 * PIN or UNPIN of the same pages is under way), -ENOMEM (more pins than half of
 * the pool or of the account's limit; nothing is pinned), -EIO (PIN met a lost
 * page; nothing is pinned), -EFAULT (no such segment, or it was destroyed
 * meanwhile). */
void pager_advise(struct pager *pg, segment_id segment, uint64_t first,
		  uint64_t count, enum pager_advice advice, uint64_t cookie,
		  uint64_t now_ns);

/* ---- looking in */

struct pager_stats {
	uint64_t frame_count, free_frames, resident_frames, evicting_frames,
		 loading_frames, pinned_frames, lent_frames;
	uint64_t low_watermark, high_watermark;
	/* Slots: of the store, and of those that no page has and that can be
	 * used. */
	uint64_t slot_count, free_slots, quarantined_slots;
	uint64_t file_slots;		/* slots in files of areas */
	uint64_t committed_units, commit_limit_units;
	uint64_t faults[FAULT_KINDS];
	uint64_t faults_waiting;
	uint64_t advice_waiting;
	/* Faults that had to wait for a frame. */
	uint64_t faults_waited;
	/* Frames looked at, in search of a victim. */
	uint64_t frames_examined;
	uint64_t aged, evicted, evicted_clean, evicted_zero, written;
	uint64_t pages_read;
	uint64_t readahead_pages, readahead_hits, readahead_wasted;
	uint64_t write_errors, checksum_errors, pages_lost;
	/* Without those whose content the store has lost. */
	uint64_t read_errors;
	uint64_t install_retries, capture_errors;
	uint64_t slots_filled;		/* with zeros, to fill files */
	/* Captures that did not end in the call of ops.capture. */
	uint64_t captures_late;
	/* Pages that programs have faulted in by themselves, and pages that
	 * could not leave because a program was about to do so. */
	uint64_t installed, claims_refused;
	/* Pages reported with pager_touched(). */
	uint64_t minor_reported;
	uint64_t metadata_bytes;
};
void pager_stats_get(const struct pager *pg, struct pager_stats *ret_stats);

/* Count everything in the tables again, and ASSERT the invariants of tables.h.
 * Slow: walks all frames and all page tables. */
void pager_check(const struct pager *pg);

/* True if an account may be over its limit, perhaps because nothing of it could
 * be evicted lately.  pager_run() looks at such an account again some time
 * later, so the owner must call pager_run() then. */
bool pager_is_over_limits(const struct pager *pg);

/* True if a fault, an advice or a batch has not ended, apart from captures that
 * are under way.  Cheap, unlike pager_stats_get(), which asks the system how
 * large the tables are. */
bool pager_is_waiting(const struct pager *pg);

/* True if no batch is in use, apart from stuck captures: no I/O is in flight,
 * and no page waits in staging. */
bool pager_is_idle(const struct pager *pg);

#endif
