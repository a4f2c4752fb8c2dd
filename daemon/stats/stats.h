/* SPDX-License-Identifier: MIT */
/* Counters and histograms, declared together with their help in stats_list.h.
 * Counting only; what is done with the figures is admin's. */
#ifndef MEMD_STATS_STATS_H
#define MEMD_STATS_STATS_H

#include "common/histogram.h"
#include "daemon/pager/pager.h"
#include "swapstore/swapstore.h"

struct stats {
#define STAT(name, unit, help)	uint64_t name;
#define LEVEL(name, unit, help)	uint64_t name;
#define PAGER(...)
#define STORE(...)
#include "daemon/stats/stats_list.h"
#undef STAT
#undef LEVEL
#undef PAGER
#undef STORE
	struct histogram kind[FAULT_KINDS];
	struct histogram minor;
	/* For the figure of faults a second. */
	uint64_t last_faults;
	double faults_per_s;
};

/* One figure, as of now. */
struct stats_figure {
	const char *name, *unit, *help;
	bool is_gauge;
	uint64_t value;
};

enum { STATS_FIGURES_MAX = 128 };

/* Fill in all figures; returns how many. */
size_t stats_collect(const struct stats *stats, const struct pager *pager,
		     const struct swapstore *store,
		     struct stats_figure *ret_figures);

/* Faults answered of all kinds, minor ones too. */
uint64_t stats_fault_count(const struct stats *stats);

/* A rate a second, over the last few looks, from a counter that was `before`
 * elapsed_ns ago; elapsed_ns > 0. */
double stats_rate(double rate, uint64_t now, uint64_t before,
		  uint64_t elapsed_ns);

#endif
