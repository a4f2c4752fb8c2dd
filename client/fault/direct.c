/* SPDX-License-Identifier: MIT */
/* See direct.h.
 *
 * What is put through a mapping goes into whatever file is mapped there.  So
 * it must be certain that the region is still what it was when the page was
 * asked for:
 *
 * D1  The engine's thread names the region that it works in (`busy`), then
 *     looks at its state and segment; only if it is LIVE and the very segment
 *     does it go on.  The library's thread makes the state FREE, then waits
 *     until the region is not the busy one, then unmaps it.  All are
 *     sequentially consistent: one of the two sees the other.  (What covers
 *     a page, or maps what did not become a region, is not registered: the
 *     kernel refuses.)
 * D2  So while the engine works the region is mapped, and its start and
 *     length are what they were when its state became LIVE.
 * D3  Which region it is, the asking thread wrote before it handed its cell
 *     over; a region of that number that came since is LIVE with that segment
 *     only if it is a mapping of it, and any will do.
 * D4  A region of a private mapping (read-only ones) is left out: the page
 *     would not get into the file.
 * D5  The library's thread waits for one system call of the engine's thread,
 *     which waits for nothing of the library's. */
#include "client/fault/direct.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

enum { YIELDS = 100 };		/* then sleep */

/* `r` is busy.  D1, D4. */
static int install(struct direct *d, const struct region *r, uint64_t page,
		   const struct memd_engine_page *what)
{
	if (atomic_load(&r->state) != REGION_LIVE ||
	    atomic_load(&r->segment) != what->segment)
		return -ENOENT;
	if (r->is_read_only || page != what->page ||
	    page >= region_page_count(r) ||
	    what->length != region_page_bytes(r))
		return -EINVAL;
	box_announce(d->box, what->cell);
	return uffd_copy(what->uffd, region_page_start(r, page), what->length,
			 what->bytes);
}

/* On the engine's thread. */
static int on_page(void *ctx, const struct memd_engine_page *what)
{
	struct direct *d = ctx;
	uint64_t page = 0;
	const struct region *r = box_asked(d->box, what->cell, &page);
	int err;

	if (r == NULL)
		return -ENOENT;
	atomic_store(&d->busy, r);
	err = install(d, r, page, what);
	atomic_store(&d->busy, NULL);
	return err;
}

/* What it has still to do for this page nobody waits for. */
static void on_told(void *ctx, unsigned cell)
{
	struct direct *d = ctx;

	if (box_is_on_cpu(d->box, cell, sched_getcpu()))
		sched_yield();
}

struct memd_engine_program direct_program(struct direct *d, int uffd)
{
	return (struct memd_engine_program){
		.uffd = uffd,
		.install = on_page,
		.make_way = on_told,
		.ctx = d,
	};
}

void direct_withdraw(struct direct *d, struct region *r)
{
	static const struct timespec moment = { .tv_nsec = 50000 };

	atomic_store(&r->state, REGION_FREE);
	/* Yielding does not help against a lower priority. */
	for (unsigned i = 0; atomic_load(&d->busy) == r; i++)
		if (i < YIELDS)
			sched_yield();
		else
			nanosleep(&moment, NULL);
}
