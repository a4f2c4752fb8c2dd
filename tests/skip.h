/* SPDX-License-Identifier: MIT */
/* Test cases of cmocka that cannot be run here.  To cmocka a skipped case has
 * not failed, and that is all ctest hears; so the reason is printed, in a line
 * of its own that tests/run.sh looks for, and a program all of whose cases were
 * skipped ends with the status that ctest takes for "skipped".  Not for the
 * programs without cmocka: they print and end by themselves. */
#ifndef MEMD_TESTS_SKIP_H
#define MEMD_TESTS_SKIP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SKIP_STATUS = 77 };		/* SKIP_RETURN_CODE, for ctest */

static size_t skip_count;

/* End this test case.  Does not return. */
__attribute__((format(printf, 1, 2)))
static inline void skip_case(const char *reason, ...)
{
	va_list args;

	print_message("skip: ");
	va_start(args, reason);
	vprint_message(reason, args);
	va_end(args);
	print_message("\n");
	skip_count++;
	skip();
}

/* The exit status of a program with so many cases, `failed` of which failed. */
static inline int skip_exit_status(int failed, size_t case_count)
{
	return failed == 0 && skip_count == case_count ? SKIP_STATUS : failed;
}

#endif
