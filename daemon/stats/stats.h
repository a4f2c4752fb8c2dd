/* SPDX-License-Identifier: MIT */
/* Counters and histograms, declared together with their help texts in
 * stats_list.h.  This room only counts; admin/ shows the values. */
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
	/* For the rate of faults per second. */
	uint64_t last_faults;
	double faults_per_s;
};

/* One value, as of now. */
struct stats_figure {
	const char *name, *unit, *help;
	bool is_gauge;
	uint64_t value;
};

enum { STATS_FIGURES_MAX = 128 };

/* Fill in all values.  Returns how many, at most STATS_FIGURES_MAX. */
size_t stats_collect(const struct stats *stats, const struct pager *pager,
		     const struct swapstore *store,
		     struct stats_figure *ret_figures);

/* All answered faults, including minor ones. */
uint64_t stats_fault_count(const struct stats *stats);

/* The new rate per second, averaged with the old `rate`, of a counter that is
 * `now` and was `before` elapsed_ns ago; elapsed_ns > 0. */
double stats_rate(double rate, uint64_t now, uint64_t before,
		  uint64_t elapsed_ns);

#endif
