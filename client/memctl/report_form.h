/* SPDX-License-Identifier: MIT */
/* The form of a report: its columns, and which of them a style shows.  It has
 * no cells. */
#ifndef MEMD_MEMCTL_REPORT_FORM_H
#define MEMD_MEMCTL_REPORT_FORM_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>

enum report_format { REPORT_TABLE, REPORT_JSON, REPORT_RAW };

struct report_style {
	enum report_format format;
	bool exact_bytes;	/* in tables too, sizes are in bytes */
	bool is_long;		/* tables have the REPORT_LONG columns */
};

/* The type of a cell, and the field that it is made of. */
enum report_type {
	REPORT_TEXT,
	REPORT_USER, REPORT_GROUP,	/* the name of an id */
	REPORT_SPAN,		/* "3d 04h", from milliseconds */
	/* A repeated field; texts separated by newlines. */
	REPORT_LIST,
	REPORT_FLAG,		/* true or false; absent: false */
	/* All types from here on are numbers. */
	REPORT_NUMBER,
	REPORT_SIZE,		/* bytes */
	REPORT_TIME,		/* nanoseconds */
	REPORT_DECIMAL,
	/* SESSION: in tables and on the command line a session is written s12;
	 * 0 is none.  CLIENT: the process `pid`; if it is 0, because the
	 * process is not visible here, tables have `session`, and programs get
	 * null. */
	REPORT_SESSION, REPORT_CLIENT,
};

/* Properties of a column. */
enum {
	REPORT_TRUNCATE = 1,	/* truncated first if the line is too long */
	REPORT_WRAP = 2,	/* wrapped if the line is too long */
	REPORT_LONG = 4,	/* only with report_style.is_long */
	REPORT_UNITS = 8,	/* the field counts 4 KiB units */
	REPORT_NOT_ZERO = 16,	/* 0 is shown as absent */
	REPORT_LIMIT = 32,	/* the same, in tables only */
	REPORT_OR_ZERO = 64,	/* absent is shown as 0 */
	/* In tables, an empty text is shown as nothing. */
	REPORT_OR_EMPTY = 128,
};

enum { REPORT_COLUMNS_MAX = 40 };

struct report;

struct report_column {
	const char *header;	/* for people; NULL: not in tables */
	const char *key;	/* for programs, stable; NULL: only in tables */
	enum report_type type;
	unsigned flags;
	int width;		/* for streams */
	const char *field;	/* of the message; NULL: named like the key */
	/* If the cell is not made of one field: adds the cell. */
	void (*add)(struct report *rp, const void *message);
};

#define COLUMN(header_, key_, type_, ...)				\
	{ .header = (header_), .key = (key_), .type = REPORT_##type_,	\
	  __VA_ARGS__ }

enum report_shape {
	REPORT_ROWS,		/* printed together by report_print() */
	REPORT_RECORD,		/* one row, for programs only */
	REPORT_STREAM,		/* each row is printed when it ends */
};

struct report_form {
	enum report_shape shape;
	const char *name;
	const struct report_column *columns;
	size_t column_count;
	struct report_style style;	/* set by report_create() */
};

#define REPORT_FORM(shape_, name_, columns_)				\
	{ .shape = REPORT_##shape_, .name = (name_),			\
	  .columns = (columns_), .column_count = ARRAY_SIZE(columns_) }

static inline bool report_form_is_numeric(enum report_type type)
{
	return type >= REPORT_NUMBER;
}

static inline bool report_form_is_for_people(const struct report_form *form)
{
	return form->style.format == REPORT_TABLE;
}

/* True if the column is shown. */
static inline bool report_form_shows(const struct report_form *form,
				     const struct report_column *col)
{
	if (!report_form_is_for_people(form))
		return col->key != NULL;
	return col->header != NULL &&
	       (form->style.is_long || !(col->flags & REPORT_LONG));
}

#endif
