/* SPDX-License-Identifier: MIT */
/* The regions, their userfaultfds and pins: see space.h. */
#include "client/region/space.h"
#include "client/region/mapping.h"

#include <errno.h>

int space_map(struct space *sp, struct region *r, int fd)
{
	int err = mapping_create(r, fd, space_uffd(sp, r));

	if (err != 0)
		return err;
	atomic_store(&r->state, REGION_LIVE);
	err = regions_add(&sp->regions, r);
	if (err != 0)
		sp->has_left_mapped |= !mapping_destroy(r, space_uffd(sp, r));
	return err;
}

void space_unmap(struct space *sp, struct region *r)
{
	regions_remove(&sp->regions, r);
	sp->has_left_mapped |= !mapping_destroy(r, space_uffd(sp, r));
	pinned_forget(&sp->pinned, r);
	regions_put(&sp->regions, r);
}

int space_poison(const struct space *sp, int uffd, uintptr_t start,
		 size_t length)
{
	return sp->can_poison ? uffd_poison(uffd, start, length) : -ENOSYS;
}
