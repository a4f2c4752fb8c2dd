/* SPDX-License-Identifier: MIT */
/* In which order pages are accessed.  A number i in, a page out: no state, so
 * every contestant meets the same pages in the same order. */
#ifndef MEMD_BENCH_ORDER_H
#define MEMD_BENCH_ORDER_H

#include <stddef.h>
#include <stdint.h>

enum order_kind {
	ORDER_FORWARD,		/* 0, 1, 2, … */
	ORDER_LOOP,		/* the same, for whole passes */
	ORDER_BACKWARD,		/* from the middle down: what was filled
				 * last lies above it */
	ORDER_STRIDED,		/* every 4th, then every 4th but one on … */
	ORDER_SCATTERED,	/* each once, neighbours far apart in time */
	ORDER_HOLES,		/* the same, but only every 8th page */
	ORDER_RANDOM,
	ORDER_ZIPF,		/* theta 0.99, hot pages anywhere */
	ORDER_MOVING,		/* nine of ten accesses to a tenth of the pages,
				 * at random: first the last tenth, from which
				 * they slowly move on */
};

/* Ranks that follow Zipf's law: rank 0 is drawn most often, rank r is drawn
 * 1/(r+1)^theta as often.
 *
 * The method is that of Gray, Sundaresan, Englert, Baclawski and Weinberger,
 * "Quickly generating billion-record synthetic databases" (SIGMOD 1994), which
 * YCSB uses too; 0.99 is YCSB's theta. */
struct zipf {
	double count;		/* of ranks */
	double zeta;		/* sum of 1/r^theta over all of them */
	double zeta_2;		/* over the first two */
	double alpha, eta;
};

/* count > 0; 0 < theta < 1.  Takes time in proportion to count. */
void zipf_init(struct zipf *z, size_t count, double theta);

/* The rank that u, evenly distributed in [0, 1), stands for. */
size_t zipf_rank(const struct zipf *z, double u);

enum {
	ORDER_STRIDE = 4, ORDER_HOLE_EVERY = 8, ORDER_LOOP_PASSES = 2,
	ORDER_MOVE_EVERY = 50,	/* accesses; then the next page is hot */
	ORDER_HOT_PART = 10,	/* one of so many pages is hot, and one of so
				 * many accesses is to any page */
};

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
