/* SPDX-License-Identifier: MIT */
/* Addresses that say more than where a socket is, cut into their parts:
 *
 *	tcp://HOST:PORT?NAME=VALUE&NAME=VALUE
 *	embedded:NAME=VALUE,NAME=VALUE
 *
 * For libmemclient, which hands the settings on to the engine, and for memctl,
 * which needs a few of them.  Knows neither hosts nor what settings mean. */
#ifndef MEMD_CLIENT_LINK_ADDRESS_H
#define MEMD_CLIENT_LINK_ADDRESS_H

#include "common/checks.h"
#include <stdbool.h>

#define ADDRESS_EMBEDDED "embedded:"
#define ADDRESS_TCP "tcp://"

bool address_is_embedded(const char *address);
bool address_is_tcp(const char *address);

/* The environment's address.  NULL: it has none.  Nothing is believed of it in
 * a program that has more rights than its caller, secure_getenv(3).
 *
 * ret_is_old  it is MEMD_SOCKET, which is the daemon's setting and was the
 *             clients' address, too: to be said to whoever uses it so. */
const char *address_from_environment(bool *ret_is_old);

#define ADDRESS_IS_OLD							\
	"MEMD_SOCKET is memd's own setting, and will not be read by "	\
	"its clients any more: set MEMCLIENT_ADDRESS"

/* Take the next setting off *text, which is cut up at any of `separators`; the
 * first time it is the text behind "embedded:" or "?".  Returns 1; 0: there are
 * no more; or -EINVAL: *ret_name is not NAME=VALUE. */
int address_next_setting(char **text, const char *separators,
			 const char **ret_name, const char **ret_value)
	MUST_CHECK;

#endif
