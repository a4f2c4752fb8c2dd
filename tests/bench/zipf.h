/* SPDX-License-Identifier: MIT */
/* Ranks that follow Zipf's law: rank 0 is drawn most often, rank r is drawn
 * 1/(r+1)^theta as often.  Not a source of randomness: it bends a number that
 * is given.
 *
 * The method is that of Gray, Sundaresan, Englert, Baclawski and Weinberger,
 * "Quickly generating billion-record synthetic databases" (SIGMOD 1994), which
 * YCSB uses too; 0.99 is YCSB's theta. */
#ifndef MEMD_BENCH_ZIPF_H
#define MEMD_BENCH_ZIPF_H

#include <stddef.h>

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

#endif
