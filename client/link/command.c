/* SPDX-License-Identifier: MIT */
/* The table of commands: see command.h. */
#include "client/link/command.h"
#include "client/link/futex.h"
#include "client/region/mapping.h"
#include "client/region/uffd.h"

static bool claim(struct command *c)
{
	uint32_t expected = COMMAND_FREE;

	return atomic_compare_exchange_strong(&c->state, &expected,
					      COMMAND_CLAIMED);
}

struct command *command_claim(struct commands *cs, bool is_fault)
{
	size_t first = is_fault ? COMMAND_CALLS_MAX : 0;
	size_t end = is_fault ? COMMANDS_MAX : COMMAND_CALLS_MAX;

	for (;;) {
		uint32_t seen = atomic_load(&cs->released);

		for (size_t i = first; i < end; i++)
			if (claim(&cs->cell[i]))
				return &cs->cell[i];
		futex_wait(&cs->released, seen, 0);
	}
}

static uint32_t state_of(struct command *c)
{
	return atomic_load_explicit(&c->state, memory_order_acquire);
}

void command_run(struct commands *cs, struct command *c)
{
	volatile const uint8_t *bell = (void *)command_bell(cs, c);

	c->request_id = 0;
	mapping_drop(command_bell(cs, c), UFFD_UNIT_BYTES);
	atomic_store(&c->state, COMMAND_POSTED);
	/* The store must be seen by whoever the load wakes. */
	__sync_synchronize();
	while (state_of(c) != COMMAND_DONE) {
		(void)*bell;
		if (state_of(c) != COMMAND_DONE)
			mapping_drop(command_bell(cs, c), UFFD_UNIT_BYTES);
	}
}

void command_release(struct commands *cs, struct command *c)
{
	atomic_store(&c->state, COMMAND_FREE);
	atomic_fetch_add(&cs->released, 1);
	futex_wake(&cs->released, INT_MAX);
}

struct command *command_of_bell(struct commands *cs, uintptr_t address)
{
	uintptr_t first = (uintptr_t)cs->bells;
	size_t idx = (address - first) / UFFD_UNIT_BYTES;

	return address >= first && idx < COMMANDS_MAX ? &cs->cell[idx] : NULL;
}

bool command_take(struct command *c)
{
	uint32_t expected = COMMAND_POSTED;

	return atomic_compare_exchange_strong(&c->state, &expected,
					      COMMAND_TAKEN);
}

void command_finish(struct command *c, int result)
{
	c->result = result;
	atomic_store_explicit(&c->state, COMMAND_DONE, memory_order_release);
}

uintptr_t command_bell(struct commands *cs, const struct command *c)
{
	return (uintptr_t)cs->bells +
	       (uintptr_t)(c - cs->cell) * UFFD_UNIT_BYTES;
}
