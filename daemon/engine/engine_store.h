/* SPDX-License-Identifier: MIT */
/* The swap store that the configuration asks for, and what it stands on: a
 * swap file, or a connection to another memd. */
#ifndef MEMD_ENGINE_ENGINE_STORE_H
#define MEMD_ENGINE_ENGINE_STORE_H

#include "daemon/engine/engine.h"

/* Sets the engine's store and what belongs to it.  Needs its staging memory.
 * 0, or -errno with a line in ret_reason; engine_store_destroy() then cleans
 * up too. */
int engine_store_create(struct engine *e, const struct config *config,
			char *ret_reason, size_t reason_size) MUST_CHECK;
void engine_store_destroy(struct engine *e);

/* Read the certificates that another memd is to be shown with this
 * configuration; *ret_tls NULL: there is none, or no other memd.  Returns 0, or
 * -errno with a line in ret_reason. */
int engine_store_load_tls(const struct config *config,
			  struct channel_context **ret_tls, char *ret_reason,
			  size_t reason_size) MUST_CHECK;

/* Take `tls` for all connections from now on; one to a memd whose certificate
 * is not good any more ends, and is tried again. */
void engine_store_use_tls(struct engine *e, struct channel_context *tls);

enum { ENGINE_STORE_TEXT_BYTES = 768 };

/* What there is to say of the store besides its name: why it is that one, or
 * where the other memd is and how it does.  May be empty.  Returns buf. */
const char *engine_store_describe(const struct engine *e,
				  char buf[ENGINE_STORE_TEXT_BYTES]);

#endif
