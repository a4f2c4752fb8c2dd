/* SPDX-License-Identifier: MIT */
/* Formats a line of the log, and writes it.
 *
 * On stderr a line is one write(2), so that lines of two processes never mix:
 *
 *   2026-03-01T12:00:00.123Z warning store-fallback store=sync reason="..."
 *
 * It has the time in UTC, the level, the event, and the text of the caller.  If
 * stderr is the journal, the same text without time and level is the MESSAGE.
 * PRIORITY, SYSLOG_IDENTIFIER=memd, MEMD_EVENT=store-fallback and a field
 * MEMD_KEY for each key=value are added: `journalctl MEMD_EVENT=session-open
 * MEMD_UID=7`.
 *
 * Control characters are shown as '?', because values may come from clients,
 * which must not be able to begin a line.  A line longer than
 * LOG_LINE_BYTES_MAX ends in "...".  Threads: any; a line is formatted on the
 * caller's stack. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "common/log_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

enum {
	FIELDS_MAX = 24,
	FIELD_PREFIX_BYTES = 5,		/* "MEMD_" */
	FIELD_NAME_BYTES_MAX = 64,	/* journald's own limit */
};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

/* True if stderr is the stream that systemd has connected to the journal.
 * Checked for every line: this costs one fstat(2), and stays right if stderr is
 * redirected later. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char expected[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return strcmp(stream, expected) == 0;
}

void log_line_vformat(struct log_line *line, enum log_level level,
		      const char *event, const char *format, va_list args)
{
	char *text = line->text;
	int event_bytes = snprintf(text, LOG_LINE_BYTES_MAX, "%s", event);
	size_t used;
	int more;

	ASSERT(event_bytes >= 0 && event_bytes < LOG_LINE_BYTES_MAX / 2);
	line->level = level;
	line->event_bytes = used = (size_t)event_bytes;
	clock_gettime(CLOCK_REALTIME, &line->when);
	text[used++] = ' ';
	more = vsnprintf(text + used, LOG_LINE_BYTES_MAX - used, format, args);
	if (more <= 0)		/* no text, or an error */
		used--;
	else
		used += (size_t)more;
	if (used >= LOG_LINE_BYTES_MAX) {
		used = LOG_LINE_BYTES_MAX - 1;
		memcpy(text + used - 3, "...", 3);
	}
	for (size_t i = 0; i < used; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	}
	text[used] = '\0';
	line->text_bytes = used;
}

void log_line_format(struct log_line *line, enum log_level level,
		     const char *event, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line_vformat(line, level, event, format, args);
	va_end(args);
}

/* ---- journal */

struct fields {
	struct iovec iov[FIELDS_MAX];
	int count;
	size_t used;
	char text[LOG_LINE_BYTES_MAX + FIELDS_MAX * (FIELD_PREFIX_BYTES + 1)];
};

static size_t key_length(const char *at)
{
	return strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_-");
}

/* Add "MEMD_KEY=value" to `f`, unless it is full or the key too long. */
static void field_add(struct fields *f, const char *key, size_t key_bytes,
		      const char *value, size_t value_bytes)
{
	size_t bytes = FIELD_PREFIX_BYTES + key_bytes + 1 + value_bytes;
	char *out = f->text + f->used;

	if (f->count == FIELDS_MAX || bytes > sizeof(f->text) - f->used ||
	    FIELD_PREFIX_BYTES + key_bytes > FIELD_NAME_BYTES_MAX)
		return;
	f->iov[f->count].iov_base = out;
	f->iov[f->count].iov_len = bytes;
	f->count++;
	f->used += bytes;

	memcpy(out, "MEMD_", FIELD_PREFIX_BYTES);
	out += FIELD_PREFIX_BYTES;
	for (size_t i = 0; i < key_bytes; i++) {
		char c = key[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		*out++ = c == '-' ? '_' : c;
	}
	*out++ = '=';
	memcpy(out, value, value_bytes);
}

/* Find key=value and key="quoted value" in `text`.  Other words are in the
 * message only. */
static void fields_parse(struct fields *f, const char *text)
{
	while (*text != '\0') {
		size_t key_bytes = key_length(text);
		const char *value = text + key_bytes + 1;
		size_t value_bytes;

		if (key_bytes == 0 || text[key_bytes] != '=') {
			text += strcspn(text, " ");
			text += strspn(text, " ");
			continue;
		}
		if (*value == '"') {
			value++;
			value_bytes = strcspn(value, "\"");
		} else {
			value_bytes = strcspn(value, " ");
		}
		field_add(f, text, key_bytes, value, value_bytes);
		text = value + value_bytes;
		text += strspn(text, "\" ");
	}
}

static bool send_to_journal(const struct log_line *line)
{
	enum { OWN_FIELDS = 3 };
	static char identifier[] = "SYSLOG_IDENTIFIER=memd";
	struct iovec iov[OWN_FIELDS + FIELDS_MAX];
	struct fields f = { .count = 0 };
	char message[sizeof("MESSAGE=") + LOG_LINE_BYTES_MAX];
	char priority[sizeof("PRIORITY=") + 12];

	iov[0].iov_base = message;
	iov[0].iov_len = sizeof("MESSAGE=") - 1 + line->text_bytes;
	memcpy(message, "MESSAGE=", sizeof("MESSAGE=") - 1);
	memcpy(message + sizeof("MESSAGE=") - 1, line->text, line->text_bytes);
	iov[1].iov_base = priority;
	iov[1].iov_len = (size_t)snprintf(priority, sizeof(priority),
					  "PRIORITY=%d", (int)line->level);
	iov[2].iov_base = identifier;
	iov[2].iov_len = sizeof(identifier) - 1;

	field_add(&f, "event", strlen("event"), line->text, line->event_bytes);
	fields_parse(&f, line->text + line->event_bytes);
	memcpy(iov + OWN_FIELDS, f.iov, (size_t)f.count * sizeof(f.iov[0]));
	return sd_journal_sendv(iov, OWN_FIELDS + f.count) >= 0;
}

/* ---- stderr */

static void write_to_stderr(const struct log_line *line)
{
	char out[LOG_LINE_BYTES_MAX + 64];
	char date[sizeof("2026-03-01T12:00:00")] = "";
	struct tm tm;
	ssize_t done;
	int bytes;

	if (gmtime_r(&line->when.tv_sec, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	bytes = snprintf(out, sizeof(out), "%s.%03ldZ %s %s\n", date,
			 line->when.tv_nsec / 1000000,
			 level_names[line->level], line->text);
	ASSERT(bytes > 0 && (size_t)bytes < sizeof(out));
	do {
		done = write(STDERR_FILENO, out, (size_t)bytes);
	} while (done < 0 && errno == EINTR);
	/* If stderr takes nothing, there is no other place to report it. */
}

void log_line_show(const struct log_line *line)
{
	if (!stderr_is_journal() || !send_to_journal(line))
		write_to_stderr(line);
}
