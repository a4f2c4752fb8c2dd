/* SPDX-License-Identifier: MIT */
/* Proves that an order of pages that was written is read again as it was, that
 * its pages are in it once, that every malformed file is refused with the
 * number of its line, and that a file that could not be written leaves what
 * was there. */
#include "client/memctl/order.h"

#include "tests/temporary.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TEMPORARY_BYTES];
static char path[TEMPORARY_BYTES + 8];
static char reason[ORDER_REASON_BYTES];

static void put_file(const char *bytes, size_t length)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(bytes, 1, length, stream), length);
	assert_int_equal(fclose(stream), 0);
}

static void assert_file(const char *text)
{
	char bytes[4096];
	FILE *stream = fopen(path, "r");
	size_t length;

	assert_non_null(stream);
	length = fread(bytes, 1, sizeof(bytes) - 1, stream);
	fclose(stream);
	bytes[length] = '\0';
	assert_string_equal(bytes, text);
}

static void write_order(const struct order *o)
{
	struct order_file of;

	assert_int_equal(order_file_open(&of, path, reason, sizeof(reason)),
			 0);
	assert_int_equal(order_file_commit(&of, o, reason, sizeof(reason)), 0);
	order_file_abort(&of);
}

/* How many files there are besides `path`. */
static unsigned other_files(void)
{
	char command[256];
	unsigned count;
	FILE *pipe;

	snprintf(command, sizeof(command), "ls -A %s | grep -vc '^order$'",
		 dir);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%u", &count), 1);
	pclose(pipe);
	return count;
}

static const char *const written =
	"memd-order 1\n"
	"a b\t7\t2\n"
	"/12\t0\t1\n"
	"a b\t3\t1\n"
	"gr\xc3\xbc\xc3\x9f\t4294967294\t1\n"
	"a b\t9\t2\n";

static void fill(struct order *o)
{
	struct order_segment *sg;

	order_init(o);
	sg = order_add_segment(o, 5, "a b");
	order_add(o, sg, 7, 2);
	sg = order_add_segment(o, 12, "");
	order_add(o, sg, 0, 1);
	order_add(o, order_find(o, 5), 8, 1);	/* it has come */
	order_add(o, order_find(o, 5), 3, 1);
	sg = order_add_segment(o, 13, "gr\xc3\xbc\xc3\x9f");
	order_add(o, sg, UINT32_MAX - 1, 100);	/* only one can be */
	order_add(o, order_find(o, 5), 7, 4);	/* half of them have */
	assert_null(order_find(o, 6));
}

static void what_is_written_is_read(void **state)
{
	struct order o, again;
	struct stat st;
	mode_t before = umask(027);

	(void)state;
	fill(&o);
	assert_int_equal(o.page_count, 7);
	write_order(&o);
	umask(before);
	assert_file(written);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(other_files(), 0);
	order_init(&again);
	assert_int_equal(order_read(&again, path, reason, sizeof(reason)), 0);
	assert_int_equal(again.segment_count, 3);
	assert_int_equal(again.page_count, 7);
	assert_string_equal(again.segment[0].name, "a b");
	assert_string_equal(again.segment[1].name, "");
	assert_int_equal(again.segment[1].number, 12);
	assert_int_equal(again.segment[0].page_count, 5);
	write_order(&again);
	assert_file(written);
	order_fini(&again);
	order_fini(&o);
}

static void nothing_is_a_file_too(void **state)
{
	struct order o;

	(void)state;
	order_init(&o);
	write_order(&o);
	assert_file("memd-order 1\n");
	assert_int_equal(order_read(&o, path, reason, sizeof(reason)), 0);
	assert_int_equal(o.step_count, 0);
	order_fini(&o);
}

#define LONG_NAME							\
	"0123456789012345678901234567890123456789012345678901234567890123" \
	"0123456789012345678901234567890123456789012345678901234567890123" \
	"0123456789012345678901234567890123456789012345678901234567890123" \
	"012345678901234567890123456789012345678901234567890123456789012"

#define BAD(line, text)	{ line, text, sizeof(text) - 1 }

