/* SPDX-License-Identifier: MIT */
/* In which order pages are accessed.  A number i in, a page out: no state, so
 * every contestant meets the same pages in the same order. */
#ifndef MEMD_BENCH_ORDER_H
#define MEMD_BENCH_ORDER_H

#include "tests/bench/zipf.h"
#include <stddef.h>
#include <stdint.h>

enum order_kind {
	ORDER_FORWARD,		/* 0, 1, 2, … */
	ORDER_BACKWARD,		/* from the middle down: what was filled
				 * last lies above it */
	ORDER_STRIDED,		/* every 4th, then every 4th but one on … */
	ORDER_SCATTERED,	/* each once, neighbours far apart in time */
	ORDER_HOLES,		/* the same, but only every 8th page */
	ORDER_RANDOM,
	ORDER_ZIPF,		/* theta 0.99, hot pages anywhere */
};

enum { ORDER_STRIDE = 4, ORDER_HOLE_EVERY = 8 };

/* Of one thread. */
struct order {
	enum order_kind kind;
	size_t page_count;
	size_t home;		/* where it begins, if it begins somewhere */
	uint64_t seed;
	const struct zipf *zipf;	/* of page_count; for ORDER_ZIPF */
};

size_t order_page(const struct order *o, size_t i);

/* A good mixer of 64 bits (Stafford's variant 13 of MurmurHash3's), for
 * whoever wants random numbers by number. */
uint64_t order_mix(uint64_t x);

#endif
