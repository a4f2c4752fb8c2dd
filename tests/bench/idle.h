/* SPDX-License-Identifier: MIT */
/* What an idle memd and an idle program with memory of it cost: both have just
 * been busy, and should have gone to sleep. */
#ifndef MEMD_BENCH_IDLE_H
#define MEMD_BENCH_IDLE_H

#include "common/checks.h"
#include "tests/bench/options.h"
#include "tests/integration/testmemd.h"

struct idle_result {
	double client_percent;	/* of one processor */
	double daemon_percent;
};

/* who: one of memd's contestants.  Takes seconds + 1.  Returns 0; -EINTR
 * (child_stop_signal()); -EIO after saying on stderr what went wrong. */
int idle_run(const struct testmemd *memd, enum contestant who,
	     unsigned seconds, struct idle_result *ret_result) MUST_CHECK;

#endif
