/* SPDX-License-Identifier: MIT */
/* Replacement policies to compare with.  All but OPT see each access, which no
 * pager does.  Each returns the misses of the trace with so many frames. */
#ifndef MEMD_TESTS_POLICY_REFERENCE_H
#define MEMD_TESTS_POLICY_REFERENCE_H

#include "tests/policy/trace.h"

/* The optimum: the page that is used last goes.  (Belady 1966) */
uint64_t reference_opt(const struct trace *t, uint32_t frames);
/* The page that was used the longest time ago goes. */
uint64_t reference_lru(const struct trace *t, uint32_t frames);
/* (Megiddo and Modha, "ARC", FAST 2003) */
uint64_t reference_arc(const struct trace *t, uint32_t frames);
/* (Jiang and Zhang, "LIRS", SIGMETRICS 2002) */
uint64_t reference_lirs(const struct trace *t, uint32_t frames);

#endif
