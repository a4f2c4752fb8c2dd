/* SPDX-License-Identifier: MIT */
/* Direct installation of pages: see direct.h.
 *
 * A page that is put through a mapping goes into the file that is mapped there.
 * So the region must still be what it was when the page was asked for.
 *
 * D1  The engine's thread first names the region that it works in (`busy`), and
 *     then looks at the region's state and segment.  It goes on only if the
 *     region is LIVE and has that segment.  The library's thread first makes
 *     the state FREE, then waits until `busy` is another region, then unmaps.
 *     All of this is sequentially consistent, so one of the two sees the other.
 *     (The mapping of a region that was not added, or that covers a page, is
 *     not registered, so the kernel refuses.)
 * D2  So while the engine works, the region is mapped, and its start and length
 *     are those of the moment when it became LIVE.
 * D3  The asking thread wrote the number of the region before it handed its
 *     cell over.  If another region has got that number since, and is LIVE with
 *     that segment, it is a mapping of the same segment, which serves as well.
 * D4  Read-only regions have a private mapping and are left out: the page would
 *     not get into the file.
 * D5  The library's thread waits for one system call of the engine's thread.
 *     The engine's thread waits for nothing of the library's. */
#include "client/fault/direct.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

enum { YIELDS = 100 };		/* before sleeping */

/* `r` is busy (D1).  Put the page into it, if allowed (D1, D4). */
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

/* Runs on the engine's thread. */
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

/* Runs on the engine's thread.  No thread waits for the rest of its work for
 * this page, so let the asking thread run if it waits for this CPU. */
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
	/* Yielding does not help against a thread of lower priority. */
	for (unsigned i = 0; atomic_load(&d->busy) == r; i++)
		if (i < YIELDS)
			sched_yield();
		else
			nanosleep(&moment, NULL);
}
