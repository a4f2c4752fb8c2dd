/* SPDX-License-Identifier: MIT */
/* What of memd's answer is shown, and how: the rows of it, their order, and a
 * report's columns for them. */
#ifndef MEMD_MEMCTL_VIEW_H
#define MEMD_MEMCTL_VIEW_H

#include "client/memctl/memctl.h"

enum { VIEW_ORDER_MAX = 3 };

struct view {
	struct report_form form;	/* its context is a struct memctl */
	const char *rows;		/* a field; NULL: the answer is one */
	const char *order[VIEW_ORDER_MAX + 1];	/* as field_compare(), the
						 * first counts most */
	/* The rest may be NULL. */
	bool (*is_wanted)(const struct memctl *mc, const void *row);
	/* In place of one row for one message. */
	void (*add)(struct report *rp, const void *row);
	/* Behind the rows, for people only. */
	void (*add_total)(struct report *rp, const struct memctl *mc);
	/* Said, around the first argument, if it is why no row is wanted. */
	const char *none[2];
};

/* Returns an exit code; failures have been printed. */
int view_print(const struct memctl *mc, const struct view *view) MUST_CHECK;

/* Print one row. */
int view_print_row(const struct memctl *mc, const struct view *view,
		   const void *row) MUST_CHECK;

/* How many rows are wanted? */
size_t view_count(const struct memctl *mc, const struct view *view);

#endif
