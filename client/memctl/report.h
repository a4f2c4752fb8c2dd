/* SPDX-License-Identifier: MIT */
/* Reports: the one way to print tables.  A caller names the columns and adds
 * rows, as whole messages or cell by cell.  The style decides about the output:
 *
 *   table  for people: sizes as 64.0M, times as 1.2ms; on a terminal fitted to
 *          its width.
 *   json   one object with one key, the name of the report, which has an array
 *          of rows.  Each row has every key.  Numbers are exact.  Empty and
 *          unknown values are null.  A stream has one row, as one object, on
 *          each line.
 *   raw    one row on each line, cells separated by a tab, no header, numbers
 *          as in json.  Empty and unknown values are "-".  The columns are
 *          those of json, in the same order.  A record has a line "key TAB
 *          value" for each cell instead.
 *
 * Text without rows is not printed with reports. */
#ifndef MEMD_MEMCTL_REPORT_H
#define MEMD_MEMCTL_REPORT_H

#include "client/memctl/report_form.h"
#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `form` is borrowed until report_destroy().  Returns NULL if there is no
 * memory. */
struct report *report_create(const struct report_form *form,
			     const struct report_style *style);
void report_destroy(struct report *rp);

/* Add a row made of a message.  `context` is for the add() functions of
 * columns, which get it with report_context(). */
void report_row(struct report *rp, const void *message, const void *context);
const void *report_context(const struct report *rp);

/* Add the next cell of the row.  The type must be the column's.  A failed
 * allocation is remembered; report_print() returns it. */
void report_field(struct report *rp, const void *message);
void report_text(struct report *rp, const char *text);	/* NULL: unknown */
void report_list(struct report *rp, char *const *text, size_t count);
/* Also for SIZE and TIME. */
void report_number(struct report *rp, uint64_t number);
void report_decimal(struct report *rp, double number);
void report_flag(struct report *rp, bool flag);
void report_unknown(struct report *rp);			/* any type */

/* For a REPORT_NUMBER column: in tables, format the number as `type`. */
void report_number_as(struct report *rp, enum report_type type,
		      uint64_t number);

/* End a row that was made of cells. */
void report_end_row(struct report *rp);

/* Print the report; of a stream, what is left in the buffer.  Errors of stdout
 * are left to main.c.  Returns 0 or -ENOMEM. */
int report_print(struct report *rp) MUST_CHECK;

#endif
