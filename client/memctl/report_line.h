/* SPDX-License-Identifier: MIT */
/* Prints rows directly to stdout, one on each line: raw rows, and streams in
 * any format, which libsmartcols cannot print. */
#ifndef MEMD_MEMCTL_REPORT_LINE_H
#define MEMD_MEMCTL_REPORT_LINE_H

#include "client/memctl/report_form.h"

/* Print a row: one text for each column of the form; NULL: unknown.  cell NULL:
 * print the header, if the style has one. */
void report_line_print(const struct report_form *form, char *const *cell);

#endif
