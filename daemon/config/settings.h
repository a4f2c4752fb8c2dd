/* SPDX-License-Identifier: MIT */
/* The settings in effect, and the result of the last reload. */
#ifndef MEMD_CONFIG_SETTINGS_H
#define MEMD_CONFIG_SETTINGS_H

#include "daemon/config/config.h"

struct settings {
	struct config config;		/* in effect */
	struct config waiting;		/* as last read; includes values that
					 * need a restart */
	const struct config_origin *origin;	/* to read it again */
	char reload_error[CONFIG_REASON_BYTES];	/* of the last reload; empty: it
						 * succeeded */
	int64_t reload_refused_s;	/* all reloads since this time(2) were
					 * refused; 0: the last one was not */
};

/* Whether the key has a new value that a restart would put into effect. */
static inline bool settings_is_waiting(const struct settings *st,
				       const struct config_key *key)
{
	return !key->is_reloadable &&
	       !config_is_equal(&st->config, &st->waiting, key);
}

#endif
