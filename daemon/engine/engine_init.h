/* SPDX-License-Identifier: MIT */
/* Making and destroying an engine. */
#ifndef MEMD_ENGINE_ENGINE_INIT_H
#define MEMD_ENGINE_ENGINE_INIT_H

#include "daemon/engine/engine.h"

struct engine_setup {
	const struct config *config;	/* borrowed for the call */
	/* memd_engine.h: start no helper processes, because no other program
	 * can do harm. */
	bool is_embedded;
	uint32_t accounts_max;
	/* Borrowed while the engine exists: */
	const struct engine_hooks *hooks;
	struct deferred *deferred;
	void *ctx;			/* of the hooks */
	const struct pager_callbacks *callbacks;
	void *callbacks_ctx;
};

/* Make all parts of the engine.  Returns 0, or -errno with a line in
 * ret_reason. */
int engine_init(struct engine *e, const struct engine_setup *setup,
		char *ret_reason, size_t reason_size) MUST_CHECK;

/* Destroy all parts.  Accepts an engine whose engine_init() has failed.  Waits
 * for I/O in flight. */
void engine_fini(struct engine *e);

#endif
