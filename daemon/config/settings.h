/* SPDX-License-Identifier: MIT */
/* The settings in effect, and what the last reload said to them. */
#ifndef MEMD_CONFIG_SETTINGS_H
#define MEMD_CONFIG_SETTINGS_H

#include "daemon/config/config.h"

struct settings {
	struct config config;		/* in effect */
	struct config waiting;		/* the last one read: with what a
					 * restart would change */
	const struct config_origin *origin;	/* to read it again */
	char reload_error[CONFIG_REASON_BYTES];	/* of the last reload */
	int64_t reload_refused_s;	/* since when all are, by the
					 * calendar; 0: none is */
};

/* Has it another value since, that a restart would take over? */
static inline bool settings_is_waiting(const struct settings *st,
				       const struct config_key *key)
{
	return !key->is_reloadable &&
	       !config_is_equal(&st->config, &st->waiting, key);
}

#endif
