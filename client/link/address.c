/* SPDX-License-Identifier: MIT */
#include "client/link/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool address_is_embedded(const char *address)
{
	return strncmp(address, ADDRESS_EMBEDDED,
		       strlen(ADDRESS_EMBEDDED)) == 0;
}

bool address_is_tcp(const char *address)
{
	return strncmp(address, ADDRESS_TCP, strlen(ADDRESS_TCP)) == 0;
}

static const char *variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *address_from_environment(bool *ret_is_old)
{
	const char *address = variable("MEMCLIENT_ADDRESS");

	*ret_is_old = address == NULL && variable("MEMD_SOCKET") != NULL;
	return *ret_is_old ? variable("MEMD_SOCKET") : address;
}

int address_next_setting(char **text, const char *separators,
			 const char **ret_name, const char **ret_value)
{
	char *pair = *text + strspn(*text, separators);
	char *end = pair + strcspn(pair, separators), *value;

	*text = *end == '\0' ? end : end + 1;
	*end = '\0';
	if (pair == end)
		return 0;
	value = strchr(pair, '=');
	*ret_name = pair;
	if (value == NULL || value == pair)
		return -EINVAL;
	*value = '\0';
	*ret_value = value + 1;
	return 1;
}
