/* SPDX-License-Identifier: MIT */
/* Addresses that need no daemon here: "embedded:…" and "tcp://…".  The engine
 * behind them is a library of its own, opened when it is asked for (see
 * daemon/engine/memd_engine.h): so whoever uses a daemon links nothing of it.
 *
 * Threads: those that open and close connections. */
#ifndef MEMD_CLIENT_LINK_ENGINE_H
#define MEMD_CLIENT_LINK_ENGINE_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>

struct memd_engine;
struct memd_engine_program;

/* Is it an address of that kind? */
bool engine_is_meant(const char *address);

/* Start what the address asks for, for `program` (copied).  ret_socket: where
 * it can be reached.  0, or -errno with an error text. */
int engine_start(const char *address,
		 const struct memd_engine_program *program,
		 struct memd_engine **ret_engine,
		 char *ret_socket, size_t socket_size) MUST_CHECK;

/* Nobody may be connected.  NULL is allowed. */
void engine_stop(struct memd_engine *engine);

#endif
