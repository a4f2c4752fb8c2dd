/* SPDX-License-Identifier: MIT */
#include "daemon/stats/stats.h"

#define COUNTER	false
#define GAUGE	true

size_t stats_collect(const struct stats *stats, const struct pager *pager,
		     const struct swapstore *store,
		     struct stats_figure *ret_figures)
{
	struct pager_stats ps;
	size_t n = 0;

	pager_stats_get(pager, &ps);
#define STAT(name, unit, help)						\
	ret_figures[n++] = (struct stats_figure){			\
		#name, unit, help, COUNTER, stats->name };
#define LEVEL(name, unit, help)						\
	ret_figures[n++] = (struct stats_figure){			\
		#name, unit, help, GAUGE, stats->name };
#define PAGER(name, kind, unit, help)					\
	ret_figures[n++] = (struct stats_figure){			\
		#name, unit, help, kind, ps.name };
#define STORE(name, kind, unit, help)					\
	ret_figures[n++] = (struct stats_figure){			\
		"store_" #name, unit, help, kind, store->name };
#include "daemon/stats/stats_list.h"
#undef STAT
#undef LEVEL
#undef PAGER
#undef STORE
	ASSERT(n <= STATS_FIGURES_MAX);
	return n;
}

uint64_t stats_fault_count(const struct stats *stats)
{
	uint64_t sum = stats->minor.count;

	for (size_t i = 0; i < FAULT_KINDS; i++)
		sum += stats->kind[i].count;
	return sum;
}

double stats_rate(double rate, uint64_t now, uint64_t before,
		  uint64_t elapsed_ns)
{
	double latest = (double)(now - before) * 1e9 / (double)elapsed_ns;

	rate += (latest - rate) / 2;
	return rate < 0.05 ? 0 : rate;
}
