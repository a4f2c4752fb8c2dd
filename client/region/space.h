/* SPDX-License-Identifier: MIT */
/* The regions as the library's thread has them: the table, the userfaultfds
 * that watch what is mapped, and what of it is pinned.
 *
 * Threads: the handler; others may look into `regions` (region.h). */
#ifndef MEMD_CLIENT_REGION_SPACE_H
#define MEMD_CLIENT_REGION_SPACE_H

#include "client/region/pinned.h"
#include "client/region/region.h"

struct space {
	struct regions regions;

	/* The handler's own, with descriptors of its own table. */
	struct uffd uffd;	/* of thread regions and bells */
	int inline_fd;		/* of inline regions */
	bool can_poison;
	bool has_left_mapped;	/* some region could not be unmapped, or was
				 * moved: part of it is still watched */
	struct pinned pinned;
};

/* The userfaultfd with which a region is registered. */
static inline int space_uffd(const struct space *sp, const struct region *r)
{
	return r->is_inline ? sp->inline_fd : sp->uffd.fd;
}

/* Map the data file `fd` (borrowed) as `r`, which is LIVE before anybody can
 * know its address.  0, or -errno as mapping_create(), or -ENOMEM. */
int space_map(struct space *sp, struct region *r, int fd) MUST_CHECK;

/* Unmap, and forget the region and its pins. */
void space_unmap(struct space *sp, struct region *r);

/* uffd_poison(); -ENOSYS: the kernel cannot. */
int space_poison(const struct space *sp, int uffd, uintptr_t start,
		 size_t length) MUST_CHECK;

#endif
