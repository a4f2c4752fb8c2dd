/* SPDX-License-Identifier: MIT */
/* The table of commands: see command.h. */
#include "client/link/command.h"
#include "client/link/futex.h"
#include "client/region/mapping.h"
#include "client/region/uffd.h"

#include <sys/mman.h>

static uintptr_t bell_of(const struct commands *cs, const struct command *c)
{
	return (uintptr_t)cs->bells +
	       (uintptr_t)(c - cs->cell) * UFFD_UNIT_BYTES;
}

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
	volatile const uint8_t *bell = (void *)bell_of(cs, c);

	c->request_id = 0;
	mapping_drop(bell_of(cs, c), UFFD_UNIT_BYTES);
	atomic_store(&c->state, COMMAND_POSTED);
	/* The library's thread, which the load wakes, must see the store. */
	__sync_synchronize();
	while (state_of(c) != COMMAND_DONE) {
		(void)*bell;
		if (state_of(c) != COMMAND_DONE)
			mapping_drop(bell_of(cs, c), UFFD_UNIT_BYTES);
	}
}

void command_release(struct commands *cs, struct command *c)
{
	atomic_store(&c->state, COMMAND_FREE);
	atomic_fetch_add(&cs->released, 1);
	futex_wake(&cs->released, INT_MAX);
}

/* ---- the library's thread */

int commands_open(struct commands *cs, int uffd)
{
	cs->uffd = uffd;
	cs->bells = mapping_create_bells(COMMAND_BELLS_BYTES, uffd);
	return cs->bells != NULL ? 0 : -ENOMEM;
}

void commands_close(struct commands *cs)
{
	if (cs->bells != NULL)
		munmap(cs->bells, COMMAND_BELLS_BYTES);
}

struct command *commands_take(struct commands *cs, uintptr_t address,
			      bool *ret_is_bell)
{
	uintptr_t first = (uintptr_t)cs->bells;
	size_t idx = (address - first) / UFFD_UNIT_BYTES;
	uint32_t expected = COMMAND_POSTED;
	struct command *c;

	*ret_is_bell = address >= first && idx < COMMANDS_MAX;
	if (!*ret_is_bell)
		return NULL;
	c = &cs->cell[idx];
	if (atomic_compare_exchange_strong(&c->state, &expected,
					   COMMAND_TAKEN))
		return c;
	/* TAKEN: the bell was touched again while the command is being done;
	 * its thread goes on sleeping.  Otherwise the page was touched by
	 * mistake: make it present. */
	if (expected != COMMAND_TAKEN)
		uffd_zero(cs->uffd, bell_of(cs, c));
	return NULL;
}

void command_finish(struct commands *cs, struct command *c, int result,
		    const char *text)
{
	/* When the command is done, another thread may use its cell. */
	uintptr_t bell = bell_of(cs, c);

	c->result = result;
	errors_copy(c->text, sizeof(c->text), text);
	atomic_store_explicit(&c->state, COMMAND_DONE, memory_order_release);
	uffd_zero(cs->uffd, bell);
}
