/* SPDX-License-Identifier: MIT */
/* The helper's side of the handover, and the punch itself. */
#ifndef MEMD_BACKING_PUNCH_HELPER_H
#define MEMD_BACKING_PUNCH_HELPER_H

#include "common/checks.h"
#include "daemon/backing/handover.h"
#include <sys/types.h>

/* Take [offset, offset + length) out of the file.  *ret_next_data: the first
 * byte at or after `offset` where there is data after the punch; UINT64_MAX:
 * none.  Returns 0 or -errno of fallocate(2). */
int punch_range(int fd, uint64_t offset, uint64_t length,
		uint64_t *ret_next_data);

/* In the helper process: serve `parent` until it ends.  Descriptors come over
 * `socket`. */
_Noreturn void punch_helper_run(struct handover *ho, int socket, pid_t parent);

/* Make a process that runs this program again.  So it inherits nothing of the
 * caller, however much memory the caller has by now.  The program's main() must
 * call punch_helper_main() first.  Returns 0 or -errno. */
int punch_helper_spawn(int handover_fd, int socket, pid_t *ret_pid) MUST_CHECK;

/* Does not return in a process that punch_helper_spawn() has made; else returns
 * at once. */
void punch_helper_main(int argc, char *const *argv);

#endif
