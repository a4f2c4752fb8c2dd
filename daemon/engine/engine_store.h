/* SPDX-License-Identifier: MIT */
/* The swap store of the configuration, and what it needs: a swap folder, or
 * connections to other memds. */
#ifndef MEMD_ENGINE_ENGINE_STORE_H
#define MEMD_ENGINE_ENGINE_STORE_H

#include "daemon/engine/engine.h"

/* Set the engine's store.  Needs its staging memory.  has_helpers: as in
 * backing_create().  Returns 0, or -errno with a line in ret_reason;
 * engine_store_destroy() is needed in both cases. */
int engine_store_create(struct engine *e, const struct config *config,
			bool has_helpers, char *ret_reason, size_t reason_size)
	MUST_CHECK;
void engine_store_destroy(struct engine *e);

/* Read the certificates for connections to another memd.  *ret_tls is NULL if
 * this configuration has none, or uses no other memd.  Returns 0, or -errno
 * with a line in ret_reason. */
int engine_store_load_tls(const struct config *config,
			  struct channel_context **ret_tls, char *ret_reason,
			  size_t reason_size) MUST_CHECK;

/* Use `tls` for all new connections.  Takes `tls`.  A connection to a memd
 * whose certificate is not valid any more is closed, and made again. */
void engine_store_use_tls(struct engine *e, struct channel_context *tls);

enum { ENGINE_STORE_TEXT_BYTES = 768 };

/* Describe the store: why it is not uring, or the address and state of the
 * other memd.  May be empty.  Returns buf. */
const char *engine_store_describe(const struct engine *e,
				  char buf[ENGINE_STORE_TEXT_BYTES]);

#endif
