/* SPDX-License-Identifier: MIT */
#include "client/memctl/report_line.h"

#include <stdio.h>
#include <string.h>

static void report_line_print_record(const struct report_form *form,
				     char *const *cell)
{
	for (size_t i = 0; i < form->column_count; i++) {
		const char *key = form->columns[i].key;
		char *rest = cell[i], *item;

		if (key == NULL)
			continue;
		if (rest == NULL)
			printf("%s\t-\n", key);
		while ((item = strsep(&rest, "\n")) != NULL)
			printf("%s\t%s\n", key, item);
	}
}

static void report_line_print_row(const struct report_form *form,
				  char *const *cell)
{
	const char *separator = "";

	for (size_t i = 0; i < form->column_count; i++) {
		const char *text = cell[i] != NULL ? cell[i] : "-";

		if (!report_form_shows(form, &form->columns[i]))
			continue;
		printf("%s%s", separator, text);
		separator = "\t";
	}
	putchar('\n');
}

/* The text is clean (text_clean()), so it has no control characters to
 * escape. */
static void report_line_print_quoted(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void report_line_print_json(const struct report_form *form,
				   char *const *cell)
{
	const char *separator = "{";

	for (size_t i = 0; i < form->column_count; i++) {
		const struct report_column *col = &form->columns[i];

		if (!report_form_shows(form, col))
			continue;
		printf("%s\"%s\":", separator, col->key);
		separator = ",";
		if (cell[i] == NULL)
			fputs("null", stdout);
		else if (report_form_is_numeric(col->type) ||
			 col->type == REPORT_FLAG)
			fputs(cell[i], stdout);
		else
			report_line_print_quoted(cell[i]);
	}
	fputs("}\n", stdout);
}

/* The columns of a stream have fixed widths, because later rows are not known.
 * No cells: print the header. */
static void report_line_print_table(const struct report_form *form,
				    char *const *cell)
{
	const char *separator = "";

	for (size_t i = 0; i < form->column_count; i++) {
		const struct report_column *col = &form->columns[i];
		const char *text = cell == NULL ? col->header :
				   cell[i] != NULL ? cell[i] : "-";

		if (!report_form_shows(form, col))
			continue;
		printf("%s%*s", separator, report_form_is_numeric(col->type) ?
		       col->width : -col->width, text);
		separator = " ";
	}
	putchar('\n');
}

void report_line_print(const struct report_form *form, char *const *cell)
{
	if (form->style.format == REPORT_TABLE)
		report_line_print_table(form, cell);
	else if (cell != NULL && form->style.format == REPORT_JSON)
		report_line_print_json(form, cell);
	else if (cell != NULL && form->shape == REPORT_RECORD)
		report_line_print_record(form, cell);
	else if (cell != NULL)
		report_line_print_row(form, cell);
}
