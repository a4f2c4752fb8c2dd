/* SPDX-License-Identifier: MIT */
/* What the library's thread knows of the regions: their table, the userfaultfds
 * that watch them, and their pins.
 *
 * Threads: the library's thread.  Other threads may look into `regions`
 * (region.h). */
#ifndef MEMD_CLIENT_REGION_SPACE_H
#define MEMD_CLIENT_REGION_SPACE_H

#include "client/region/pinned.h"
#include "client/region/region.h"
#include "client/region/zap.h"

struct space {
	struct regions regions;

	/* Used only by the library's thread, with descriptors of its own
	 * table. */
	struct uffd uffd;	/* for thread regions and bells */
	int inline_fd;		/* for inline regions */
	bool can_poison;
	/* A region could not be unmapped, or was moved: a part of it is still
	 * watched. */
	bool has_left_mapped;
	bool has_books;		/* some region had one, in this session */
	struct pinned pinned;
	struct zap zap;		/* empty between two messages */
};

/* The userfaultfd that the region is registered with. */
static inline int space_uffd(const struct space *sp, const struct region *r)
{
	return r->is_inline ? sp->inline_fd : sp->uffd.fd;
}

/* Map the data file `fd` (borrowed) as `r`.  The region is LIVE before any
 * other thread can know its address.  0, or -errno of mapping_create(), or
 * -ENOMEM. */
int space_map(struct space *sp, struct region *r, int fd) MUST_CHECK;

/* Unmap the region, and forget it and its pins. */
void space_unmap(struct space *sp, struct region *r);

/* As uffd_poison(); -ENOSYS: the kernel cannot poison. */
int space_poison(const struct space *sp, int uffd, uintptr_t start,
		 size_t length) MUST_CHECK;

#endif
