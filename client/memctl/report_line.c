/* SPDX-License-Identifier: MIT */
/* Rows that go straight to stdout, one a line: raw ones, and streams in any
 * form, which libsmartcols does not have. */
#include "client/memctl/report_internal.h"

#include <stdio.h>
#include <string.h>

bool report_is_for_people(const struct report *rp)
{
	return rp->style.format == REPORT_TABLE;
}

bool report_is_shown(const struct report *rp,
		     const struct report_column *col)
{
	if (!report_is_for_people(rp))
		return col->key != NULL;
	return col->header != NULL &&
	       (rp->style.is_long || !(col->flags & REPORT_LONG));
}

bool report_is_numeric(enum report_type type)
{
	return type == REPORT_NUMBER || type == REPORT_SIZE ||
	       type == REPORT_TIME || type == REPORT_DECIMAL;
}

static void print_raw_record(const struct report *rp)
{
	for (size_t i = 0; i < rp->column_count; i++) {
		const char *key = rp->columns[i].key;
		char *rest = rp->cell[i], *item;

		if (key == NULL)
			continue;
		if (rest == NULL)
			printf("%s\t-\n", key);
		while ((item = strsep(&rest, "\n")) != NULL)
			printf("%s\t%s\n", key, item);
	}
}

static void print_raw_row(const struct report *rp)
{
	const char *separator = "";

	for (size_t i = 0; i < rp->column_count; i++) {
		const char *cell = rp->cell[i] != NULL ? rp->cell[i] : "-";

		if (!report_is_shown(rp, &rp->columns[i]))
			continue;
		printf("%s%s", separator, cell);
		separator = "\t";
	}
	putchar('\n');
}

/* A text_clean() string has no control characters left to escape. */
static void print_json_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void print_json_line(const struct report *rp)
{
	const char *separator = "{";

	for (size_t i = 0; i < rp->column_count; i++) {
		const struct report_column *col = &rp->columns[i];

		if (!report_is_shown(rp, col))
			continue;
		printf("%s\"%s\":", separator, col->key);
		separator = ",";
		if (rp->cell[i] == NULL)
			fputs("null", stdout);
		else if (report_is_numeric(col->type) ||
			 col->type == REPORT_FLAG)
			fputs(rp->cell[i], stdout);
		else
			print_json_string(rp->cell[i]);
	}
	fputs("}\n", stdout);
}

/* A stream's columns cannot be fitted to rows yet to come: fixed widths. */
static void print_people_line(const struct report *rp, bool is_header)
{
	const char *separator = "";

	for (size_t i = 0; i < rp->column_count; i++) {
		const struct report_column *col = &rp->columns[i];
		int width = report_is_numeric(col->type) ? col->width :
							   -col->width;
		const char *cell = rp->cell[i] != NULL ? rp->cell[i] : "-";

		if (!report_is_shown(rp, col))
			continue;
		printf("%s%*s", separator, width,
		       is_header ? col->header : cell);
		separator = " ";
	}
	putchar('\n');
}

void report_print_line(struct report *rp)
{
	if (rp->style.format == REPORT_RAW) {
		if (rp->shape == REPORT_RECORD)
			print_raw_record(rp);
		else
			print_raw_row(rp);
	} else if (rp->style.format == REPORT_JSON) {
		print_json_line(rp);
	} else {
		if (!rp->has_header)
			print_people_line(rp, true);
		rp->has_header = true;
		print_people_line(rp, false);
	}
}
