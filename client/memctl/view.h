/* SPDX-License-Identifier: MIT */
/* A view: which rows of memd's answer are shown, in which order, and in which
 * columns. */
#ifndef MEMD_MEMCTL_VIEW_H
#define MEMD_MEMCTL_VIEW_H

#include "client/memctl/memctl.h"

enum { VIEW_ORDER_MAX = 3 };

struct view {
	/* The report's context is a struct memctl. */
	struct report_form form;
	/* A repeated field; NULL: the answer is one row. */
	const char *rows;
	/* Fields as in field_compare(); the first is the most significant. */
	const char *order[VIEW_ORDER_MAX + 1];
	/* All of the rest may be NULL. */
	bool (*is_wanted)(const struct memctl *mc, const void *row);
	/* Adds the rows of one message, in place of one row. */
	void (*add)(struct report *rp, const void *row);
	/* Adds a row behind the others, in tables only. */
	void (*add_total)(struct report *rp, const struct memctl *mc);
	/* Texts before and behind the first argument, for the message if no row
	 * is wanted. */
	const char *none[2];
};

/* Returns an exit code; a failure was printed. */
int view_print(const struct memctl *mc, const struct view *view) MUST_CHECK;

/* Print one row. */
int view_print_row(const struct memctl *mc, const struct view *view,
		   const void *row) MUST_CHECK;

/* The number of rows that are wanted. */
size_t view_count(const struct memctl *mc, const struct view *view);

#endif
