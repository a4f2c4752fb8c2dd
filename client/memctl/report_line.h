/* SPDX-License-Identifier: MIT */
/* Rows that go straight to stdout, one a line: raw ones, and streams in any
 * form, which libsmartcols does not have. */
#ifndef MEMD_MEMCTL_REPORT_LINE_H
#define MEMD_MEMCTL_REPORT_LINE_H

#include "client/memctl/report_form.h"

/* Print a row: a text for each of the form's columns, NULL where none is known.
 * cell NULL: print the header, where the style has one. */
void report_line_print(const struct report_form *form, char *const *cell);

#endif
