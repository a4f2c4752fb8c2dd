/* SPDX-License-Identifier: MIT */
/* Reading and writing the file of an order; its form is in order.h. */
#include "client/memctl/order.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE	"memd-order 1"

/* The longest right line: a name, two numbers, two tabs. */
enum { LINE_BYTES_MAX = WIRE_NAME_BYTES_MAX + 2 * 11 };

/* ---- reading */

struct reader {
	const char *path;
	uint64_t line_number;
	char *reason;
	size_t reason_size;
};

PRINTF_LIKE(2, 3)
static int refuse(const struct reader *rd, const char *format, ...)
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

/* Digits only, at most `most`, then `end`.  NULL: something else. */
static const char *parse_number(const char *text, char end, uint64_t most,
				uint64_t *ret_number)
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

/* The segment a line begins with, made known when it is new.  *segment_idx is
 * that of the line before. */
static int take_name(const struct reader *rd, struct order *o, char *name,
		     uint32_t *segment_idx)
{
	uint64_t number = 0;
	bool is_private = name[0] == '/';

	if (is_private && parse_number(name + 1, '\0', UINT32_MAX,
				       &number) == NULL)
		return refuse(rd, "'/' begins a private segment, and its "
			      "number must follow");
	if (!is_private && (name[0] == '\0' || strchr(name, '/') != NULL ||
			    strlen(name) > WIRE_NAME_BYTES_MAX))
		return refuse(rd, "that is no segment's name");
	if (is_private)
		name = (char *)"";
	if (order_find_named(o, (uint32_t)number, name, segment_idx))
		return 0;
	if (order_add_segment(o, (uint32_t)number, name) == NULL)
		return refuse(rd, "more than %d segments, or no memory",
			      ORDER_SEGMENTS_MAX);
	*segment_idx = o->segment_count - 1;
	return 0;
}

static int take_line(const struct reader *rd, struct order *o, char *line,
		     uint32_t *segment_idx)
{
	char *tab = strchr(line, '\t');
	const char *at;
	uint64_t first, count;
	int err;

	if (tab == NULL)
		return refuse(rd, "no tab: a line is NAME, tab, first page, "
			      "tab, count");
	*tab = '\0';
	at = parse_number(tab + 1, '\t', PAGE_ORDER_END, &first);
	if (at == NULL)
		return refuse(rd, "the first page is no number below %u",
			      PAGE_ORDER_END);
	if (parse_number(at, '\0', PAGE_ORDER_END, &count) == NULL ||
	    count == 0 || count > PAGE_ORDER_END - first)
		return refuse(rd, "the count is no number from 1 on, or pages "
			      "beyond %u", PAGE_ORDER_END);
	err = take_name(rd, o, line, segment_idx);
	if (err != 0)
		return err;
	order_add_run(o, &o->segment[*segment_idx],
		      (struct page_run){ (uint32_t)first, (uint32_t)count });
	return o->is_full ? refuse(rd, "more than %d lines, or no memory",
				   ORDER_STEPS_MAX) : 0;
}

/* The next line, without its end.  1, 0 at the end of the file, or -errno. */
static int next_line(struct reader *rd, FILE *stream, char *line, size_t size)
{
	size_t length = 0;
	int c;

	rd->line_number++;
	while ((c = getc(stream)) != EOF && c != '\n') {
		if (c == '\0' || length + 1 >= size)
			return refuse(rd, "that is no line of such a file");
		line[length++] = (char)c;
	}
	if (ferror(stream)) {
		int err = errno != 0 ? errno : EIO;

		snprintf(rd->reason, rd->reason_size, "%s: %s", rd->path,
			 strerror(err));
		return -err;
	}
	if (c == EOF && length > 0)
		return refuse(rd, "the line has no end: the file was cut");
	line[length] = '\0';
	return c != EOF;
}

static int read_lines(struct order *o, struct reader *rd, FILE *stream)
{
	char line[LINE_BYTES_MAX + 1] = "";
	uint32_t segment_idx = 0;
	int more = next_line(rd, stream, line, sizeof(line));

	if (more < 0)
		return more;
	if (more == 0 || strcmp(line, FIRST_LINE) != 0)
		return refuse(rd, "not made by `memctl trace --save`: that "
			      "begins with \"" FIRST_LINE "\"");
	while ((more = next_line(rd, stream, line, sizeof(line))) > 0) {
		int err = take_line(rd, o, line, &segment_idx);

		if (err != 0)
			return err;
	}
	return more;
}

int order_read(struct order *o, const char *path, char *ret_reason,
	       size_t reason_size)
{
	struct reader rd = { path, 0, ret_reason, reason_size };
	FILE *stream = fopen(path, "re");
	int err;

	if (stream == NULL) {
		err = -errno;
		snprintf(ret_reason, reason_size, "%s: %s", path,
			 strerror(-err));
		return err;
	}
	errno = 0;
	err = read_lines(o, &rd, stream);
	fclose(stream);
	return err;
}

/* ---- writing */

static int fail(const struct order_file *of, int err, char *ret_reason,
		size_t reason_size)
{
	snprintf(ret_reason, reason_size, "cannot write %s: %s", of->path,
		 strerror(err));
	return -err;
}

/* Where the file is to be, links followed: they are to stay. */
static char *resolve(const char *path)
{
	char *real = realpath(path, NULL);

	return real != NULL || errno != ENOENT || path[0] == '\0' ?
		real : strdup(path);
}

int order_file_open(struct order_file *of, const char *path, char *ret_reason,
		    size_t reason_size)
{
	struct stat st;
	int fd, err;

	*of = (struct order_file){ .path = resolve(path) };
	if (of->path == NULL) {
		err = errno;
		snprintf(ret_reason, reason_size, "cannot write %s: %s", path,
			 strerror(err));
		return -err;
	}
	if (stat(of->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		snprintf(ret_reason, reason_size, "cannot write %s: it is no "
			 "regular file", path);
		order_file_abort(of);
		return -EINVAL;
	}
	if (asprintf(&of->temporary, "%s.XXXXXX", of->path) < 0)
		of->temporary = NULL;
	fd = of->temporary != NULL ? mkostemp(of->temporary, O_CLOEXEC) : -1;
	if (fd < 0) {
		err = of->temporary != NULL ? errno : ENOMEM;
		free(of->temporary);
		of->temporary = NULL;	/* it is not there */
	} else {
		of->stream = fdopen(fd, "w");
		err = of->stream == NULL ? errno : 0;
		if (err != 0)
			close(fd);
	}
	if (err == 0)
		return 0;
	err = fail(of, err, ret_reason, reason_size);
	order_file_abort(of);
	return err;
}

/* The permissions of any new file, where mkostemp() gives 0600. */
static int set_mode(FILE *stream)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return fchmod(fileno(stream), 0666 & ~mask);
}

static void print(const struct order *o, FILE *to)
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
	int err = 0;

	errno = 0;
	print(o, of->stream);
	if (fflush(of->stream) != 0 || ferror(of->stream) ||
	    set_mode(of->stream) != 0 || fsync(fileno(of->stream)) != 0)
		err = errno != 0 ? errno : EIO;
	if (fclose(of->stream) != 0 && err == 0)
		err = errno;
	of->stream = NULL;
	if (err == 0 && rename(of->temporary, of->path) != 0)
		err = errno;
	if (err != 0) {
		err = fail(of, err, ret_reason, reason_size);
	} else {
		free(of->temporary);
		of->temporary = NULL;
	}
	order_file_abort(of);
	return err;
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
