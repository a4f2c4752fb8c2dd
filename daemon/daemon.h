/* SPDX-License-Identifier: MIT */
/* A memd: starts, runs until it is told to stop, and ends. */
#ifndef MEMD_DAEMON_DAEMON_H
#define MEMD_DAEMON_DAEMON_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>

struct config;
struct config_origin;
struct daemon;
struct memd_engine_program;

/* Start, run until told to stop, and stop.  Returns the exit status of memd. */
int daemon_run(const struct config_origin *origin, const struct config *config);

/* The same in parts, for embedded.c.
 *
 * daemon_create(): `program` is NULL if memd is a process of its own.  Returns
 * 0, or -errno with a line in ret_reason.
 *
 * daemon_serve(): runs the loop until memd stops.  Returns 0, or -EIO if the
 * loop fails.
 *
 * daemon_destroy(): ends what is still in progress, and frees `d`. */
int daemon_create(const struct config_origin *origin,
		  const struct config *config,
		  const struct memd_engine_program *program,
		  struct daemon **ret_daemon, char *ret_reason,
		  size_t reason_size) MUST_CHECK;
int daemon_serve(struct daemon *d) MUST_CHECK;
void daemon_destroy(struct daemon *d);

/* Have daemon_serve() return soon.  May be called from any thread.  The caller
 * then connects to memd's socket, which wakes the loop; else memd stops at
 * the next tick. */
void daemon_ask_to_stop(struct daemon *d);
bool daemon_is_asked_to_stop(const struct daemon *d);

#endif
