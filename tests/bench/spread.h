/* SPDX-License-Identifier: MIT */
/* Median, least and most of one figure over repeated runs. */
#ifndef MEMD_BENCH_SPREAD_H
#define MEMD_BENCH_SPREAD_H

#include "tests/bench/report.h"
#include <stddef.h>

struct spread {
	double median, least, most;
};

/* Of the field at offset `field` of struct trial_result.  All 0 when the
 * contestant did not take part. */
struct spread spread_of_row(const struct row *row, enum contestant who,
			    size_t field);

/* The same over the runs of all rows: for what does not depend on the row. */
struct spread spread_of_all(const struct report *rp, enum contestant who,
			    size_t field);

/* Median divided by the kernel's; 0 without the kernel's. */
double ratio_to_kernel(const struct row *row, enum contestant who,
		       size_t field);

#define FIELD(name) offsetof(struct trial_result, name)

#endif
