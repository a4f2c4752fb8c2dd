/* SPDX-License-Identifier: MIT */
#include "client/address.h"

#include <errno.h>
#include <string.h>

/* Short names, for addresses; every other is one of memd.conf(5). */
static const char *const short_names[][2] = {
	{ "pool", "pool_size" },
	{ "swap", "swap_file" },
	{ "size", "swap_size" },
	{ "mirror", "store_mirror" },
	{ "ca", "tls_ca" },
	{ "certificate", "tls_certificate" },
	{ "key", "tls_key" },
	{ "crl", "tls_crl" },
};

bool address_is_embedded(const char *address)
{
	return strncmp(address, ADDRESS_EMBEDDED,
		       strlen(ADDRESS_EMBEDDED)) == 0;
}

bool address_is_tcp(const char *address)
{
	return strncmp(address, ADDRESS_TCP, strlen(ADDRESS_TCP)) == 0;
}

static const char *long_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
		if (strcmp(short_names[i][0], name) == 0)
			return short_names[i][1];
	return name;
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
	*ret_name = long_name(pair);
	*ret_value = value + 1;
	return 1;
}
