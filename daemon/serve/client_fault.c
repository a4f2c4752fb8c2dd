/* SPDX-License-Identifier: MIT */
#include "daemon/serve/client_fault.h"

#include "daemon/net/conn.h"
#include <errno.h>

int client_faults_init(struct client_faults *fs, uint32_t capacity)
{
	*fs = (struct client_faults){ 0 };
	LIST_INIT(&fs->free);
	fs->all = calloc(capacity, sizeof(*fs->all));
	if (fs->all == NULL)
		return -ENOMEM;
	for (uint32_t i = capacity; i-- > 0;)
		LIST_INSERT_HEAD(&fs->free, &fs->all[i], link);
	return 0;
}

void client_faults_fini(struct client_faults *fs)
{
	free(fs->all);
	*fs = (struct client_faults){ 0 };
}

struct client_fault *client_faults_get(struct client_faults *fs,
				       struct conn *c)
{
	struct client_fault *cf = LIST_FIRST(&fs->free);

	if (cf == NULL)
		return NULL;
	LIST_REMOVE(cf, link);
	*cf = (struct client_fault){ .conn = c };
	LIST_INSERT_HEAD(&c->faults, cf, link);
	fs->used++;
	return cf;
}

void client_faults_put(struct client_faults *fs, struct client_fault *cf)
{
	ASSERT(fs->used > 0);
	if (cf->conn != NULL)
		LIST_REMOVE(cf, link);
	LIST_INSERT_HEAD(&fs->free, cf, link);
	fs->used--;
}

void client_faults_orphan(struct conn *c)
{
	struct client_fault *cf;

	while ((cf = LIST_FIRST(&c->faults)) != NULL) {
		LIST_REMOVE(cf, link);
		cf->conn = NULL;
	}
}
