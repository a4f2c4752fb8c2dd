/* SPDX-License-Identifier: MIT */
#include "daemon/serve/pending.h"

#include "daemon/net/conn.h"
#include <errno.h>

int pending_init(struct pending_table *pt, uint32_t capacity)
{
	*pt = (struct pending_table){ .capacity = capacity };
	LIST_INIT(&pt->free);
	pt->entries = calloc(capacity, sizeof(*pt->entries));
	if (pt->entries == NULL)
		return -ENOMEM;
	for (uint32_t i = capacity; i-- > 0;)
		LIST_INSERT_HEAD(&pt->free, &pt->entries[i], link);
	return 0;
}

void pending_fini(struct pending_table *pt)
{
	free(pt->entries);
	*pt = (struct pending_table){ 0 };
}

bool pending_add(struct pending_table *pt, const struct pending_entry *like,
		 uint64_t *ret_cookie)
{
	struct pending_entry *e = LIST_FIRST(&pt->free);
	uint32_t generation;

	if (e == NULL)
		return false;
	LIST_REMOVE(e, link);
	generation = e->generation + 1;
	*e = *like;
	e->generation = generation;
	if (e->conn != NULL)
		LIST_INSERT_HEAD(&e->conn->pending, e, link);
	pt->used++;
	*ret_cookie = (uint64_t)generation << 32 |
		      (uint32_t)(e - pt->entries);
	return true;
}

struct pending_entry *pending_find(const struct pending_table *pt,
				   uint64_t cookie)
{
	uint32_t idx = (uint32_t)cookie;
	struct pending_entry *e;

	ASSERT(idx < pt->capacity);
	e = &pt->entries[idx];
	ASSERT(e->kind != PENDING_FREE && e->generation == cookie >> 32);
	return e;
}

struct pending_entry pending_take(struct pending_table *pt, uint64_t cookie)
{
	struct pending_entry *e = pending_find(pt, cookie), copy = *e;

	if (e->conn != NULL)
		LIST_REMOVE(e, link);
	e->kind = PENDING_FREE;
	LIST_INSERT_HEAD(&pt->free, e, link);
	pt->used--;
	return copy;
}

void pending_orphan(struct conn *c)
{
	struct pending_entry *e;

	while ((e = LIST_FIRST(&c->pending)) != NULL) {
		LIST_REMOVE(e, link);
		e->conn = NULL;
	}
}
