/* SPDX-License-Identifier: MIT */
/* Pins: see pinning.h.
 *
 * The order makes sure that a pinned page is mapped.  The daemon says Ok; from
 * then on it takes no page of the range out and ages none.  The range is noted,
 * so that an older Age does no harm.  Then the pages are mapped, in pieces, so
 * that faults need not wait for the end of a large range.  Then the call
 * returns. */
#include "client/fault/pinning.h"

#include <errno.h>

enum { STEP_UNITS = 1024 };

/* The region of the command; NULL: it was unmapped meanwhile. */
static struct region *pinned_region(struct space *sp, const struct command *c)
{
	struct region *r = regions_find(&sp->regions, c->address);

	return r != NULL && atomic_load(&r->segment) == c->segment ? r : NULL;
}

int pinning_start(struct space *sp, struct command *c)
{
	const struct region *r = pinned_region(sp, c);

	c->next_page = c->first_page;
	return r == NULL ? -EINVAL
			 : pinned_add(&sp->pinned, r, c->first_page,
				      c->end_page);
}

int pinning_step(struct space *sp, struct command *c)
{
	const struct region *r = pinned_region(sp, c);
	uintptr_t start;
	size_t length;
	uint64_t end;

	if (r == NULL)
		return -EINVAL;
	end = c->next_page +
	      MAX(STEP_UNITS * (uint64_t)UFFD_UNIT_BYTES >> r->page_shift,
		  (uint64_t)1);
	end = MIN(end, c->end_page);
	start = region_page_start(r, c->next_page);
	length = (size_t)(end - c->next_page) << r->page_shift;
	switch (uffd_map(space_uffd(sp, r), start, length, start, length)) {
	case UFFD_AGAIN:
		return -EAGAIN;
	case UFFD_MISSING: /* dropped past the daemon */
	case UFFD_LOST:
	case UFFD_UNUSABLE:
		return -EIO;
	case UFFD_MAPPED:
	case UFFD_FOREIGN: /* the program has mapped something else */
	case UFFD_EXITING:
		break;
	}
	c->next_page = end;
	return end < c->end_page ? -EAGAIN : 0;
}

void pinning_undo(struct space *sp, struct session *s, struct command *c)
{
	Memd__Pin m = MEMD__PIN__INIT;

	/* Without this check, the note of another pin of the same range could
	 * be removed. */
	if (c->is_mapping)
		pinning_end(sp, c);
	m.segment = c->segment;
	m.first = c->first_page;
	m.count = c->end_page - c->first_page;
	/* If the link has no room, the pin ends with the session
	 * (session_send_detach()). */
	(void)!link_send(&s->link, MEMD__MESSAGE_TYPE__TYPE_UNPIN,
			 session_request_id(s, REQUEST_NONE, 0), &m.base);
}

void pinning_end(struct space *sp, const struct command *c)
{
	const struct region *r = pinned_region(sp, c);

	if (r != NULL)
		pinned_remove(&sp->pinned, r, c->first_page,
			      c->end_page);
}
