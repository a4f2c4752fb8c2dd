/* SPDX-License-Identifier: MIT */
/* Proves what an operator reads: the exact line on stderr, the exact fields
 * in the journal, that levels filter, that a client's text cannot begin a
 * line of its own, that a line too long ends visibly cut, and that with a
 * writer nobody waits for a reader, and each line is either read or counted as
 * dropped.  The journal is this file's sd_journal_sendv(), stderr a pipe. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

enum { FIELDS_KEPT = 40 };

static struct {
	bool is_broken;
	int count;
	char field[FIELDS_KEPT][256];
} journal;

/* Found before libsystemd's, because a program's own symbols come first. */
int sd_journal_sendv(const struct iovec *iov, int count);
int sd_journal_sendv(const struct iovec *iov, int count)
{
	if (journal.is_broken)
		return -ENOENT;
	assert_in_range(count, 1, FIELDS_KEPT);
	journal.count = count;
	for (int i = 0; i < count; i++) {
		size_t bytes = MIN(iov[i].iov_len,
				   sizeof(journal.field[0]) - 1);

		memcpy(journal.field[i], iov[i].iov_base, bytes);
		journal.field[i][bytes] = '\0';
	}
	return 0;
}

struct capture {
	int real_stderr;
	int read_end;
	char text[8192];
};

static void capture_begin(struct capture *c)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	c->read_end = ends[0];
	c->real_stderr = dup(STDERR_FILENO);
	assert_true(c->real_stderr >= 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	memset(&journal, 0, sizeof(journal));
}

static void capture_end(struct capture *c)
{
	size_t used = 0;
	ssize_t got;

	dup2(c->real_stderr, STDERR_FILENO);	/* closes the write end */
	close(c->real_stderr);
	while ((got = read(c->read_end, c->text + used,
			   sizeof(c->text) - 1 - used)) > 0)
		used += (size_t)got;
	close(c->read_end);
	c->text[used] = '\0';
	unsetenv("JOURNAL_STREAM");
}

/* Say that the pipe which stderr is now, shifted by `inode_offset`, is the
 * journal's. */
static void pretend_journal(unsigned inode_offset)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino + inode_offset);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
}

/* The line without its time, whose form is checked. */
static const char *after_time(const char *line)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == 'd')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], form[i]);
	}
	return line + sizeof(form) - 1;
}

static void a_line_on_stderr(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	errno = EXDEV;
	log_event(LOG_LEVEL_WARNING, "store-fallback", "store=%s reason=\"%s\"",
		  "sync", "not allowed");
	assert_int_equal(errno, EXDEV);
	capture_end(&c);
	assert_string_equal(after_time(c.text),
			    "warning store-fallback store=sync "
			    "reason=\"not allowed\"\n");
	assert_int_equal(journal.count, 0);
}

static void an_event_alone(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	log_event(LOG_LEVEL_INFO, "ready", "%s", "");
	capture_end(&c);
	assert_string_equal(after_time(c.text), "info ready\n");
}

static void levels_filter(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	log_event(LOG_LEVEL_DEBUG, "not-by-default", "n=%d", 1);
	log_set_level(LOG_LEVEL_ERROR);
	log_event(LOG_LEVEL_WARNING, "not-now", "n=%d", 2);
	log_event(LOG_LEVEL_ERROR, "always", "n=%d", 3);
	log_set_level(LOG_LEVEL_INFO);
	capture_end(&c);
	assert_string_equal(after_time(c.text), "error always n=3\n");
}

static void level_names_parse(void **state)
{
	static const char *const names[] = { "error", "warning", "notice",
					     "info", "debug" };
	enum log_level level;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(log_level_parse(names[i], &level), 0);
		assert_int_equal(level, LOG_LEVEL_ERROR + (int)i);
	}
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void values_cannot_begin_a_line(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	log_event(LOG_LEVEL_INFO, "session-open", "command=\"%s\"",
		  "a\nb\r\x1b[2J\x7f\tz");
	capture_end(&c);
	assert_string_equal(after_time(c.text),
			    "info session-open command=\"a?b??[2J??z\"\n");
}

static void a_long_line_ends_visibly_cut(void **state)
{
	static char value[4096];
	struct capture c;
	size_t length;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	capture_begin(&c);
	log_event(LOG_LEVEL_INFO, "long", "value=%s", value);
	capture_end(&c);
	length = strlen(c.text);
	assert_in_range(length, 2000, 2200);
	assert_string_equal(c.text + length - 5, "x...\n");
	assert_ptr_equal(strchr(c.text, '\n'), c.text + length - 1);
}

