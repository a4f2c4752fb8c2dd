/* SPDX-License-Identifier: MIT */
/* Cells become strings as soon as they are added, in the form their style
 * wants; rows then go to libsmartcols (tables and whole JSON documents) or
 * straight to stdout (raw lines and streams, which libsmartcols has not). */
#include "client/memctl/report.h"

#include "client/memctl/report_line.h"
#include "client/memctl/text.h"
#include "common/units.h"
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <string.h>

struct report {
	struct report_form form;
	struct libscols_table *table;	/* NULL: rows go to stdout at once */
	char *cell[REPORT_COLUMNS_MAX];	/* of the row; NULL: hidden, unknown */
	size_t cell_count;		/* added to the row so far */
	bool has_header;		/* (stream) printed */
	bool is_out_of_memory;
};

static bool report_is_for_people(const struct report *rp)
{
	return report_form_is_for_people(&rp->form);
}

static bool report_shows(const struct report *rp,
			 const struct report_column *col)
{
	return report_form_shows(&rp->form, col);
}

/* ------------------------------------------------------------------ columns */

static int table_flags(const struct report_column *col)
{
	int flags = 0;

	if (report_form_is_numeric(col->type))
		flags |= SCOLS_FL_RIGHT;
	if (col->flags & REPORT_TRUNCATE)
		flags |= SCOLS_FL_TRUNC;
	if (col->flags & REPORT_WRAP)
		flags |= SCOLS_FL_WRAP;
	return flags;
}

static int json_type(enum report_type type)
{
	if (report_form_is_numeric(type))
		return SCOLS_JSON_NUMBER;
	if (type == REPORT_FLAG)
		return SCOLS_JSON_BOOLEAN;
	return SCOLS_JSON_STRING;
}

