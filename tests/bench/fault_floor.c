/* SPDX-License-Identifier: MIT */
/* What one fault costs before memd does anything for it (floor.h), alone, as a
 * table.  `fault_floor [PAGES]`; under taskset(1) for one processor.
 *
 * Exit: 0, 1 something failed, 64 wrong usage, 77 no userfaultfd. */
#include "tests/bench/floor.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	PAGES_DEFAULT = 16384,
	PAGES_MAX = 1 << 20,
	PAGES_PRIME = 7919,	/* an order that visits every page once */
	EXIT_USAGE = 64,
	EXIT_SKIP = 77,
};

static bool run(const struct floor_kind *kind, size_t page_count)
{
	struct floor_result r;
	char label[64];

	if (floor_run(kind, page_count, &r) != 0)
		return false;
	snprintf(label, sizeof(label), "%s, %s", floor_how_names[kind->how],
		 floor_ask_names[kind->ask]);
	printf("%-20s %8.0f %8.0f %8.0f\n", label, r.mean_ns, r.p50_ns,
	       r.p99_ns);
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	long pages = argc > 1 ? strtol(argv[1], NULL, 10) : PAGES_DEFAULT;
	bool is_ok = true;
	int err;

	if (argc > 2 || pages < 1 || pages > PAGES_MAX ||
	    pages % PAGES_PRIME == 0) {
		fprintf(stderr, "usage: fault_floor [PAGES], at most %d, "
			"no multiple of %d\n", PAGES_MAX, PAGES_PRIME);
		return EXIT_USAGE;
	}
	err = floor_probe();
	if (err != 0) {
		printf("skipped: no userfaultfd: %s\n", strerror(-err));
		return EXIT_SKIP;
	}
	printf("%-20s %8s %8s %8s\n", "ns a fault", "mean", "p50", "p99");
	for (size_t i = 0; i < FLOOR_KINDS; i++)
		is_ok &= run(&floor_kinds[i], (size_t)pages);
	return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
