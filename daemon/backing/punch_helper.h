/* SPDX-License-Identifier: MIT */
/* The helper's side of the handover, and the punch itself. */
#ifndef MEMD_BACKING_PUNCH_HELPER_H
#define MEMD_BACKING_PUNCH_HELPER_H

#include "common/checks.h"
#include "daemon/backing/handover.h"
#include <sys/types.h>

/* The descriptors of memd that a helper needs. */
struct punch_helper_fds {
	int socket, handover, event;
};

/* Take [offset, offset + length) out of the file.  *ret_next_data: the first
 * byte at or after `offset` where there is data after the punch; UINT64_MAX:
 * none.  Returns 0 or -errno of fallocate(2). */
int punch_range(int fd, uint64_t offset, uint64_t length,
		uint64_t *ret_next_data);

/* In the helper process: serve `parent` until it ends. */
_Noreturn void punch_helper_run(struct handover *ho,
				const struct punch_helper_fds *fds,
				pid_t parent);

/* Make a process that runs this program again.  So it inherits nothing of the
 * caller, however much memory the caller has by now.  Returns 0 or -errno
 * (-ENOTSUP: the program's main() has not called punch_helper_main()). */
int punch_helper_spawn(const struct punch_helper_fds *fds, pid_t *ret_pid)
	MUST_CHECK;

/* Does not return in a process that punch_helper_spawn() has made; else returns
 * at once. */
void punch_helper_main(int argc, char *const *argv);

#endif
