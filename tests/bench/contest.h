/* SPDX-License-Identifier: MIT */
/* The whole of it: makes what the contestants need, lets them do all jobs in
 * turn, measures the floors, and takes everything away again.  Shows on stderr
 * how far it is. */
#ifndef MEMD_BENCH_CONTEST_H
#define MEMD_BENCH_CONTEST_H

#include "common/checks.h"
#include "tests/bench/report.h"

/* Make everything.  A contestant that cannot be had is left out, and the
 * report says why.  jobs: rp->rows, made by the caller.  Returns 0, or -1
 * after saying on stderr what failed.  The program may also end here with
 * status 77 (the kernel does not let memd run). */
int contest_prepare(struct options *o, struct report *rp) MUST_CHECK;

/* Run everything into the report.  Returns 0; -EINTR (child_stop_signal()); or
 * -EIO after saying on stderr what went wrong, above all a wrong value. */
int contest_run(const struct options *o, struct report *rp) MUST_CHECK;

/* Take away what is there, as much as there is of it; undisturbed by signals
 * from now on.  Returns 0, or -1 after saying what stays behind. */
int contest_clean_up(void);

#endif
