/* SPDX-License-Identifier: MIT */
/* The state behind the messages of memctl. */
#ifndef MEMD_ADMIN_ADMIN_H
#define MEMD_ADMIN_ADMIN_H

#include "daemon/admin/watch.h"
#include "daemon/config/settings.h"
#include "daemon/lend/guests.h"
#include "daemon/net/server.h"
#include "daemon/net/tcp_opening.h"
#include "daemon/serve/serve.h"

struct admin {
	/* Borrowed; to be filled in before the first message. */
	const struct settings *settings;
	struct stats *stats;
	struct engine *engine;
	struct server *server;
	const struct tcp_opening *tcp_opening;
	struct serve *serve;
	struct guests *guests;

	struct watch watch;
	uint64_t started_ns;		/* when memd was started */
	/* Buffers of handle_config(): values in effect, and values that wait
	 * for a restart. */
	char config_text[CONFIG_KEYS][CONFIG_TEXT_BYTES];
	char waiting_text[CONFIG_KEYS][CONFIG_TEXT_BYTES];
};

#endif
