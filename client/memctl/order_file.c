/* SPDX-License-Identifier: MIT */
/* Reads and writes the file of an order.  order.h describes its form. */
#include "client/memctl/order.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE	"memd-order 1"

/* The longest valid line: a name, two numbers, two tabs. */
enum { LINE_BYTES_MAX = WIRE_NAME_BYTES_MAX + 2 * 11 };

/* ---- reading */

struct order_reader {
	const char *path;
	uint64_t line_number;
	char *reason;
	size_t reason_size;
};

PRINTF_LIKE(2, 3)
static int order_refuse(const struct order_reader *rd, const char *format, ...)
{
	char text[ORDER_REASON_BYTES / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(rd->reason, rd->reason_size, "%s:%llu: %s", rd->path,
		 (unsigned long long)rd->line_number, text);
	return -EINVAL;
}

/* Parse digits, at most `most`, followed by `end`.  Returns the text behind
 * them; NULL: the text is something else. */
static const char *order_parse_number(const char *text, char end,
				      uint64_t most, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++) {
		number = number * 10 + (unsigned)(*text - '0');
		if (number > most)
			return NULL;
	}
	if (*text != end)
		return NULL;
	*ret_number = number;
	return end == '\0' ? text : text + 1;
}

/* Find or add the segment whose name begins the line.  *segment_idx is the
 * segment of the line before. */
static int order_take_name(const struct order_reader *rd, struct order *o,
			   const char *name, uint32_t *segment_idx)
{
	uint64_t number = 0;
	bool is_private = name[0] == '/';

	if (is_private && order_parse_number(name + 1, '\0', UINT32_MAX,
					     &number) == NULL)
		return order_refuse(rd, "'/' begins a private segment, and "
				    "its number must follow");
	if (!is_private && (name[0] == '\0' || strchr(name, '/') != NULL ||
			    strlen(name) > WIRE_NAME_BYTES_MAX))
		return order_refuse(rd, "that is no segment's name");
	if (is_private)
		name = "";
	if (order_find_named(o, (uint32_t)number, name, segment_idx))
		return 0;
	if (order_add_segment(o, (uint32_t)number, name) == NULL)
		return order_refuse(rd, "more than %d segments, or no memory",
				    ORDER_SEGMENTS_MAX);
	*segment_idx = o->segment_count - 1;
	return 0;
}

static int order_take_line(const struct order_reader *rd, struct order *o,
			   char *line, uint32_t *segment_idx)
{
	char *tab = strchr(line, '\t');
	const char *at;
	uint64_t first, count;
	int err;

	if (tab == NULL)
		return order_refuse(rd, "no tab: a line is NAME, tab, first "
				    "page, tab, count");
	*tab = '\0';
	at = order_parse_number(tab + 1, '\t', ORDER_PAGE_END, &first);
	if (at == NULL)
		return order_refuse(rd, "the first page is no number below %u",
				    ORDER_PAGE_END);
	if (order_parse_number(at, '\0', ORDER_PAGE_END, &count) == NULL ||
	    count == 0 || count > ORDER_PAGE_END - first)
		return order_refuse(rd, "the count is no number from 1 on, or "
				    "pages beyond %u", ORDER_PAGE_END);
	err = order_take_name(rd, o, line, segment_idx);
	if (err != 0)
		return err;
	order_add_run(o, &o->segment[*segment_idx],
		      (struct order_run){ (uint32_t)first, (uint32_t)count });
	return o->is_full ? order_refuse(rd, "more than %d lines, or no memory",
					 ORDER_STEPS_MAX) : 0;
}

/* Read the next line, without its newline.  Returns 1, 0 (end of file), or
 * -errno. */
static int order_next_line(struct order_reader *rd, FILE *stream,
			   char line[LINE_BYTES_MAX + 2])
{
	size_t length;

	rd->line_number++;
	errno = 0;
	if (fgets(line, LINE_BYTES_MAX + 2, stream) == NULL) {
		int err = !ferror(stream) ? 0 : errno != 0 ? errno : EIO;

		if (err != 0)
			snprintf(rd->reason, rd->reason_size, "%s: %s",
				 rd->path, strerror(err));
		return -err;
	}
	length = strlen(line);
	if (length == 0 || line[length - 1] != '\n')
		return order_refuse(rd, "%s", feof(stream) ?
				    "the line has no end: the file was cut" :
				    "that is no line of such a file");
	line[length - 1] = '\0';
	return 1;
}

