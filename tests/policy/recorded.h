/* SPDX-License-Identifier: MIT */
/* Traces of page accesses of real programs, which record.sh has recorded in
 * memd's memory.
 *
 * A trace has those accesses that were faults with a pool of 64 frames.  What a
 * program does with the pages that it has used last is not in it: several uses
 * of a page in that time are one.  The optimum and LRU miss in larger pools
 * about as often as they would with all accesses; a policy that counts uses may
 * take a page for one that was used once.
 *
 * A file NAME.txt.gz is text, compressed with gzip.  Its first line is
 * "memd-pages 1".  Lines that begin with '#' are comments.  Each other line has
 * the number of a page, in the order of the accesses.  The numbers keep the
 * order of the addresses: neighbours are neighbours.  A gap of more than 16
 * pages that were never accessed is one of 16. */
#ifndef MEMD_TESTS_POLICY_RECORDED_H
#define MEMD_TESTS_POLICY_RECORDED_H

#include "tests/policy/trace.h"

enum { RECORDED_TRACES = 5 };

/* Read trace `number` from its file in `folder`; trace_fini() frees it.  Ends
 * the program if that fails. */
void recorded_load(struct trace *t, const char *folder, unsigned number);

/* Pages of any trace that are accessed: fewer than page_count if it has
 * gaps. */
uint32_t recorded_count_pages(const struct trace *t);

#endif
