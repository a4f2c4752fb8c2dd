/* SPDX-License-Identifier: MIT */
#include "client/memctl/view.h"

#include "client/memctl/field.h"
#include <stdlib.h>

static void **view_rows(const struct memctl *mc, const struct view *view,
			size_t *ret_count)
{
	return field_elements(mc->reply, field_find(mc->reply, view->rows),
			      ret_count);
}

static bool view_wants(const struct memctl *mc, const struct view *view,
		       const void *row)
{
	return view->is_wanted == NULL || view->is_wanted(mc, row);
}

size_t view_count(const struct memctl *mc, const struct view *view)
{
	size_t count, wanted = 0;
	void **row = view_rows(mc, view, &count);

	for (size_t i = 0; i < count; i++)
		wanted += view_wants(mc, view, row[i]);
	return wanted;
}

static int view_compare(const void *a, const void *b, void *order)
{
	int difference = 0;

	for (const char *const *name = order; *name && difference == 0; name++)
		difference = field_compare(*(void *const *)a,
					   *(void *const *)b, *name);
	return difference;
}

static void view_sort(const struct memctl *mc, const struct view *view,
		      void **row, size_t count)
{
	const char *order[VIEW_ORDER_MAX + 2] = { mc->order };
	size_t used = mc->order != NULL;

	for (size_t i = 0; view->order[i] != NULL; i++)
		order[used++] = view->order[i];
	if (count > 0 && used > 0)
		qsort_r(row, count, sizeof(*row), view_compare, order);
}

int view_print_row(const struct memctl *mc, const struct view *view,
		   const void *row)
{
	struct report *rp = report_create(&view->form, &mc->style);

	if (rp != NULL)
		report_row(rp, row, mc);
	return memctl_finish(rp);
}

int view_print(const struct memctl *mc, const struct view *view)
{
	struct report *rp;
	size_t count;
	void **row;

	if (view->rows == NULL)
		return view_print_row(mc, view, mc->reply);
	if (view->none[0] != NULL && mc->argument_count > 0 &&
	    view_count(mc, view) == 0) {
		memctl_complain("%s '%s': %s", view->none[0], mc->argument[0],
				view->none[1]);
		return EXIT_CODE_NOT_FOUND;
	}
	row = view_rows(mc, view, &count);
	view_sort(mc, view, row, count);
	rp = report_create(&view->form, &mc->style);
	for (size_t i = 0; rp != NULL && i < count; i++) {
		if (!view_wants(mc, view, row[i]))
			continue;
		if (view->add != NULL)
			view->add(rp, row[i]);
		else
			report_row(rp, row[i], mc);
	}
	if (rp != NULL && view->add_total != NULL &&
	    mc->style.format == REPORT_TABLE)
		view->add_total(rp, mc);
	return memctl_finish(rp);
}
