/* SPDX-License-Identifier: MIT */
/* Making the listening socket: an abstract address, or a path that is locked
 * against a second memd and cleared of what a dead one has left. */
#ifndef MEMD_NET_LISTENER_H
#define MEMD_NET_LISTENER_H

#include "common/checks.h"
#include "daemon/config/config.h"
#include <stddef.h>

enum { LISTENER_TEXT_BYTES = 128 };	/* for any address, Unix or TCP */

/* Returns a listening socket, or -errno with a line in ret_reason.
 * *ret_lock is a descriptor that holds the lock of a path, or -1. */
int listener_open(const struct config *config, int *ret_lock,
		  char *ret_reason, size_t reason_size) MUST_CHECK;

/* Connect to whoever listens there, without waiting.  Returns a descriptor, or
 * -errno. */
int listener_connect(const struct config *config) MUST_CHECK;

/* "unix:/run/memd/memd.sock", "unix:@name" of a bound socket; libmemclient
 * takes it for an address. */
void listener_show(int fd, char *ret_text, size_t text_size);

/* Let go of the lock of `path` and remove its file. */
void listener_unlock(const char *path, int lock_fd);

#endif
