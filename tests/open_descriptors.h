/* SPDX-License-Identifier: MIT */
/* Counts the descriptors of this process, for tests that compare the count
 * before and after.  Each count also has the entries "." and ".." and the
 * directory that is read. */
#ifndef MEMD_TESTS_OPEN_DESCRIPTORS_H
#define MEMD_TESTS_OPEN_DESCRIPTORS_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static inline unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

#endif
