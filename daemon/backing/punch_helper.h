/* SPDX-License-Identifier: MIT */
/* The helper's side of the handover, and the punch itself. */
#ifndef MEMD_BACKING_PUNCH_HELPER_H
#define MEMD_BACKING_PUNCH_HELPER_H

#include "common/checks.h"
#include "daemon/backing/handover.h"
#include <sys/types.h>

/* Take [offset, offset + length) out of the file.  *ret_next_data: the first
 * byte at or after `offset` that was there still, or again, afterwards;
 * UINT64_MAX: none.  Returns 0 or -errno of fallocate(2). */
int punch_range(int fd, uint64_t offset, uint64_t length,
		uint64_t *ret_next_data);

/* In a process of its own: serve `parent` until it ends.  `socket` is where
 * descriptors come from. */
_Noreturn void punch_helper_run(struct handover *ho, int socket, pid_t parent);

/* A process that runs this program anew, and so has nothing of the caller's,
 * however much that has meanwhile: its main() asks punch_helper_main() first.
 * Returns 0 or -errno. */
int punch_helper_spawn(int handover_fd, int socket, pid_t *ret_pid) MUST_CHECK;

/* Returns where the program was run for another purpose. */
void punch_helper_main(int argc, char *const *argv);

#endif
