/* SPDX-License-Identifier: MIT */
/* Private to swapdir.c: refusals and checks of a folder for swap files.  Each
 * returns 0 or -errno, and writes the reason: "path: cause; cure". */
#ifndef MEMD_SWAPSTORE_SWAPDIR_CHECKS_H
#define MEMD_SWAPSTORE_SWAPDIR_CHECKS_H

#include "common/reason.h"
#include <stdbool.h>
#include <stdint.h>

/* One attempt to do something with a folder. */
struct swapdir_attempt {
	const char *path;
	int fd;			/* of the folder; -1: not open */
	struct reason reason;
};

/* A call has failed with `err`; `what` says what cannot be done. */
int swapdir_refuse_call(const struct swapdir_attempt *at, int err,
			const char *what);
/* No file can be made. */
int swapdir_refuse_open(const struct swapdir_attempt *at, int err);
/* -EINVAL.  `what`: "a tmpfs". */
int swapdir_refuse_memory(const struct swapdir_attempt *at, const char *what);
/* -ENOSPC: says needed and free. */
int swapdir_refuse_full(const struct swapdir_attempt *at, uint64_t bytes);
/* -ECANCELED */
int swapdir_refuse_cancelled(const struct swapdir_attempt *at);

/* The file system is not in memory, and no ordinary user's. */
int swapdir_check_file_system(const struct swapdir_attempt *at) MUST_CHECK;
int swapdir_check_owner(const struct swapdir_attempt *at) MUST_CHECK;
/* There is room for `bytes`.  A file system that does not tell its size is not
 * checked. */
int swapdir_check_room(const struct swapdir_attempt *at, uint64_t bytes)
	MUST_CHECK;
/* A file may have `bytes`.  Checked in advance, because exceeding the limit
 * raises SIGXFSZ. */
int swapdir_check_limit(const struct swapdir_attempt *at, uint64_t bytes)
	MUST_CHECK;

/* As swapdir.is_apart, as far as this process can see. */
bool swapdir_is_apart(const struct swapdir_attempt *at);

/* What this user may still allocate on the file system of `fd`; UINT64_MAX: it
 * does not tell. */
uint64_t swapdir_free_of(int fd);

#endif
