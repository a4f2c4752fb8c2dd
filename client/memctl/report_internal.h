/* SPDX-License-Identifier: MIT */
/* What report.c (cells and tables) and report_line.c (lines) share. */
#ifndef MEMD_MEMCTL_REPORT_INTERNAL_H
#define MEMD_MEMCTL_REPORT_INTERNAL_H

#include "client/memctl/report.h"

struct libscols_table;

struct report {
	enum report_shape shape;
	const char *name;
	const struct report_column *columns;
	size_t column_count;
	struct report_style style;
	struct libscols_table *table;	/* NULL: rows go to stdout at once */
	char *cell[REPORT_COLUMNS_MAX];	/* of the row; NULL: hidden, unknown */
	size_t cell_count;		/* added to the row so far */
	bool has_header;		/* (stream) printed */
	bool is_out_of_memory;
};

bool report_is_for_people(const struct report *rp);
bool report_is_numeric(enum report_type type);

/* Does the column appear in this form? */
bool report_is_shown(const struct report *rp, const struct report_column *col);

/* Print the row whose cells are complete. */
void report_print_line(struct report *rp);

#endif
