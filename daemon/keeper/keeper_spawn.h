/* SPDX-License-Identifier: MIT */
/* Starts the keeper's process. */
#ifndef MEMD_KEEPER_KEEPER_SPAWN_H
#define MEMD_KEEPER_KEEPER_SPAWN_H

#include "common/checks.h"
#include <sys/types.h>

/* Start memd's program as the keeper, with this socket as its standard input.
 * Returns 0 or -errno. */
int keeper_spawn(int socket, pid_t *ret_pid) MUST_CHECK;

#endif
