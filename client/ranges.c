/* SPDX-License-Identifier: MIT */
/* The public calls for a part of a region: advice, pins, touching. */
#include "client/call.h"

#include <errno.h>

/* a multiple of every page size */
enum { ADVISE_BYTES = 256 * 1024 * 1024 };

/* Returns the region that holds the whole range.  NULL, with an error text:
 * there is none. */
static struct region *find_range(struct memclient *mc, const void *addr,
				 size_t length)
{
	uintptr_t start = (uintptr_t)addr;
	struct region *r = regions_find(&mc->space.regions, start);

	if (r != NULL && length <= r->start + r->length - start)
		return r;
	errors_set(-EINVAL, "the range is not inside one region");
	return NULL;
}

static int run_range(struct memclient *mc, enum command_kind kind, void *addr,
		     size_t length, int advice)
{
	struct command *c;
	int err = call_check(mc);

	if (err != 0)
		return err;
	c = call_start(mc, kind);
	c->address = (uintptr_t)addr;
	c->length = length;
	c->advice = advice;
	return call_finish(mc, c);
}

/* Advise in pieces, each with its own time limit: to page out a large region
 * takes as long as the disk needs. */
static int advise_in_pieces(struct memclient *mc, const struct region *r,
			    uintptr_t at, uintptr_t end, int advice)
{
	while (at < end) {
		uintptr_t piece = (at - r->start) / ADVISE_BYTES + 1;
		uintptr_t next = MIN(r->start + piece * ADVISE_BYTES, end);
		int err = run_range(mc, COMMAND_ADVISE, (void *)at, next - at,
				    advice);

		if (err != 0)
			return err;
		at = next;
	}
	return 0;
}

EXPORT int memclient_advise(struct memclient *mc, void *addr, size_t length,
			    int advice)
{
	uintptr_t start = (uintptr_t)addr;
	struct region *r;
	int err = call_check(mc);

	if (err != 0)
		return err;
	if (advice < MEMCLIENT_ADVICE_NORMAL ||
	    advice > MEMCLIENT_ADVICE_PAGEOUT)
		return errors_set(-EINVAL, "advice %d does not exist", advice);
	r = find_range(mc, addr, length);
	if (r == NULL)
		return -EINVAL;
	if (advice <= MEMCLIENT_ADVICE_RANDOM)	/* for the whole segment */
		return run_range(mc, COMMAND_ADVISE, addr, length, advice);
	return advise_in_pieces(mc, r, start, start + length, advice);
}

EXPORT int memclient_pin(struct memclient *mc, void *addr, size_t length)
{
	return run_range(mc, COMMAND_PIN, addr, length, 0);
}

EXPORT int memclient_unpin(struct memclient *mc, void *addr, size_t length)
{
	return run_range(mc, COMMAND_UNPIN, addr, length, 0);
}

/* The value does not matter; only the page must come in.  So it is no race if
 * other threads of the program write there. */
__attribute__((noinline, no_sanitize_thread))
static void read_byte(uintptr_t at)
{
	(void)*(const volatile uint8_t *)at;
}

EXPORT int memclient_touch(struct memclient *mc, const void *addr,
			   size_t length)
{
	uintptr_t start = (uintptr_t)addr;
	struct region *r;
	int err = call_check(mc);

	if (err != 0)
		return err;
	r = find_range(mc, addr, length);
	if (r == NULL)
		return -EINVAL;
	for (uintptr_t at = start; at < start + length;
	     at = region_page_start(r, region_page_at(r, at) + 1))
		read_byte(at);
	return 0;
}
