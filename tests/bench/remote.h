/* SPDX-License-Identifier: MIT */
/* What a page from another host costs: who is measured, and with what. */
#ifndef MEMD_TESTS_BENCH_REMOTE_H
#define MEMD_TESTS_BENCH_REMOTE_H

#include "common/checks.h"
#include "tests/bench/order.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REMOTE_BLOCK_MAX = 1 << 20,
	REMOTE_DEPTH_MAX = 32,
	REMOTE_SPACE_BYTES = 128 << 20,	/* that is read from */
};

struct remote_work {
	size_t block_bytes;
	unsigned depth;			/* requests under way */
	size_t count;			/* requests in all */
	bool is_random;
};

/* Where request number i begins. */
static inline uint64_t remote_offset(const struct remote_work *work, size_t i)
{
	uint64_t blocks = REMOTE_SPACE_BYTES / work->block_bytes;
	uint64_t block = work->is_random ? order_mix(i + 1) : i;

	return block % blocks * work->block_bytes;
}

/* Each does the work, notes in ns[] how long each request took, and in
 * *ret_all_ns how long all of it.  0, or -1 after saying why on stderr.
 * address: of a memd, as HOST:PORT. */
typedef int remote_reader(const char *address, const struct remote_work *work,
			  uint64_t *ns, uint64_t *ret_all_ns);

/* A bare TCP connection to a process that answers each request of 24 bytes
 * with as many bytes as it asks for, always the same.  No address. */
remote_reader remote_tcp;

/* The swap store on the memd at `address`, its slots in that one's frames.
 * The first word of each block is compared. */
remote_reader remote_store;

/* A program's faults on memory of the memd at `address`, at random, one
 * thread; every word is compared. */
remote_reader remote_faults;

#endif
