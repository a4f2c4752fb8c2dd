/* SPDX-License-Identifier: MIT */
#include "daemon/replace/ghosts.h"

/* A key may be in any place of its set; the newest is first. */
enum { SET_PLACES = 8 };

int ghosts_init(struct ghosts *g, uint32_t frame_count)
{
	uint32_t sets = MAX(frame_count / 2 / SET_PLACES, 1u);
	int err = table_init(&g->table, "memd-ghosts", sizeof(*g->print),
			     (size_t)sets * SET_PLACES);

	if (err != 0)
		return err;
	g->print = g->table.base;
	g->set_count = sets;
	return 0;
}

void ghosts_fini(struct ghosts *g)
{
	table_fini(&g->table);
}

static uint64_t mix(uint32_t key)
{
	uint64_t h = (key + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
}

static uint16_t *set_of(const struct ghosts *g, uint64_t hash)
{
	uint64_t set = (hash >> 32) * g->set_count >> 32;

	return &g->print[set * SET_PLACES];
}

static uint16_t print_of(uint64_t hash)
{
	return (uint16_t)MAX(hash & 0xffff, 1u);
}

void ghosts_add(struct ghosts *g, uint32_t key)
{
	uint64_t hash = mix(key);
	uint16_t *set = set_of(g, hash);

	for (unsigned i = SET_PLACES - 1; i > 0; i--)
		set[i] = set[i - 1];
	set[0] = print_of(hash);
}

bool ghosts_take(struct ghosts *g, uint32_t key)
{
	uint64_t hash = mix(key);
	uint16_t *set = set_of(g, hash), print = print_of(hash);

	for (unsigned i = 0; i < SET_PLACES; i++) {
		if (set[i] != print)
			continue;
		set[i] = 0;
		return true;
	}
	return false;
}
