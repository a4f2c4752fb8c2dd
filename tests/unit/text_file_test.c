/* SPDX-License-Identifier: MIT */
/* Proves that a file is read whole, up to the size that is allowed and no
 * further, also one that does not say how long it is; and that whatever is no
 * regular file is refused at once, with words that say what it is. */
#include "common/text_file.h"
#include "tests/odd_file.h"
#include "tests/temporary.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char folder[TEMPORARY_BYTES];
static char path[TEMPORARY_BYTES + 8];
static char reason[128];

static int make_folder(void **state)
{
	(void)state;
	alarm(60);	/* a FIFO would be waited for */
	assert_non_null(mkdtemp(temporary_template("memd-test", folder)));
	snprintf(path, sizeof(path), "%s/file", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)remove(path);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

static int try_to_read(size_t bytes_max, struct text_file *file)
{
	memset(file, 0, sizeof(*file));
	reason[0] = '\0';
	return text_file_read(path, bytes_max, file, reason, sizeof(reason));
}

static void write_bytes(size_t length)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	for (size_t i = 0; i < length; i++)
		assert_int_not_equal(fputc((int)(i % 251), f), EOF);
	assert_int_equal(fclose(f), 0);
}

static void files_are_read_whole(void **state)
{
	static const size_t lengths[] = { 0, 1, 4095, 4096, 4097, 100000 };
	struct text_file file;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		write_bytes(lengths[i]);
		assert_int_equal(try_to_read(100000, &file), 0);
		assert_int_equal(file.length, lengths[i]);
		assert_int_equal(file.st.st_size, lengths[i]);
		for (size_t k = 0; k < file.length; k++)
			assert_int_equal((uint8_t)file.text[k], k % 251);
		text_file_free(&file);
		assert_null(file.text);
	}
}

static void size_has_a_bound(void **state)
{
	struct text_file file;

	(void)state;
	write_bytes(8192);
	assert_int_equal(try_to_read(8192, &file), 0);
	text_file_free(&file);
	assert_int_equal(try_to_read(8191, &file), -EFBIG);
	assert_string_equal(reason, "larger than 8.0K");
	assert_null(file.text);
	assert_int_equal(try_to_read(0, &file), -EFBIG);
}

/* Its size is 0. */
static void size_may_be_unknown(void **state)
{
	struct text_file file;

	(void)state;
	assert_int_equal(text_file_read("/proc/self/smaps", 1 << 24, &file,
					reason, sizeof(reason)), 0);
	assert_true(file.length > 4096);
	text_file_free(&file);
	assert_int_equal(text_file_read("/proc/self/smaps", 4096, &file,
					reason, sizeof(reason)), -EFBIG);
}

static void other_things_are_refused(void **state)
{
	struct text_file file;

	(void)state;
	for (unsigned i = 0; i < ODD_FILES; i++) {
		assert_int_equal(odd_file_put(i, path), 0);
		assert_int_equal(try_to_read(1 << 20, &file),
				 i == ODD_FOLDER ? -EISDIR :
				 i == ODD_HUGE ? -EFBIG : -EINVAL);
		if (strstr(reason, odd_file_words[i]) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", reason,
				 odd_file_words[i]);
		assert_null(file.text);
	}
	assert_int_equal(remove(path), 0);
	assert_int_equal(try_to_read(1 << 20, &file), -ENOENT);
	assert_string_equal(reason,
			    "cannot be read: No such file or directory");
}

static void the_null_device_is_empty(void **state)
{
	struct text_file file;

	(void)state;
	assert_int_equal(text_file_read("/dev/null", 10, &file, reason,
					sizeof(reason)), 0);
	assert_int_equal(file.length, 0);
	text_file_free(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read_whole),
		cmocka_unit_test(size_has_a_bound),
		cmocka_unit_test(size_may_be_unknown),
		cmocka_unit_test(other_things_are_refused),
		cmocka_unit_test(the_null_device_is_empty),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