static void the_journal_gets_fields(void **state)
{
	static const char *const expected[] = {
		"MESSAGE=session-open pid=7 stray command=\"two words\" "
		"max-frames=9 empty= last=\"\"",
		"PRIORITY=5",
		"SYSLOG_IDENTIFIER=memd",
		"MEMD_EVENT=session-open",
		"MEMD_PID=7",
		"MEMD_COMMAND=two words",
		"MEMD_MAX_FRAMES=9",
		"MEMD_EMPTY=",
		"MEMD_LAST=",
	};
	struct capture c;

	(void)state;
	capture_begin(&c);
	pretend_journal(0);
	log_event(LOG_LEVEL_NOTICE, "session-open",
		  "pid=%d stray command=\"%s\" max-frames=9 empty= last=\"\"",
		  7, "two words");
	capture_end(&c);
	assert_string_equal(c.text, "");
	assert_int_equal(journal.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(journal.field[i], expected[i]);
}

static void odd_text_becomes_no_odd_fields(void **state)
{
	struct capture c;
	char many[512] = "";

	(void)state;
	for (int i = 0; i < 60; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many),
			 "k%d=%d ", i, i);
	capture_begin(&c);
	pretend_journal(0);
	log_event(LOG_LEVEL_INFO, "odd",
		  "=x A=1 a.b=2 quote=\"never closed "
		  "k%070d=0", 0);
	assert_int_equal(journal.count, 5);
	assert_string_equal(journal.field[3], "MEMD_EVENT=odd");
	assert_memory_equal(journal.field[4], "MEMD_QUOTE=never closed k000",
			    28);
	log_event(LOG_LEVEL_INFO, "many", "%s", many);
	assert_int_equal(journal.count, 3 + 24);	/* ours and theirs */
	assert_string_equal(journal.field[26], "MEMD_K22=22");
	capture_end(&c);
}

static void another_stream_is_not_the_journal(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	pretend_journal(1);
	log_event(LOG_LEVEL_INFO, "redirected", "n=%d", 1);
	capture_end(&c);
	assert_int_equal(journal.count, 0);
	assert_string_equal(after_time(c.text), "info redirected n=1\n");
}

static void a_broken_journal_falls_back_to_stderr(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	pretend_journal(0);
	journal.is_broken = true;
	log_event(LOG_LEVEL_ERROR, "kept", "n=%d", 1);
	capture_end(&c);
	assert_string_equal(after_time(c.text), "error kept n=1\n");
}

/* ---- the writer */

static void a_writer_keeps_the_order(void **state)
{
	struct capture c;
	char *line, *rest = c.text;

	(void)state;
	capture_begin(&c);
	assert_int_equal(log_writer_start(), 0);
	for (int i = 0; i < 100; i++)
		log_event(LOG_LEVEL_INFO, "line", "n=%d", i);
	log_writer_stop();
	log_event(LOG_LEVEL_INFO, "line", "n=%d", 100);
	capture_end(&c);
	for (int i = 0; i <= 100; i++) {
		char expected[32];

		line = strsep(&rest, "\n");
		assert_non_null(line);
		snprintf(expected, sizeof(expected), "info line n=%d", i);
		assert_string_equal(after_time(line), expected);
	}
	assert_int_equal(log_dropped_count(), 0);
}

/* Fill the pipe that stderr is, to its last byte, with empty lines. */
static void fill_stderr(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);

	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(STDERR_FILENO, "\n", 1) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, flags), 0);
}

/* Read until the lines read, but for empty ones, and the lines told to be
 * dropped make `logged`. */
static void read_until_all_told(FILE *from, uint64_t logged)
{
	uint64_t seen = 0, told = 0;
	char *line = NULL;
	size_t size = 0;

	while (seen + told < logged) {
		unsigned long long count;

		assert_true(getline(&line, &size, from) > 0);
		if (line[0] == '\n')
			continue;
		if (sscanf(after_time(line), "warning log-dropped lines=%llu ",
			   &count) == 1)
			told += count;
		else
			seen++;
	}
	free(line);
	assert_int_equal(seen + told, logged);
	assert_int_equal(told, log_dropped_count());
	assert_true(told > 0);
}

/* The pipe is full before the first line, so the writer is sure to stand still
 * until somebody reads.  No line is logged after those that were dropped: the
 * writer tells by itself. */
static void nobody_waits_for_the_reader(void **state)
{
	uint64_t logged = 0;
	struct capture c;
	FILE *from;

	(void)state;
	alarm(60);
	capture_begin(&c);
	fill_stderr();
	assert_int_equal(log_writer_start(), 0);
	while (!log_is_behind() || log_dropped_count() < 100) {
		log_event(LOG_LEVEL_INFO, "line", "n=%" PRIu64, logged);
		logged++;
	}
	from = fdopen(dup(c.read_end), "r");
	assert_non_null(from);
	read_until_all_told(from, logged);
	fclose(from);
	assert_false(log_is_behind());
	log_writer_stop();
	capture_end(&c);
	assert_string_equal(c.text, "");
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_on_stderr),
		cmocka_unit_test(an_event_alone),
		cmocka_unit_test(levels_filter),
		cmocka_unit_test(level_names_parse),
		cmocka_unit_test(values_cannot_begin_a_line),
		cmocka_unit_test(a_long_line_ends_visibly_cut),
		cmocka_unit_test(the_journal_gets_fields),
		cmocka_unit_test(odd_text_becomes_no_odd_fields),
		cmocka_unit_test(another_stream_is_not_the_journal),
		cmocka_unit_test(a_broken_journal_falls_back_to_stderr),
		cmocka_unit_test(a_writer_keeps_the_order),
		cmocka_unit_test(nobody_waits_for_the_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
