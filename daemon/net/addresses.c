/* SPDX-License-Identifier: MIT */
#include "daemon/net/addresses.h"

#include "daemon/net/peer.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct address {
	char host[PEER_HOST_BYTES];	/* key of the hash */
	uint32_t count;
	UT_hash_handle hh;
};

static struct address *addresses_find(const struct addresses *as,
				      const char *host)
{
	struct address *a;

	HASH_FIND_STR(as->table, host, a);
	return a;
}

uint32_t addresses_count(const struct addresses *as, const char *host)
{
	const struct address *a = addresses_find(as, host);

	return a == NULL ? 0 : a->count;
}

static struct address *add_new(struct addresses *as, const char *host)
{
	struct address *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	snprintf(a->host, sizeof(a->host), "%s", host);
	HASH_ADD_STR(as->table, host, a);
	if (addresses_find(as, host) == a)
		return a;
	free(a);
	return NULL;
}

int addresses_add(struct addresses *as, const char *host)
{
	struct address *a = addresses_find(as, host);

	if (a == NULL)
		a = add_new(as, host);
	if (a == NULL)
		return -ENOMEM;
	a->count++;
	return 0;
}

void addresses_remove(struct addresses *as, const char *host)
{
	struct address *a = addresses_find(as, host);

	ASSERT(a != NULL && a->count > 0);
	if (--a->count > 0)
		return;
	HASH_DEL(as->table, a);
	free(a);
}
