/* SPDX-License-Identifier: MIT */
/* One way to print everything: a caller names its columns and adds rows, whole
 * messages or cell by cell; the style decides whether that becomes a table for
 * people, JSON, or tab-separated lines.
 *
 *   table  as people read it: sizes as 64.0M, times as 1.2ms; on a terminal
 *          fitted to its width.
 *   json   one object with one key, the report's name, that holds an array of
 *          rows; a row has every key; numbers are exact; what is empty or not
 *          known is null.  A stream has one row, as one object, on each line.
 *   raw    a row on each line, cells separated by one tab, no header, numbers
 *          as in json; what is empty or not known is "-".  Columns are those
 *          of json, in the same order.  A record has a line "key TAB value"
 *          for each cell instead.
 *
 * Not for text that has no rows. */
#ifndef MEMD_MEMCTL_REPORT_H
#define MEMD_MEMCTL_REPORT_H

#include "client/memctl/report_form.h"
#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `form` is borrowed until report_destroy().  Returns NULL when there is no
 * memory. */
struct report *report_create(const struct report_form *form,
			     const struct report_style *style);
void report_destroy(struct report *rp);

/* Add a row made of a message; `context` is for the columns' own functions. */
void report_row(struct report *rp, const void *message, const void *context);
const void *report_context(const struct report *rp);

/* Or add the next cell of the row; the type must be the column's.  A failed
 * allocation is remembered and returned by report_print(). */
void report_field(struct report *rp, const void *message);
void report_text(struct report *rp, const char *text);	/* NULL: not known */
void report_list(struct report *rp, char *const *text, size_t count);
void report_number(struct report *rp, uint64_t number);	/* SIZE, TIME, too */
void report_decimal(struct report *rp, double number);
void report_flag(struct report *rp, bool flag);
void report_unknown(struct report *rp);			/* any type */

/* In a REPORT_NUMBER column: people see it as if the column had `type`. */
void report_number_as(struct report *rp, enum report_type type,
		      uint64_t number);

/* The row that was made of cells is complete. */
void report_end_row(struct report *rp);

/* Print (of a stream: what is left in the buffer).  Errors of stdout are left
 * for who ends the program.  Returns 0 or -ENOMEM. */
int report_print(struct report *rp) MUST_CHECK;

#endif
