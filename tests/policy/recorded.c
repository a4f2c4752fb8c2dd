/* SPDX-License-Identifier: MIT */
#include "tests/policy/recorded.h"

#include "common/checks.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Larger numbers are no trace of ours. */
enum { LINE_BYTES = 128, PAGES_MAX = 1 << 24 };

struct recorded_file {
	const char *path;
	gzFile gz;
	unsigned line_number;
	char line[LINE_BYTES];
};

static _Noreturn void recorded_fail(const struct recorded_file *rf,
				    const char *why)
{
	fprintf(stderr, "%s:%u: %s\n", rf->path, rf->line_number, why);
	exit(2);
}

/* False: the file has ended. */
static bool recorded_next_line(struct recorded_file *rf)
{
	size_t length;
	int err;

	rf->line_number++;
	if (gzgets(rf->gz, rf->line, sizeof(rf->line)) == NULL) {
		const char *why = gzerror(rf->gz, &err);

		if (err != Z_OK && err != Z_STREAM_END)
			recorded_fail(rf, why);
		return false;
	}
	length = strlen(rf->line);
	if (length == 0 || rf->line[length - 1] != '\n')
		recorded_fail(rf, "the line is too long, or not complete");
	return true;
}

static uint32_t recorded_parse(const struct recorded_file *rf)
{
	char *end;
	unsigned long page = strtoul(rf->line, &end, 10);

	if (end == rf->line || *end != '\n' || page >= PAGES_MAX)
		recorded_fail(rf, "that is no number of a page");
	return (uint32_t)page;
}

static void recorded_add(struct trace *t, size_t *capacity, uint32_t page)
{
	if (t->count == *capacity) {
		*capacity = MAX(*capacity * 2, (size_t)65536);
		t->page = realloc(t->page, *capacity * sizeof(*t->page));
		ASSERT(t->page != NULL);
	}
	t->page[t->count++] = page;
	t->page_count = MAX(t->page_count, page + 1);
}

static void recorded_read(struct trace *t, const char *path)
{
	struct recorded_file rf = { .path = path, .gz = gzopen(path, "r") };
	size_t capacity = 0;

	if (rf.gz == NULL)
		recorded_fail(&rf, strerror(errno));
	if (!recorded_next_line(&rf) || strcmp(rf.line, "memd-pages 1\n") != 0)
		recorded_fail(&rf, "not made by record.sh");
	while (recorded_next_line(&rf))
		if (rf.line[0] != '#')
			recorded_add(t, &capacity, recorded_parse(&rf));
	if (t->count == 0)
		recorded_fail(&rf, "there are no accesses");
	gzclose(rf.gz);
}

void recorded_load(struct trace *t, const char *folder, unsigned number)
{
	static const char *const names[RECORDED_TRACES] = {
		"sort", "hash-join", "redis", "sqlite", "python"
	};
	char path[PATH_MAX];

	*t = (struct trace){ .name = names[number] };
	snprintf(path, sizeof(path), "%s/%s.txt.gz", folder, t->name);
	recorded_read(t, path);
}

uint32_t recorded_count_pages(const struct trace *t)
{
	uint8_t *is_accessed = calloc(t->page_count, 1);
	uint32_t count = 0;

	ASSERT(is_accessed != NULL);
	for (size_t i = 0; i < t->count; i++) {
		count += !is_accessed[t->page[i]];
		is_accessed[t->page[i]] = 1;
	}
	free(is_accessed);
	return count;
}