static const struct {
	unsigned line;
	const char *text;
	size_t length;
} bad[] = {
	BAD(1, ""),
	BAD(1, "\n"),
	BAD(1, "memd-order 1"),			/* cut */
	BAD(1, "memd-order 2\na\t1\t1\n"),
	BAD(1, "memd-order 1 \na\t1\t1\n"),
	BAD(1, "memd-order 1\r\na\t1\t1\r\n"),
	BAD(2, "memd-order 1\n\n"),
	BAD(3, "memd-order 1\na\t1\t1\na\t1\t1"),	/* cut */
	BAD(3, "memd-order 1\na\t1\t1\na\n"),
	BAD(2, "memd-order 1\na 1 1\n"),
	BAD(2, "memd-order 1\na\t1\n"),
	BAD(2, "memd-order 1\na\t1\t1\t1\n"),
	BAD(2, "memd-order 1\na\t1\t1 \n"),
	BAD(2, "memd-order 1\na\t\t1\n"),
	BAD(2, "memd-order 1\na\t1\t\n"),
	BAD(2, "memd-order 1\na\t-1\t1\n"),
	BAD(2, "memd-order 1\na\t 1\t1\n"),
	BAD(2, "memd-order 1\na\t0x1\t1\n"),
	BAD(2, "memd-order 1\na\t1\t0\n"),
	BAD(2, "memd-order 1\na\t4294967295\t1\n"),
	BAD(2, "memd-order 1\na\t4294967294\t2\n"),
	BAD(2, "memd-order 1\na\t0\t99999999999999999999\n"),
	BAD(2, "memd-order 1\n\t1\t1\n"),
	BAD(2, "memd-order 1\n/\t1\t1\n"),
	BAD(2, "memd-order 1\n/x\t1\t1\n"),
	BAD(2, "memd-order 1\n/4294967296\t1\t1\n"),
	BAD(2, "memd-order 1\na/b\t1\t1\n"),
	BAD(2, "memd-order 1\na\0b\t1\t1\n"),
	BAD(2, "memd-order 1\n" LONG_NAME "0\t1\t1\n"),
	BAD(2, "memd-order 1\n" LONG_NAME LONG_NAME "\t1\t1\n"),
};

static void malformed_files_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char place[96];
		struct order o;

		put_file(bad[i].text, bad[i].length);
		order_init(&o);
		reason[0] = '\0';
		if (order_read(&o, path, reason, sizeof(reason)) != -EINVAL)
			fail_msg("row %zu was taken", i);
		snprintf(place, sizeof(place), "%s:%u: ", path, bad[i].line);
		if (strncmp(reason, place, strlen(place)) != 0)
			fail_msg("row %zu: %s", i, reason);
		order_fini(&o);
	}
}

static void the_longest_line_is_taken(void **state)
{
	static const char text[] = "memd-order 1\n" LONG_NAME
		"\t4294967294\t1\n" LONG_NAME "\t0\t4294967295\n";
	struct order o;

	(void)state;
	put_file(text, sizeof(text) - 1);
	order_init(&o);
	assert_int_equal(order_read(&o, path, reason, sizeof(reason)), 0);
	assert_int_equal(o.segment_count, 1);
	assert_int_equal(o.page_count, UINT64_C(1) << 32);
	order_fini(&o);
}

static void what_was_there_stays_until_the_end(void **state)
{
	struct order_file of;
	struct order o;

	(void)state;
	put_file("old\n", 4);
	assert_int_equal(order_file_open(&of, path, reason, sizeof(reason)),
			 0);
	assert_file("old\n");
	order_file_abort(&of);
	assert_file("old\n");
	assert_int_equal(other_files(), 0);
	/* The name is taken by a folder in the last moment. */
	fill(&o);
	assert_int_equal(order_file_open(&of, path, reason, sizeof(reason)),
			 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(order_file_commit(&of, &o, reason, sizeof(reason)),
			 -EISDIR);
	assert_non_null(strstr(reason, path));
	assert_int_equal(other_files(), 0);
	assert_int_equal(rmdir(path), 0);
	order_fini(&o);
}

static void what_cannot_be_written_is_said_at_once(void **state)
{
	struct order_file of;

	(void)state;
	assert_int_equal(order_file_open(&of, "/dev/null", reason,
					 sizeof(reason)), -EINVAL);
	assert_int_equal(order_file_open(&of, dir, reason, sizeof(reason)),
			 -EINVAL);
	assert_int_equal(order_file_open(&of, "/no/such/folder/x", reason,
					 sizeof(reason)), -ENOENT);
	assert_non_null(strstr(reason, "/no/such/folder/x"));
	assert_int_equal(order_file_open(&of, "", reason, sizeof(reason)),
			 -ENOENT);
}

static void links_stay(void **state)
{
	char link[80];
	struct order_file of;
	struct order o;
	struct stat st;

	(void)state;
	put_file("old\n", 4);
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	order_init(&o);
	assert_int_equal(order_file_open(&of, link, reason, sizeof(reason)),
			 0);
	assert_int_equal(order_file_commit(&of, &o, reason, sizeof(reason)),
			 0);
	assert_file("memd-order 1\n");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlink(link), 0);
	order_fini(&o);
}

static int begin(void **state)
{
	(void)state;
	if (mkdtemp(temporary_template("memctl-order", dir)) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/order", dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(nothing_is_a_file_too),
		cmocka_unit_test(malformed_files_are_refused),
		cmocka_unit_test(the_longest_line_is_taken),
		cmocka_unit_test(what_was_there_stays_until_the_end),
		cmocka_unit_test(what_cannot_be_written_is_said_at_once),
		cmocka_unit_test(links_stay),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
