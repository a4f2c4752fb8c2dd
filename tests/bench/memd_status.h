/* SPDX-License-Identifier: MIT */
/* Ask a memd for its status, over a connection of its own.  Speaks the
 * protocol directly, so that it does not measure itself with the library that
 * is being measured. */
#ifndef MEMD_BENCH_MEMD_STATUS_H
#define MEMD_BENCH_MEMD_STATUS_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>

struct memd_status {
	uint64_t metadata_bytes;
	bool is_empty;		/* no pages of anybody in frames or slots */
	char store[16];
	uint64_t swapped_in;	/* faults that read the swap store */
	uint64_t put_back;	/* faults that caught a page on its way out */
};

/* fd: a new connection; closed here.  Returns 0 or -errno. */
int memd_status_read(int fd, struct memd_status *ret_status) MUST_CHECK;

#endif
