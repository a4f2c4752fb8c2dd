/* SPDX-License-Identifier: MIT */
/* What the figures depend on, described without naming the machine. */
#ifndef MEMD_BENCH_MACHINE_H
#define MEMD_BENCH_MACHINE_H

#include <stdbool.h>

struct machine {
	char kernel[80];	/* release */
	char version[16];	/* its numbers alone, for what is published */
	char filesystem[32];	/* of the swap files */
	long cpu_count;
	long memory_mib;
	long swappiness;	/* sysctls of the kernel's swap; -1: unknown */
	long page_cluster;
	bool has_zswap;
	double load;		/* running processes, last minute */
	double clock_ns;	/* one reading of the clock: two are in each
				 * access's time */
};

void machine_describe(const char *folder, struct machine *ret_machine);

#endif
