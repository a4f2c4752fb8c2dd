/* SPDX-License-Identifier: MIT */
/* How a report looks: its columns, and what of them a style shows.  Knows no
 * cells. */
#ifndef MEMD_MEMCTL_REPORT_FORM_H
#define MEMD_MEMCTL_REPORT_FORM_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>

enum report_format { REPORT_TABLE, REPORT_JSON, REPORT_RAW };

struct report_style {
	enum report_format format;
	bool exact_bytes;	/* people, too, get sizes in bytes */
	bool is_long;		/* people get the REPORT_LONG columns */
};

/* What a cell is, and of which field of a message it is made. */
enum report_type {
	REPORT_TEXT,
	REPORT_USER, REPORT_GROUP,	/* the name, of an id */
	REPORT_SPAN,		/* "3d 04h", of milliseconds */
	REPORT_LIST,		/* texts, separated by newlines; repeated */
	REPORT_FLAG,		/* true or false; absent: false */
	/* Those from here on are numbers. */
	REPORT_NUMBER,
	REPORT_SIZE,		/* bytes */
	REPORT_TIME,		/* nanoseconds */
	REPORT_DECIMAL,
	/* A session, which people see, and name on a command line, as s12; 0 is
	 * none.  And a client: its process `pid`, or where that is 0, as it is
	 * not seen from here, its `session`, for programs null. */
	REPORT_SESSION, REPORT_CLIENT,
};

/* Properties of a column. */
enum {
	REPORT_TRUNCATE = 1,	/* cut it first when the line is too long */
	REPORT_WRAP = 2,	/* or wrap it */
	REPORT_LONG = 4,	/* only with report_style.is_long */
	REPORT_UNITS = 8,	/* the field counts units of 4 KiB */
	REPORT_NOT_ZERO = 16,	/* 0 is as good as absent */
	REPORT_LIMIT = 32,	/* the same, for people only */
	REPORT_OR_ZERO = 64,	/* absent is as good as 0 */
	REPORT_OR_EMPTY = 128,	/* people see nothing where nothing is */
};

enum { REPORT_COLUMNS_MAX = 40 };

struct report;

struct report_column {
	const char *header;	/* for people; NULL: not for them */
	const char *key;	/* for programs, stable; NULL: not for them */
	enum report_type type;
	unsigned flags;
	int width;		/* of a stream's column; else unused */
	const char *field;	/* of the message; NULL: called as the key */
	/* Where the cell is no field: adds it. */
	void (*add)(struct report *rp, const void *message);
};

#define COLUMN(header_, key_, type_, ...)				\
	{ .header = (header_), .key = (key_), .type = REPORT_##type_,	\
	  __VA_ARGS__ }

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
	struct report_style style;	/* report_create() knows it */
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
