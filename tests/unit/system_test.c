/* SPDX-License-Identifier: MIT */
/* Proves that the memory limit of a cgroup is the smallest of its own and of
 * those above it, in both versions of cgroups; that neither "max" nor the
 * largest number of version 1 is a limit; and that a limit is read anew. */
#include "daemon/system/system.h"
#include "tests/temporary.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LARGEST_V1	"9223372036854771712"

static char folder[TEMPORARY_BYTES], groups[TEMPORARY_BYTES + 8];

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(temporary_template("memd-test", folder)));
	snprintf(groups, sizeof(groups), "%s/own", folder);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int remove_folder(void **state)
{
	(void)state;
	assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	return 0;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void make_group(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void limit(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	put(path, text);
}

static void expect(uint64_t bytes)
{
	assert_true(system_group_memory_in(groups, folder) == bytes);
}

static void groups_of_version_2(void **state)
{
	(void)state;
	make_group("above");
	make_group("above/middle");
	make_group("above/middle/own");
	put(groups, "0::/above/middle/own\n");
	expect(UINT64_MAX);
	limit("above/memory.max", "max\n");
	limit("above/middle/memory.max", "max\n");
	limit("above/middle/own/memory.max", "max\n");
	expect(UINT64_MAX);
	limit("above/middle/own/memory.max", "8388608\n");
	expect(8 << 20);
	limit("above/middle/memory.max", "4194304\n");
	expect(4 << 20);
	limit("above/memory.max", "0\n");
	expect(0);
	limit("above/memory.max", "16777216\n");
	limit("above/middle/memory.max", "max\n");
	limit("above/middle/own/memory.max", "33554432\n");
	expect(16 << 20);
	put(groups, "0::/above/middle/other\n");
	expect(16 << 20);
	put(groups, "0::/\n");
	expect(UINT64_MAX);
	put(groups, "0::/elsewhere\n");
	expect(UINT64_MAX);
}

/* Both versions at once, as systemd mounts them for old programs. */
static void groups_of_version_1(void **state)
{
	(void)state;
	make_group("above");
	make_group("memory");
	make_group("memory/above");
	make_group("memory/above/own");
	put(groups, "12:pids:/above\n3:cpu,memory:/above/own\n"
	    "1:name=systemd:/above\n0::/above\n");
	limit("above/memory.max", "16777216\n");
	limit("memory/memory.limit_in_bytes", LARGEST_V1 "\n");
	limit("memory/above/memory.limit_in_bytes", LARGEST_V1 "\n");
	limit("memory/above/own/memory.limit_in_bytes", LARGEST_V1 "\n");
	expect(16 << 20);	/* of version 2 */
	limit("memory/above/memory.limit_in_bytes", "2097152\n");
	expect(2 << 20);
	limit("above/memory.max", "max\n");
	limit("memory/above/memory.limit_in_bytes", LARGEST_V1 "\n");
	expect(UINT64_MAX);
}

static void what_cannot_be_read_is_no_limit(void **state)
{
	(void)state;
	expect(UINT64_MAX);
	put(groups, "no groups\n");
	expect(UINT64_MAX);
	put(groups, "");
	expect(UINT64_MAX);
	assert_true(system_group_memory(0) == UINT64_MAX);
}

#define IN_FOLDER(test)							\
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(groups_of_version_2),
		IN_FOLDER(groups_of_version_1),
		IN_FOLDER(what_cannot_be_read_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