static int add_columns(struct report *rp)
{
	for (size_t i = 0; i < rp->form.column_count; i++) {
		const struct report_column *col = &rp->form.columns[i];
		struct libscols_column *column;

		if (!report_shows(rp, col))
			continue;
		if (report_is_for_people(rp))
			column = scols_table_new_column(rp->table, col->header,
							0, table_flags(col));
		else
			column = scols_table_new_column(rp->table, col->key, 0,
							0);
		if (column == NULL ||
		    scols_column_set_json_type(column,
					       json_type(col->type)) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int create_table(struct report *rp)
{
	rp->table = scols_new_table();
	if (rp->table == NULL ||
	    scols_table_set_name(rp->table, rp->form.name) != 0 ||
	    scols_table_enable_json(rp->table,
				    rp->form.style.format == REPORT_JSON) != 0)
		return -ENOMEM;
	return add_columns(rp);
}

struct report *report_create(enum report_shape shape, const char *name,
			     const struct report_column *columns, size_t count,
			     const struct report_style *style)
{
	struct report *rp = calloc(1, sizeof(*rp));

	ASSERT(count <= REPORT_COLUMNS_MAX);
	ASSERT(shape != REPORT_RECORD || style->format != REPORT_TABLE);
	if (rp == NULL)
		return NULL;
	rp->form.shape = shape;
	rp->form.name = name;
	rp->form.columns = columns;
	rp->form.column_count = count;
	rp->form.style = *style;
	if (shape == REPORT_STREAM || style->format == REPORT_RAW)
		return rp;
	if (create_table(rp) == 0)
		return rp;
	report_destroy(rp);
	return NULL;
}

static void forget_row(struct report *rp)
{
	for (size_t i = 0; i < rp->form.column_count; i++) {
		free(rp->cell[i]);
		rp->cell[i] = NULL;
	}
	rp->cell_count = 0;
}

void report_destroy(struct report *rp)
{
	if (rp == NULL)
		return;
	forget_row(rp);
	scols_unref_table(rp->table);
	free(rp);
}

/* -------------------------------------------------------------------- cells */

static const struct report_column *next_column(struct report *rp)
{
	ASSERT(rp->cell_count < rp->form.column_count);
	return &rp->form.columns[rp->cell_count++];
}

/* Store the string of the cell that next_column() has just begun. */
static void store(struct report *rp, const char *string)
{
	char **cell = &rp->cell[rp->cell_count - 1];

	*cell = strdup(string);
	if (*cell == NULL)
		rp->is_out_of_memory = true;
}

void report_unknown(struct report *rp)
{
	const struct report_column *col = next_column(rp);

	if (report_shows(rp, col) && report_is_for_people(rp))
		store(rp, "-");
}

/* Like text_clean(), but the newlines between a list's items stay. */
static void clean_list(char *list)
{
	for (char *item = list; item != NULL;) {
		char *end = strchr(item, '\n');

		if (end != NULL)
			*end = '\0';
		text_clean(item);
		if (end != NULL)
			*end++ = '\n';
		item = end;
	}
}

void report_text(struct report *rp, const char *text)
{
	const struct report_column *col;
	char *cell;

	/* libsmartcols prints an empty text as null: so be it in raw, too. */
	if (text == NULL ||
	    (text[0] == '\0' && !report_is_for_people(rp))) {
		report_unknown(rp);
		return;
	}
	col = next_column(rp);
	ASSERT(col->type == REPORT_TEXT || col->type == REPORT_LIST);
	if (!report_shows(rp, col))
		return;
	store(rp, text);
	cell = rp->cell[rp->cell_count - 1];
	if (cell == NULL)
		return;
	if (col->type == REPORT_LIST)
		clean_list(cell);
	else
		text_clean(cell);
}

static void add_number(struct report *rp, const struct report_column *col,
		       enum report_type type, uint64_t number)
{
	char buf[32];

	if (!report_shows(rp, col))
		return;
	if (report_is_for_people(rp) && type == REPORT_TIME)
		units_format_ns(number, buf, sizeof(buf));
	else if (report_is_for_people(rp) && type == REPORT_SIZE &&
		 !rp->form.style.exact_bytes)
		units_format_size(number, buf, sizeof(buf));
	else
		snprintf(buf, sizeof(buf), "%" PRIu64, number);
	store(rp, buf);
}

void report_number(struct report *rp, uint64_t number)
{
	const struct report_column *col = next_column(rp);

	ASSERT(report_form_is_numeric(col->type) &&
	       col->type != REPORT_DECIMAL);
	add_number(rp, col, col->type, number);
}

void report_number_as(struct report *rp, enum report_type type,
		      uint64_t number)
{
	const struct report_column *col = next_column(rp);

	ASSERT(col->type == REPORT_NUMBER);
	add_number(rp, col, type, number);
}

void report_session(struct report *rp, uint32_t session)
{
	const struct report_column *col;
	char buf[16];

	if (session == 0) {
		report_unknown(rp);
		return;
	}
	if (!report_is_for_people(rp)) {
		report_number(rp, session);
		return;
	}
	col = next_column(rp);
	ASSERT(col->type == REPORT_NUMBER);
	if (!report_shows(rp, col))
		return;
	snprintf(buf, sizeof(buf), "s%" PRIu32, session);
	store(rp, buf);
}

void report_client(struct report *rp, uint32_t pid, uint32_t session)
{
	if (pid != 0)
		report_number(rp, pid);
	else if (report_is_for_people(rp))
		report_session(rp, session);
	else
		report_unknown(rp);
}

void report_limit(struct report *rp, uint64_t number)
{
	if (number == 0 && report_is_for_people(rp))
		report_unknown(rp);
	else
		report_number(rp, number);
}

void report_decimal(struct report *rp, double number)
{
	const struct report_column *col;
	char buf[64];

	if (!isfinite(number)) {	/* JSON has no word for it */
		report_unknown(rp);
		return;
	}
	col = next_column(rp);
	ASSERT(col->type == REPORT_DECIMAL);
	if (!report_shows(rp, col))
		return;
	if (fabs(number) >= 1e15)
		snprintf(buf, sizeof(buf), "%.2e", number);
	else
		snprintf(buf, sizeof(buf), "%.*f",
			 report_is_for_people(rp) ? 1 : 3, number);
	store(rp, buf);
}

void report_flag(struct report *rp, bool flag)
{
	const struct report_column *col = next_column(rp);

	ASSERT(col->type == REPORT_FLAG);
	if (!report_shows(rp, col))
		return;
	if (report_is_for_people(rp))
		store(rp, flag ? "yes" : "no");
	else if (rp->form.style.format == REPORT_JSON && rp->table != NULL)
		store(rp, flag ? "1" : "0");	/* what libsmartcols reads */
	else
		store(rp, flag ? "true" : "false");
}

/* --------------------------------------------------------------------- rows */

/* A list that has items is printed as an array, an item for each line; one
 * without is null, where libsmartcols would print [null]. */
static void become_array(struct libscols_column *column)
{
	scols_column_set_json_type(column, SCOLS_JSON_ARRAY_STRING);
	scols_column_set_flags(column, SCOLS_FL_WRAP);
	scols_column_set_safechars(column, "\n");
	scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
				  scols_wrapnl_nextchunk, NULL);
}

static void add_line(struct report *rp)
{
	struct libscols_line *line = scols_table_new_line(rp->table, NULL);
	size_t shown = 0;

	if (line == NULL) {
		rp->is_out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < rp->form.column_count; i++) {
		if (!report_shows(rp, &rp->form.columns[i]))
			continue;
		if (rp->form.columns[i].type == REPORT_LIST &&
		    rp->cell[i] != NULL)
			become_array(scols_table_get_column(rp->table,
							    shown));
		if (rp->cell[i] != NULL &&
		    scols_line_refer_data(line, shown, rp->cell[i]) == 0)
			rp->cell[i] = NULL;	/* the line owns it now */
		shown++;
	}
}

static void print_line(struct report *rp)
{
	if (!rp->has_header)
		report_line_print(&rp->form, NULL);
	rp->has_header = true;
	report_line_print(&rp->form, rp->cell);
}

void report_end_row(struct report *rp)
{
	ASSERT(rp->cell_count == rp->form.column_count);
	if (rp->table != NULL)
		add_line(rp);
	else if (!rp->is_out_of_memory)
		print_line(rp);
	forget_row(rp);
}

/* libsmartcols prints nothing at all for a table without rows; people shall
 * see that it is empty, and programs a whole document. */
static void print_empty(const struct report *rp)
{
	size_t count = scols_table_get_ncols(rp->table);

	if (!report_is_for_people(rp)) {
		printf("{\n   \"%s\": []\n}\n", rp->form.name);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct libscols_column *column =
			scols_table_get_column(rp->table, i);

		printf("%s%s", scols_column_get_name(column),
		       i + 1 < count ? " " : "\n");
	}
}

int report_print(struct report *rp)
{
	if (rp->is_out_of_memory)
		return -ENOMEM;
	if (rp->table == NULL)
		fflush(stdout);
	else if (scols_table_is_empty(rp->table))
		print_empty(rp);
	else if (scols_print_table(rp->table) == -ENOMEM)
		return -ENOMEM;
	return 0;
}
