/* SPDX-License-Identifier: MIT */
/* An engine comes and goes. */
#ifndef MEMD_ENGINE_ENGINE_INIT_H
#define MEMD_ENGINE_ENGINE_INIT_H

#include "daemon/engine/engine.h"

struct engine_setup {
	const struct config *config;	/* borrowed for the call */
	/* Inside of a program (memd_engine.h): without processes of its own,
	 * as there is nobody to be on guard against. */
	bool is_embedded;
	uint32_t accounts_max;
	/* Borrowed for as long as the engine is there: */
	const struct engine_hooks *hooks;
	void *ctx;			/* of the hooks */
	const struct pager_callbacks *callbacks;
	void *callbacks_ctx;
};

/* Make everything.  On failure -errno and a line in ret_reason. */
int engine_init(struct engine *e, const struct engine_setup *setup,
		char *ret_reason, size_t reason_size) MUST_CHECK;

/* Accepts a failed engine.  Waits for I/O in flight. */
void engine_fini(struct engine *e);

#endif
