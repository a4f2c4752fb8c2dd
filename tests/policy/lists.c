/* SPDX-License-Identifier: MIT */
#include "tests/policy/lists.h"

#include "common/checks.h"

#include <stdlib.h>

void lists_init(struct lists *l, uint32_t page_count, unsigned list_count)
{
	l->page_count = page_count;
	l->next = calloc(page_count + list_count, sizeof(*l->next));
	l->prev = calloc(page_count + list_count, sizeof(*l->prev));
	l->count = calloc(list_count, sizeof(*l->count));
	l->in = calloc(page_count, sizeof(*l->in));
	ASSERT(l->next != NULL && l->prev != NULL && l->count != NULL &&
	       l->in != NULL);
	for (uint32_t k = page_count; k < page_count + list_count; k++)
		l->next[k] = l->prev[k] = k;
}

void lists_fini(struct lists *l)
{
	free(l->next);
	free(l->prev);
	free(l->count);
	free(l->in);
}

void lists_add(struct lists *l, unsigned list, uint32_t page)
{
	uint32_t head = l->page_count + list;

	ASSERT(l->in[page] == 0);
	l->next[page] = l->next[head];
	l->prev[page] = head;
	l->prev[l->next[head]] = page;
	l->next[head] = page;
	l->in[page] = (uint8_t)(list + 1);
	l->count[list]++;
}

void lists_remove(struct lists *l, uint32_t page)
{
	ASSERT(l->in[page] != 0);
	l->next[l->prev[page]] = l->next[page];
	l->prev[l->next[page]] = l->prev[page];
	l->count[l->in[page] - 1]--;
	l->in[page] = 0;
}

uint32_t lists_oldest(const struct lists *l, unsigned list)
{
	uint32_t page = l->prev[l->page_count + list];

	return page < l->page_count ? page : UINT32_MAX;
}

bool lists_has(const struct lists *l, unsigned list, uint32_t page)
{
	return l->in[page] == list + 1;
}
