/* SPDX-License-Identifier: MIT */
/* How a report looks: its columns, and what of them a style shows.  Knows no
 * cells. */
#ifndef MEMD_MEMCTL_REPORT_FORM_H
#define MEMD_MEMCTL_REPORT_FORM_H

#include <stdbool.h>
#include <stddef.h>

enum report_format { REPORT_TABLE, REPORT_JSON, REPORT_RAW };

struct report_style {
	enum report_format format;
	bool exact_bytes;	/* people, too, get sizes in bytes */
	bool is_long;		/* people get the REPORT_LONG columns */
};

enum report_type {
	REPORT_TEXT,
	REPORT_LIST,		/* texts, separated by newlines */
	REPORT_NUMBER,
	REPORT_SIZE,		/* bytes */
	REPORT_TIME,		/* nanoseconds */
	REPORT_DECIMAL,
	REPORT_FLAG,		/* true or false */
};

/* Properties of a column in the table for people. */
enum {
	REPORT_TRUNCATE = 1,	/* cut it first when the line is too long */
	REPORT_WRAP = 2,	/* or wrap it */
	REPORT_LONG = 4,	/* only with report_style.is_long */
};

enum { REPORT_COLUMNS_MAX = 40 };

struct report_column {
	const char *header;	/* for people; NULL: not for them */
	const char *key;	/* for programs, stable; NULL: not for them */
	enum report_type type;
	unsigned flags;
	int width;		/* of a stream's column; else unused */
};

enum report_shape {
	REPORT_ROWS,		/* printed together by report_print() */
	REPORT_RECORD,		/* one row, for programs only */
	REPORT_STREAM,		/* each row printed when it ends */
};

struct report_form {
	enum report_shape shape;
	const char *name;
	const struct report_column *columns;
	size_t column_count;
	struct report_style style;
};

static inline bool report_form_is_numeric(enum report_type type)
{
	return type == REPORT_NUMBER || type == REPORT_SIZE ||
	       type == REPORT_TIME || type == REPORT_DECIMAL;
}

static inline bool report_form_is_for_people(const struct report_form *form)
{
	return form->style.format == REPORT_TABLE;
}

/* Does the column appear? */
static inline bool report_form_shows(const struct report_form *form,
				     const struct report_column *col)
{
	if (!report_form_is_for_people(form))
		return col->key != NULL;
	return col->header != NULL &&
	       (form->style.is_long || !(col->flags & REPORT_LONG));
}

#endif
