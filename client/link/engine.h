/* SPDX-License-Identifier: MIT */
/* Addresses that need no daemon on this host: "embedded:…" and "tcp://…".
 * Their engine is a separate library (daemon/engine/memd_engine.h), which is
 * opened when it is needed.  So a program that uses a daemon does not link the
 * engine.
 *
 * Threads: those that open and close connections. */
#ifndef MEMD_CLIENT_LINK_ENGINE_H
#define MEMD_CLIENT_LINK_ENGINE_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>

struct memd_engine;
struct memd_engine_program;

/* True if the address needs an engine. */
bool engine_is_meant(const char *address);

/* Start the engine that the address describes, for `program` (copied).
 * ret_socket: the address at which the engine can be reached.  0, or -errno
 * with an error text. */
int engine_start(const char *address,
		 const struct memd_engine_program *program,
		 struct memd_engine **ret_engine,
		 char *ret_socket, size_t socket_size) MUST_CHECK;

/* Stop the engine.  No connection may be open.  NULL is allowed. */
void engine_stop(struct memd_engine *engine);

#endif
