/* SPDX-License-Identifier: MIT */
/* Lists of pages by number, for policies that are compared with. */
#ifndef MEMD_TESTS_POLICY_LISTS_H
#define MEMD_TESTS_POLICY_LISTS_H

#include <stdbool.h>
#include <stdint.h>

/* A page is in one of the lists at most.  Number `page_count` + k is the head
 * of list k. */
struct lists {
	uint32_t page_count;
	uint32_t *next, *prev;
	uint32_t *count;	/* of each list */
	uint8_t *in;		/* list + 1; 0: none */
};

void lists_init(struct lists *l, uint32_t page_count, unsigned list_count);
void lists_fini(struct lists *l);
/* As the newest. */
void lists_add(struct lists *l, unsigned list, uint32_t page);
void lists_remove(struct lists *l, uint32_t page);
/* UINT32_MAX: the list is empty. */
uint32_t lists_oldest(const struct lists *l, unsigned list);
bool lists_has(const struct lists *l, unsigned list, uint32_t page);

#endif
