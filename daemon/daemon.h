/* SPDX-License-Identifier: MIT */
/* A memd: started, run until told to stop, taken down. */
#ifndef MEMD_DAEMON_DAEMON_H
#define MEMD_DAEMON_DAEMON_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>

struct config;
struct config_origin;
struct daemon;
struct memd_engine_program;

/* Start, run until told to stop, stop.  Returns memd's exit status. */
int daemon_run(const struct config_origin *origin, const struct config *config);

/* The same in parts, for embedded.c; program NULL: memd is a process of its
 * own.  Create: 0, or -errno with a line in
 * ret_reason; serve: 0, or -EIO when the loop itself fails; destroy also ends
 * what is still going on. */
int daemon_create(const struct config_origin *origin,
		  const struct config *config,
		  const struct memd_engine_program *program,
		  struct daemon **ret_daemon, char *ret_reason,
		  size_t reason_size) MUST_CHECK;
int daemon_serve(struct daemon *d) MUST_CHECK;
void daemon_destroy(struct daemon *d);

/* Have daemon_serve() return soon.  From any thread; the loop has to be woken
 * by a connection to its socket. */
void daemon_ask_to_stop(struct daemon *d);
bool daemon_is_asked_to_stop(const struct daemon *d);

#endif
