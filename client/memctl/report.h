/* SPDX-License-Identifier: MIT */
/* One way to print everything: a caller names its columns and adds cells row
 * by row; the style decides whether that becomes a table for people, JSON, or
 * tab-separated lines.
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

struct report;

/* `columns` and `name` are borrowed until report_destroy().  Returns NULL when
 * there is no memory. */
struct report *report_create(enum report_shape shape, const char *name,
			     const struct report_column *columns, size_t count,
			     const struct report_style *style);
void report_destroy(struct report *rp);

/* Add the next cell of the row; the type must be the column's.  Adding a cell
 * to a column that this style does not show costs nothing.  A failed
 * allocation is remembered and returned by report_print(). */
void report_text(struct report *rp, const char *text);	/* NULL: not known */
void report_number(struct report *rp, uint64_t number);	/* SIZE, TIME, too */
void report_decimal(struct report *rp, double number);
void report_flag(struct report *rp, bool flag);
void report_unknown(struct report *rp);			/* any type */

/* In a REPORT_NUMBER column: people see it as if the column had `type`. */
void report_number_as(struct report *rp, enum report_type type,
		      uint64_t number);

/* In a REPORT_NUMBER column: a session, which people see, and name on a command
 * line, as s12; 0 is none.  And a client: its process, or where that is 0, as
 * it is not seen from here, its session, for programs null. */
void report_session(struct report *rp, uint32_t session);
void report_client(struct report *rp, uint32_t pid, uint32_t session);

/* As report_number(), for a quantity of which 0 means that there is none:
 * people see "-". */
void report_limit(struct report *rp, uint64_t number);

/* The row is complete. */
void report_end_row(struct report *rp);

/* Print (of a stream: what is left in the buffer).  Errors of stdout are left
 * for who ends the program.  Returns 0 or -ENOMEM. */
int report_print(struct report *rp) MUST_CHECK;

#endif
