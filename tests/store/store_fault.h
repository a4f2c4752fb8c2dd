/* SPDX-License-Identifier: MIT */
/* A swap store that wraps another and misbehaves by plan: for tests of
 * everything that stands on a store. */
#ifndef MEMD_TESTS_STORE_FAULT_H
#define MEMD_TESTS_STORE_FAULT_H

#include "swapstore/swapstore.h"

/* What store_fault does; all rates are per 65536 requests. */
struct store_fault_plan {
	uint64_t seed;
	uint32_t read_error_rate;	/* -EIO, buffer scribbled over */
	uint32_t write_error_rate;	/* -EIO, slots unchanged */
	uint32_t no_space_rate;		/* writes: -ENOSPC */
	uint32_t torn_rate;		/* writes: cut at some 512-byte sector,
					 * then -EIO */
	uint32_t short_rate;		/* -EIO after half the bytes (reads) or
					 * half the slots (writes) */
	uint32_t corrupt_rate;		/* reads: a bit flipped, and 0 */
	uint32_t misdirect_rate;	/* reads: another slot's bytes, and 0 */
	uint32_t lost_write_rate;	/* writes: nothing written, as 0 */
	uint32_t forget_rate;		/* reads: one of the slots is lost,
					 * -SWAP_ELOST, now and until it is
					 * written or discarded */
	uint32_t delay_max;		/* hold a completion for up to this many
					 * reap() calls, which reorders */
	uint64_t fail_at;		/* fail exactly the Nth request with
					 * -EIO (1 = first; 0 = none) */
};

/* Wrap `inner`, *taken* on success.  What happens to the Nth request depends
 * on the seed and on N alone, not on timing; but a read of a slot that is lost
 * fails in any case.  -EINVAL: a rate above 65536. */
int store_fault_create(struct swapstore *inner,
		       const struct store_fault_plan *plan,
		       struct swapstore **ret_store) MUST_CHECK;

/* How many requests `st` (a store_fault) has accepted to spoil so far; mere
 * delays do not count. */
uint64_t store_fault_count(const struct swapstore *st);

#endif