static int order_read_lines(struct order *o, struct order_reader *rd,
			    FILE *stream)
{
	char line[LINE_BYTES_MAX + 2];
	uint32_t segment_idx = 0;
	int more = order_next_line(rd, stream, line);

	if (more < 0)
		return more;
	if (more == 0 || strcmp(line, FIRST_LINE) != 0)
		return order_refuse(rd, "not made by `memctl trace --save`: "
				    "that begins with \"" FIRST_LINE "\"");
	while ((more = order_next_line(rd, stream, line)) > 0) {
		int err = order_take_line(rd, o, line, &segment_idx);

		if (err != 0)
			return err;
	}
	return more;
}

int order_read(struct order *o, const char *path, char *ret_reason,
	       size_t reason_size)
{
	struct order_reader rd = { path, 0, ret_reason, reason_size };
	FILE *stream = fopen(path, "re");
	int err;

	if (stream == NULL) {
		err = -errno;
		snprintf(ret_reason, reason_size, "%s: %s", path,
			 strerror(-err));
		return err;
	}
	err = order_read_lines(o, &rd, stream);
	fclose(stream);
	return err;
}

/* ---- writing */

/* `why` NULL: use the text of `err`. */
static int order_file_fail(struct order_file *of, const char *path,
			   const char *why, int err, char *ret_reason,
			   size_t reason_size)
{
	snprintf(ret_reason, reason_size, "cannot write %s: %s", path,
		 why != NULL ? why : strerror(err));
	order_file_abort(of);
	return -err;
}

int order_file_open(struct order_file *of, const char *path, char *ret_reason,
		    size_t reason_size)
{
	const char *why = NULL;
	struct stat st;
	int fd = -1, err = 0;

	/* Follow symbolic links, so that they stay. */
	*of = (struct order_file){ .path = realpath(path, NULL) };
	if (of->path == NULL && errno == ENOENT && path[0] != '\0')
		of->path = strdup(path);
	if (of->path == NULL) {
		err = errno;
	} else if (stat(of->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		why = "it is no regular file";
		err = EINVAL;
	} else if (asprintf(&of->temporary, "%s.XXXXXX", of->path) < 0) {
		of->temporary = NULL;
		err = ENOMEM;
	} else if ((fd = mkostemp(of->temporary, O_CLOEXEC)) < 0) {
		err = errno;
		free(of->temporary);
		of->temporary = NULL;	/* the file does not exist */
	} else if ((of->stream = fdopen(fd, "w")) == NULL) {
		err = errno;
		close(fd);
	}
	return err == 0 ? 0 : order_file_fail(of, path, why, err, ret_reason,
					      reason_size);
}

/* Give the file the usual permissions of a new file; mkostemp() gives 0600. */
static int order_file_set_mode(FILE *stream)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return fchmod(fileno(stream), 0666 & ~mask);
}

static void order_file_print(const struct order *o, FILE *to)
{
	fputs(FIRST_LINE "\n", to);
	for (uint32_t i = 0; i < o->step_count; i++) {
		const struct order_step *step = &o->step[i];
		const struct order_segment *sg =
			&o->segment[step->segment_idx];

		if (sg->name[0] != '\0')
			fputs(sg->name, to);
		else
			fprintf(to, "/%u", sg->number);
		fprintf(to, "\t%u\t%u\n", step->run.first, step->run.count);
	}
}

int order_file_commit(struct order_file *of, const struct order *o,
		      char *ret_reason, size_t reason_size)
{
	FILE *stream = of->stream;
	int err = 0;

	errno = 0;
	order_file_print(o, stream);
	if (fflush(stream) != 0 || ferror(stream) ||
	    order_file_set_mode(stream) != 0 || fsync(fileno(stream)) != 0)
		err = errno != 0 ? errno : EIO;
	of->stream = NULL;
	if (fclose(stream) != 0 && err == 0)
		err = errno;
	if (err == 0 && rename(of->temporary, of->path) != 0)
		err = errno;
	if (err != 0)
		return order_file_fail(of, of->path, NULL, err, ret_reason,
				       reason_size);
	free(of->temporary);
	of->temporary = NULL;
	order_file_abort(of);
	return 0;
}

void order_file_abort(struct order_file *of)
{
	if (of->stream != NULL)
		fclose(of->stream);
	if (of->temporary != NULL)
		unlink(of->temporary);
	free(of->temporary);
	free(of->path);
	*of = (struct order_file){ 0 };
}
