/* SPDX-License-Identifier: MIT */
/* Makes the listening Unix socket: an abstract address or a path.  A path is
 * locked against a second memd, and the socket file of a dead memd is
 * removed. */
#ifndef MEMD_NET_LISTENER_H
#define MEMD_NET_LISTENER_H

#include "common/checks.h"
#include "daemon/config/config.h"
#include <stddef.h>

enum { LISTENER_TEXT_BYTES = 128 };	/* for any address, Unix or TCP */

/* Returns a listening socket, or -errno with a line in ret_reason.  *ret_lock
 * is a descriptor that holds the lock of the path, or -1 for an abstract
 * address. */
int listener_open(const struct config *config, int *ret_lock,
		  char *ret_reason, size_t reason_size) MUST_CHECK;

/* Connect to that socket without blocking.  Returns a descriptor or -errno. */
int listener_connect(const struct config *config) MUST_CHECK;

/* Write the address of a bound socket: "unix:/run/memd/memd.sock" or
 * "unix:@name".  libmemclient accepts this form. */
void listener_show(int fd, char *ret_text, size_t text_size);

/* Release the lock of `path`, remove the lock file, and close `lock_fd`. */
void listener_unlock(const char *path, int lock_fd);

#endif
