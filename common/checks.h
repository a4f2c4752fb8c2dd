/* SPDX-License-Identifier: MIT */
/* Checks, and the macros that everything uses.  ASSERT is for programmer errors
 * only, and stays on in every build: a pager that goes on after a broken
 * invariant gives out wrong bytes.  Operating errors are returned, never
 * asserted. */
#ifndef MEMD_COMMON_CHECKS_H
#define MEMD_COMMON_CHECKS_H

#include <stdio.h>
#include <stdlib.h>

#define ASSERT(expr)							\
	do {								\
		if (__builtin_expect(!(expr), 0)) {			\
			fprintf(stderr, "%s:%d: %s: broken: %s\n",	\
				__FILE__, __LINE__, __func__, #expr);	\
			abort();					\
		}							\
	} while (0)

#define BIT(n)		(1u << (n))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

#define MUST_CHECK	__attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args)	__attribute__((format(printf, fmt, args)))

#endif
