/* SPDX-License-Identifier: MIT */
/* Parses addresses that contain settings:
 *
 *	tcp://HOST:PORT?NAME=VALUE&NAME=VALUE
 *	embedded:NAME=VALUE,NAME=VALUE
 *
 * libmemclient passes the settings to the engine; memctl needs a few of them.
 * This file knows neither hosts nor the meaning of settings. */
#ifndef MEMD_CLIENT_LINK_ADDRESS_H
#define MEMD_CLIENT_LINK_ADDRESS_H

#include "common/checks.h"
#include <stdbool.h>

#define ADDRESS_EMBEDDED "embedded:"
#define ADDRESS_TCP "tcp://"

bool address_is_embedded(const char *address);
bool address_is_tcp(const char *address);

/* The address in the environment; NULL: there is none.  A program that has more
 * rights than its caller ignores the environment (secure_getenv(3)).
 *
 * ret_is_old  the address is in MEMD_SOCKET.  This is the daemon's setting, and
 *             was once the clients' address too.  The user must be told
 *             (ADDRESS_IS_OLD). */
const char *address_from_environment(bool *ret_is_old);

#define ADDRESS_IS_OLD							\
	"MEMD_SOCKET is memd's own setting, and will not be read by "	\
	"its clients any more: set MEMCLIENT_ADDRESS"

/* Take the next setting from *text, which is cut at `separators`.  At first
 * *text is the text behind "embedded:" or "?".  Returns 1; 0: there are no more
 * settings; or -EINVAL: *ret_name is not of the form NAME=VALUE. */
int address_next_setting(char **text, const char *separators,
			 const char **ret_name, const char **ret_value)
	MUST_CHECK;

#endif
