/* SPDX-License-Identifier: MIT */
#include "client/link/address.h"

#include "common/spelling.h"
#include <errno.h>
#include <stdlib.h>
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

static const char *const all_names[] = {
#define NUMBER(name, ...)	#name,
#define TEXT(name, ...)		#name,
#define CHOICE(name, ...)	#name,
#include "daemon/config/config_keys.h"
#undef NUMBER
#undef TEXT
#undef CHOICE
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

static const char *long_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
		if (strcmp(short_names[i][0], name) == 0)
			return short_names[i][1];
	return name;
}

bool address_is_setting(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_names); i++)
		if (strcmp(all_names[i], name) == 0)
			return true;
	return false;
}

static void take_nearer(const char *name, const char *candidate,
			unsigned *distance, const char **near)
{
	unsigned d = spelling_distance(name, candidate);

	if (d < *distance) {
		*distance = d;
		*near = candidate;
	}
}

const char *address_find_near(const char *name)
{
	unsigned distance = (unsigned)MIN((strlen(name) + 1) / 2, 4u) + 1;
	const char *near = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
		take_nearer(name, short_names[i][0], &distance, &near);
	for (size_t i = 0; i < ARRAY_SIZE(all_names); i++)
		take_nearer(name, all_names[i], &distance, &near);
	return near;
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

/* ---- names in texts */

static bool is_one_of(char c, const char *set)
{
	return c == '\0' || strchr(set, c) != NULL;
}

/* The first `word` at `from` or behind, in `text`, that stands between one of
 * `before`, or the beginning, and one of `after`, or the end; NULL: none. */
static char *find_word(const char *text, const char *from, const char *word,
		       const char *before, const char *after)
{
	const size_t length = strlen(word);
	char *at = strstr(from, word);

	for (; at != NULL; at = strstr(at + length, word))
		if ((at == text || is_one_of(at[-1], before)) &&
		    is_one_of(at[length], after))
			return at;
	return NULL;
}

uint32_t address_long_names(const char *address)
{
	uint32_t found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
		if (find_word(address, address, short_names[i][1], ":?&,",
			      "=") != NULL)
			found |= BIT(i);
	return found;
}

/* Another host's memd talks of its own settings, not those of the address; its
 * words end a text (swapstore/remote_greeting.c). */
static bool is_said_by_other(const char *text, const char *at)
{
	const char *begin = strstr(text, "it says: ");

	return begin != NULL && begin < at;
}

static void replace(char *text, const char *from, const char *to)
{
	const size_t from_length = strlen(from);
	char *at = text;

	while ((at = find_word(text, at, from, " (", " :,;)=")) != NULL &&
	       !is_said_by_other(text, at)) {
		const char *rest = at + from_length;

		for (const char *c = to; *c != '\0'; c++)
			*at++ = *c;
		memmove(at, rest, strlen(rest) + 1);
	}
}

void address_shorten(char *text, uint32_t long_names)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
		if ((long_names & BIT(i)) == 0)
			replace(text, short_names[i][1], short_names[i][0]);
	replace(text, "insecure_tcp = yes", "insecure_tcp=yes");
}
