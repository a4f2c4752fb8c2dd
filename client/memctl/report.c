/* SPDX-License-Identifier: MIT */
/* Reports: see report.h.  A cell becomes a string when it is added, in the form
 * of the style.  Rows then go to libsmartcols (tables and JSON documents), or
 * directly to stdout (raw lines and streams, which libsmartcols cannot
 * print). */
#include "client/memctl/report.h"

#include "client/memctl/field.h"
#include "client/memctl/report_line.h"
#include "client/memctl/text.h"
#include "common/units.h"
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <string.h>

enum { UNIT_BYTES = 4096 };

struct report {
	struct report_form form;
	struct libscols_table *table;	/* NULL: rows go to stdout at once */
	/* Of the row; NULL: hidden or unknown. */
	char *cell[REPORT_COLUMNS_MAX];
	size_t cell_count;		/* added to the row so far */
	const void *context;		/* of the row */
	bool has_header;		/* stream: the header was printed */
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

static int report_table_flags(const struct report_column *col)
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

static int report_json_type(enum report_type type)
{
	if (report_form_is_numeric(type))
		return SCOLS_JSON_NUMBER;
	if (type == REPORT_FLAG)
		return SCOLS_JSON_BOOLEAN;
	return SCOLS_JSON_STRING;
}

static int report_add_columns(struct report *rp)
{
	bool is_table = report_is_for_people(rp);

	for (size_t i = 0; i < rp->form.column_count; i++) {
		const struct report_column *col = &rp->form.columns[i];
		struct libscols_column *column;

		if (!report_shows(rp, col))
			continue;
		column = scols_table_new_column(rp->table, is_table ?
				col->header : col->key, 0, is_table ?
				report_table_flags(col) : 0);
		if (column == NULL || scols_column_set_json_type(column,
				report_json_type(col->type)) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int report_create_table(struct report *rp)
{
	rp->table = scols_new_table();
	if (rp->table == NULL ||
	    scols_table_set_name(rp->table, rp->form.name) != 0 ||
	    scols_table_enable_json(rp->table,
				    rp->form.style.format == REPORT_JSON) != 0)
		return -ENOMEM;
	return report_add_columns(rp);
}

struct report *report_create(const struct report_form *form,
			     const struct report_style *style)
{
	struct report *rp = calloc(1, sizeof(*rp));

	ASSERT(form->column_count <= REPORT_COLUMNS_MAX);
	ASSERT(form->shape != REPORT_RECORD || style->format != REPORT_TABLE);
	if (rp == NULL)
		return NULL;
	rp->form = *form;
	rp->form.style = *style;
	if (form->shape == REPORT_STREAM || style->format == REPORT_RAW)
		return rp;
	if (report_create_table(rp) == 0)
		return rp;
	report_destroy(rp);
	return NULL;
}

static void report_forget_row(struct report *rp)
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
	report_forget_row(rp);
	scols_unref_table(rp->table);
	free(rp);
}

/* -------------------------------------------------------------------- cells */

static const struct report_column *report_column(const struct report *rp)
{
	ASSERT(rp->cell_count < rp->form.column_count);
	return &rp->form.columns[rp->cell_count];
}

/* Add the next cell of the row; NULL: unknown. */
static void report_add_cell(struct report *rp, const char *string)
{
	const struct report_column *col = report_column(rp);
	char **cell = &rp->cell[rp->cell_count++];

	if (string == NULL && report_is_for_people(rp))
		string = "-";
	if (string == NULL || !report_shows(rp, col))
		return;
	*cell = strdup(string);
	if (*cell == NULL)
		rp->is_out_of_memory = true;
	else if (col->type != REPORT_LIST)	/* its items are clean */
		text_clean(*cell);
}

void report_unknown(struct report *rp)
{
	report_add_cell(rp, NULL);
}

void report_text(struct report *rp, const char *text)
{
	ASSERT(!report_form_is_numeric(report_column(rp)->type));
	/* libsmartcols prints an empty text as null.  Do the same for raw
	 * output. */
	if (text != NULL && text[0] == '\0' && !report_is_for_people(rp))
		text = NULL;
	report_add_cell(rp, text);
}

void report_list(struct report *rp, char *const *text, size_t count)
{
	size_t size = 1;
	char *list, *end;

	ASSERT(report_column(rp)->type == REPORT_LIST);
	for (size_t i = 0; i < count; i++)
		size += strlen(text[i]) + 1;
	list = end = count == 0 ? NULL : malloc(size);
	rp->is_out_of_memory |= list == NULL && count > 0;
	for (size_t i = 0; list != NULL && i < count; i++) {
		if (i > 0)
			*end++ = '\n';
		end = stpcpy(end, text_clean(text[i]));
	}
	report_add_cell(rp, list);
	free(list);
}

void report_number_as(struct report *rp, enum report_type type,
		      uint64_t number)
{
	char buf[32];

	if (report_is_for_people(rp) && type == REPORT_TIME)
		units_format_ns(number, buf, sizeof(buf));
	else if (report_is_for_people(rp) && type == REPORT_SIZE &&
		 !rp->form.style.exact_bytes)
		units_format_size(number, buf, sizeof(buf));
	else
		snprintf(buf, sizeof(buf), "%s%" PRIu64,
			 report_is_for_people(rp) && type == REPORT_SESSION ?
			 "s" : "", number);
	report_add_cell(rp, buf);
}

void report_number(struct report *rp, uint64_t number)
{
	enum report_type type = report_column(rp)->type;

	ASSERT(report_form_is_numeric(type) && type != REPORT_DECIMAL);
	report_number_as(rp, type, number);
}

void report_decimal(struct report *rp, double number)
{
	char buf[64];

	ASSERT(report_column(rp)->type == REPORT_DECIMAL);
	if (!isfinite(number)) {	/* JSON cannot express it */
		report_unknown(rp);
		return;
	}
	if (fabs(number) >= 1e15)
		snprintf(buf, sizeof(buf), "%.2e", number);
	else
		snprintf(buf, sizeof(buf), "%.*f",
			 report_is_for_people(rp) ? 1 : 3, number);
	report_add_cell(rp, buf);
}

void report_flag(struct report *rp, bool flag)
{
	ASSERT(report_column(rp)->type == REPORT_FLAG);
	if (report_is_for_people(rp))
		report_add_cell(rp, flag ? "yes" : "no");
	else if (rp->table != NULL)	/* JSON, through libsmartcols */
		report_add_cell(rp, flag ? "1" : "0");
	else
		report_add_cell(rp, flag ? "true" : "false");
}

/* ------------------------------------------------------------------- fields */

static void report_add_number(struct report *rp, const void *message,
			      const ProtobufCFieldDescriptor *f)
{
	const struct report_column *col = report_column(rp);
	uint64_t number = field_number(message, f);
	bool is_known = field_is_there(message, f) ||
			(col->flags & REPORT_OR_ZERO) != 0;
	char buf[64];

	if (number == 0 && (col->type == REPORT_SESSION ||
			    (col->flags & REPORT_NOT_ZERO) != 0 ||
			    ((col->flags & REPORT_LIMIT) != 0 &&
			     report_is_for_people(rp))))
		is_known = false;
	if ((col->flags & REPORT_UNITS) != 0)
		number *= UNIT_BYTES;
	if (!is_known)
		report_unknown(rp);
	else if (col->type == REPORT_USER)
		report_add_cell(rp, text_user((uint32_t)number, buf,
					      sizeof(buf)));
	else if (col->type == REPORT_GROUP)
		report_add_cell(rp, text_group((uint32_t)number, buf,
					       sizeof(buf)));
	else if (col->type == REPORT_SPAN)
		report_add_cell(rp, text_uptime(number, buf, sizeof(buf)));
	else
		report_number(rp, number);
}

static void report_add_client(struct report *rp, const void *message)
{
	uint64_t pid = field_number(message, field_find(message, "pid"));
	uint64_t session = field_number(message,
					field_find(message, "session"));

	if (pid != 0)
		report_number(rp, pid);
	else if (session != 0 && report_is_for_people(rp))
		report_number_as(rp, REPORT_SESSION, session);
	else
		report_unknown(rp);
}

void report_field(struct report *rp, const void *message)
{
	const struct report_column *col = report_column(rp);
	const ProtobufCFieldDescriptor *f =
		field_find(message, col->field != NULL ? col->field : col->key);
	const char *text;
	size_t count;
	void **element;

	switch (col->type) {
	case REPORT_TEXT:
		text = field_text(message, f);
		report_text(rp, text != NULL && text[0] == '\0' &&
			    !(col->flags & REPORT_OR_EMPTY) ? NULL : text);
		break;
	case REPORT_LIST:
		element = field_elements(message, f, &count);
		report_list(rp, (char *const *)element, count);
		break;
	case REPORT_FLAG:
		report_flag(rp, field_is_there(message, f) &&
			    field_number(message, f) != 0);
		break;
	case REPORT_DECIMAL:
		report_decimal(rp, field_decimal(message, f));
		break;
	case REPORT_CLIENT:
		report_add_client(rp, message);
		break;
	default:
		report_add_number(rp, message, f);
	}
}

const void *report_context(const struct report *rp)
{
	return rp->context;
}

void report_row(struct report *rp, const void *message, const void *context)
{
	rp->context = context;
	for (size_t i = 0; i < rp->form.column_count; i++) {
		const struct report_column *col = &rp->form.columns[i];

		if (!report_shows(rp, col))
			rp->cell_count++;
		else if (col->add != NULL)
			col->add(rp, message);
		else
			report_field(rp, message);
	}
	report_end_row(rp);
}

/* --------------------------------------------------------------------- rows */

/* Print a list that has items as an array, one item for each line.  An empty
 * list is null; as an array, libsmartcols would print [null]. */
static void report_become_array(struct libscols_column *column)
{
	scols_column_set_json_type(column, SCOLS_JSON_ARRAY_STRING);
	scols_column_set_flags(column, SCOLS_FL_WRAP);
	scols_column_set_safechars(column, "\n");
	scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
				  scols_wrapnl_nextchunk, NULL);
}

static void report_add_line(struct report *rp)
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
			report_become_array(scols_table_get_column(rp->table,
								   shown));
		if (rp->cell[i] != NULL &&
		    scols_line_refer_data(line, shown, rp->cell[i]) == 0)
			rp->cell[i] = NULL;	/* the line owns it now */
		shown++;
	}
}

static void report_print_line(struct report *rp)
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
		report_add_line(rp);
	else if (!rp->is_out_of_memory)
		report_print_line(rp);
	report_forget_row(rp);
}

/* libsmartcols prints nothing for a table without rows.  Print the header for
 * people, and a complete document for programs. */
static void report_print_empty(const struct report *rp)
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
		report_print_empty(rp);
	else if (scols_print_table(rp->table) == -ENOMEM)
		return -ENOMEM;
	return 0;
}
