/* SPDX-License-Identifier: MIT */
/* Faults: see paging.h.
 *
 * A minor fault (the page is in the data file, but not mapped here) is answered
 * at once.  A missing page goes into the table of faults and stays there until
 * it is mapped or poisoned.  The daemon may be slow or busy, or go away and
 * come back; the page may come and leave again before it is mapped.  All of
 * this only moves the fault between the states of the table.  Every fault has a
 * deadline.  If the daemon shows signs of life and has not answered yet, the
 * deadline moves on; else the fault ends there.
 *
 * A late page is not lost: it may come later.  Threads that wait for it get
 * SIGBUS, and a thread that touches it again asks for it again.  Only two kinds
 * of pages are lost for good: those that the daemon says are lost, and those of
 * a private region that were not here when the connection broke. */
#include "client/fault/paging.h"
#include "client/fault/wanted.h"
#include "client/region/mapping.h"
#include "client/region/told.h"
#include "common/clock.h"

#include <errno.h>

/* How long a late page stays poisoned: all threads that wait for it must have
 * time to run, and get SIGBUS. */
enum { LATE_NS = 200000000 };

static uint64_t timeout_ns(const struct paging *pg)
{
	return pg->session->settings->timeout_ns;
}

/* Map the page of `address`.  Returns the outcome for the unit of `address`. */
static enum uffd_outcome map_page(struct paging *pg, const struct region *r,
				  uintptr_t address)
{
	return uffd_map(space_uffd(pg->space, r),
			region_page_start(r, region_page_at(r, address)),
			region_page_bytes(r), uffd_unit_start(address),
			UFFD_UNIT_BYTES);
}

/* ---- the two ways a fault ends */

static void remove_fault(struct paging *pg, struct fault *f)
{
	if (f->state == FAULT_READING)
		f->own->waiter = NULL;
	faults_remove(&pg->faults, f);
}

/* A thread that came through a command waits for the command, not in the
 * kernel. */
static void wake_range(struct paging *pg, const struct region *r,
		       uintptr_t start, size_t length, int result)
{
	if (!r->is_inline)
		return;
	for (size_t i = COMMAND_CALLS_MAX; i < COMMANDS_MAX; i++) {
		struct command *c = &pg->commands->cell[i];

		if (command_is_taken(c) && c->address >= start &&
		    c->address - start < length)
			command_finish(pg->commands, c, result, "");
	}
}

static void wake_commands(struct paging *pg, const struct region *r,
			  uint64_t page, int result)
{
	wake_range(pg, r, region_page_start(r, page), region_page_bytes(r),
		   result);
}

/* The program has mapped something else at `address`.  The other units of the
 * page are mapped, or their next touch is a fault again. */
static void unit_is_foreign(struct paging *pg, const struct region *r,
			    uintptr_t address)
{
	wake_range(pg, r, uffd_unit_start(address), UFFD_UNIT_BYTES, -ENOENT);
	wake_commands(pg, r, region_page_at(r, address), 0);
	uffd_wake(space_uffd(pg->space, r),
		  region_page_start(r, region_page_at(r, address)),
		  region_page_bytes(r));
}

void paging_page_is_mapped(struct paging *pg, const struct region *r,
			   uint64_t page)
{
	uffd_wake(space_uffd(pg->space, r), region_page_start(r, page),
		  region_page_bytes(r));
	wake_commands(pg, r, page, 0);
}

static void page_is_lost(struct paging *pg, struct region *r, uint64_t page)
{
	uintptr_t start = region_page_start(r, page);
	size_t length = region_page_bytes(r);
	int fd = space_uffd(pg->space, r);
	int done = space_poison(pg->space, fd, start, length);

	if (done < 0 && done != -ENOENT)
		mapping_cover(r, start, length, fd);
	/* -ENOENT: covered already, or the program has mapped something else
	 * there, which is not ours to touch.  0: poisoned already. */
	if (done == -ENOENT)
		uffd_wake(fd, start, length);
	else if (done != 0)
		atomic_fetch_add(&pg->lost_page_count, 1);
	wake_commands(pg, r, page, -EIO);
}

/* True if the page is present: then it is neither lost nor late.  It was asked
 * for only to hear of the pages behind it, or it came after all. */
static bool is_there(struct paging *pg, struct fault *f)
{
	struct region *r = f->region;
	uint64_t page = f->page;
	uintptr_t address = f->address;

	if (!region_is_trusted(r) ||
	    map_page(pg, r, address) != UFFD_MAPPED)
		return false;
	remove_fault(pg, f);
	paging_page_is_mapped(pg, r, page);
	return true;
}

static void lose_page(struct paging *pg, struct fault *f)
{
	struct region *r = f->region;
	uint64_t page = f->page;
	bool is_late = f->state == FAULT_LATE;	/* poisoned already */

	if (is_there(pg, f))
		return;
	remove_fault(pg, f);
	page_is_lost(pg, r, page);
	if (is_late)
		atomic_fetch_add(&pg->lost_page_count, 1);
}

/* ---- late pages */

/* The page may still come, unless a private region has lost its session.
 * Poison it for a moment, so that the threads that wait for it get SIGBUS;
 * threads of inline regions are told.  If the kernel cannot poison, the threads
 * go on waiting, because covering the page instead would be for good. */
static void make_late(struct paging *pg, struct fault *f)
{
	struct region *r = f->region;
	uintptr_t start = region_page_start(r, f->page);
	size_t length = region_page_bytes(r);
	uint64_t page = f->page;
	int done;

	if (r->is_inline) {
		remove_fault(pg, f);
		wake_commands(pg, r, page, -ETIMEDOUT);
		return;
	}
	done = space_poison(pg->space, space_uffd(pg->space, r), start,
			    length);
	if (done >= 0) {
		fault_enter_late(&pg->faults, f, pg->session->now_ns + LATE_NS);
	} else if (done == -ENOENT) {	/* something else is mapped */
		remove_fault(pg, f);
		paging_page_is_mapped(pg, r, page);
	} else {
		fault_postpone(&pg->faults, f,
			       pg->session->now_ns + timeout_ns(pg));
	}
}

/* Remove the poison: a thread that touches the page from now on asks for it
 * again. */
static void remove_poison(struct paging *pg, struct fault *f)
{
	struct region *r = f->region;
	uint64_t page = f->page;

	remove_fault(pg, f);
	mapping_drop(region_page_start(r, page), region_page_bytes(r));
	uffd_wake(space_uffd(pg->space, r), region_page_start(r, page),
		  region_page_bytes(r));
}

/* True if the daemon is alive and has not answered because its disk, or the
 * other host that has the page, is slow.  As with the kernel's swap, this is no
 * error.  If the daemon has answered before (but the page had left again, or
 * there was no room), it counts as slow only if this answer takes long too. */
static bool is_worked_on(const struct paging *pg, const struct fault *f)
{
	const struct session *s = pg->session;
	bool is_slow = !f->was_answered ||
		       s->now_ns - f->asked_ns >= timeout_ns(pg) / 4;

	return s->is_up && f->state == FAULT_ASKED && is_slow &&
	       s->heard_ns + timeout_ns(pg) > s->now_ns;
}

static void handle_deadline(struct paging *pg, struct fault *f)
{
	if (f->state == FAULT_LATE)
		remove_poison(pg, f);
	/* As with the kernel's swap: a read ends some time, or fails. */
	else if (f->state == FAULT_READING)
		fault_postpone(&pg->faults, f,
			       pg->session->now_ns + timeout_ns(pg));
	else if (!pg->session->is_up && f->region->name[0] == '\0')
		lose_page(pg, f);
	else if (is_there(pg, f))
		return;
	else if (is_worked_on(pg, f))
		fault_postpone(&pg->faults, f,
			       pg->session->heard_ns + timeout_ns(pg));
	else
		make_late(pg, f);
}

/* An attempt to map the page of `f` had this outcome. */
static void settle(struct paging *pg, struct fault *f,
		   enum uffd_outcome outcome)
{
	struct region *r = f->region;
	uint64_t page = f->page;
	uintptr_t address = f->address;

	switch (outcome) {
	case UFFD_MISSING:	/* the page has left again */
		fault_enter_wanted(&pg->faults, f);
		break;
	case UFFD_AGAIN:
		fault_enter_delayed(&pg->faults, f, pg->session->now_ns);
		break;
	case UFFD_LOST:
	case UFFD_UNUSABLE:
		lose_page(pg, f);
		break;
	case UFFD_FOREIGN:
		remove_fault(pg, f);
		unit_is_foreign(pg, r, address);
		break;
	case UFFD_MAPPED:
	case UFFD_EXITING:
		remove_fault(pg, f);
		paging_page_is_mapped(pg, r, page);
		break;
	}
}

/* ---- faults come in */

static uint64_t deadline(const struct paging *pg, uint64_t since_ns)
{
	if (!pg->session->is_up)
		since_ns = MIN(since_ns, pg->session->outage_ns);
	return since_ns + timeout_ns(pg);
}

static void want_page(struct paging *pg, struct region *r, uintptr_t address,
		      uint64_t since_ns, bool is_write)
{
	uint64_t page = region_page_at(r, address);
	struct fault *f = faults_find(&pg->faults, r, page);

	if (atomic_load(&r->state) == REGION_LOST) {
		page_is_lost(pg, r, page);
		return;
	}
	if (f == NULL)
		f = faults_add(&pg->faults, r, address, deadline(pg, since_ns));
	/* The table can be full only for commands, because messages are not
	 * read then.  The command's thread tries again, and so comes back
	 * here. */
	if (f == NULL)
		wake_commands(pg, r, page, -EAGAIN);
	else
		f->is_write |= is_write;
}

/* Map the page if it is present; else want it. */
static void map_or_want(struct paging *pg, struct region *r,
			uintptr_t address, uint64_t since_ns, bool is_write)
{
	uint64_t page = region_page_at(r, address);

	if (!region_is_trusted(r)) {
		want_page(pg, r, address, since_ns, is_write);
		return;
	}
	switch (map_page(pg, r, address)) {
	case UFFD_MAPPED:
		paging_page_is_mapped(pg, r, page);
		touched_add(pg->touched, r, page, clock_now_ns() - since_ns);
		if (told_take_mark(r, page))
			touched_send(pg->touched, &pg->space->regions,
				     &pg->session->link);
		break;
	case UFFD_FOREIGN:
		unit_is_foreign(pg, r, address);
		break;
	case UFFD_EXITING:
		paging_page_is_mapped(pg, r, page);
		break;
	case UFFD_LOST:
		page_is_lost(pg, r, page);
		break;
	case UFFD_MISSING:
	/* Ask the daemon; after its answer we try again. */
	case UFFD_AGAIN:
	case UFFD_UNUSABLE:
		want_page(pg, r, address, since_ns, is_write);
		break;
	}
}

/* The page is present.  True if the daemon may know of more pages behind it. */
static bool is_worth_asking(const struct paging *pg, struct region *r,
			    uint64_t page)
{
	return pg->session->is_up && atomic_load(&r->state) == REGION_LIVE &&
	       told_take_edge(r, page);
}

/* The unit is ours, but in no region.  Either mremap() has moved it, so it is
 * unknown which page it is; or the region was unmapped meanwhile. */
static void lose_moved(struct paging *pg, uintptr_t unit)
{
	struct region alone = { .start = unit, .length = UFFD_UNIT_BYTES };
	int fd = pg->space->uffd.fd;
	int done = space_poison(pg->space, fd, unit, UFFD_UNIT_BYTES);

	if (done < 0 && done != -ENOENT)
		mapping_cover(&alone, unit, UFFD_UNIT_BYTES, fd);
	uffd_wake(fd, unit, UFFD_UNIT_BYTES);
}

void paging_take_fault(struct paging *pg, const struct uffd_fault *uf)
{
	struct region *r = regions_find(&pg->space->regions, uf->address);
	uint64_t now_ns = pg->session->now_ns;

	if (r == NULL) {
		lose_moved(pg, uffd_unit_start(uf->address));
		return;
	}
	if (uf->is_minor &&
	    !is_worth_asking(pg, r, region_page_at(r, uf->address)))
		map_or_want(pg, r, uf->address, now_ns, uf->is_write);
	else
		want_page(pg, r, uf->address, now_ns, uf->is_write);
}

/* The command's thread may have used up half of the time already.  If it claims
 * more, it did not run meanwhile: the process was stopped. */
void paging_take_command(struct paging *pg, struct command *c)
{
	struct region *r = regions_find(&pg->space->regions, c->address);
	uint64_t now_ns = pg->session->now_ns;
	uint64_t since_ns = MAX(c->started_ns, now_ns - MIN(now_ns,
				timeout_ns(pg) / 2));

	if (r == NULL || !r->is_inline)
		command_finish(pg->commands, c, -EFAULT, "");
	else
		map_or_want(pg, r, c->address, MIN(since_ns, now_ns),
			    c->is_write);
}

/* ---- the daemon answers */

static void take_refusal(struct paging *pg, struct fault *f, int error)
{
	if (error == -EBUSY || error == -ENOMEM || error == -EAGAIN)
		fault_enter_delayed(&pg->faults, f,
				    pg->session->now_ns);
	else
		lose_page(pg, f);
}

static void answer(struct paging *pg, struct fault *f,
		   const Memd__FaultReply *reply)
{
	struct region *r = f->region;
	const struct told told = {
		.first = reply->first,
		.count = reply->count,
		.mark = reply->has_mark ? reply->mark : TOLD_NO_PAGE,
	};

	f->was_answered = true;
	if (reply->error != 0)
		take_refusal(pg, f, errors_from_wire(reply->error));
	else
		settle(pg, f,
		       told_map_reply(r, space_uffd(pg->space, r), f->address,
					&told));
}

void paging_take_reply(struct paging *pg, uint64_t id,
		       const Memd__FaultReply *reply)
{
	struct region *r = regions_at(&pg->space->regions,
				      session_request_idx(id));
	struct fault *f;

	/* Ignore an answer that is not waited for any more. */
	if (r == NULL || atomic_load(&r->segment) != reply->segment)
		return;
	f = faults_find(&pg->faults, r, reply->page);
	if (f != NULL && f->state == FAULT_ASKED && f->request_id == id)
		answer(pg, f, reply);
}

void paging_take_error(struct paging *pg, uint64_t id, int error)
{
	struct fault_list *asked = &pg->faults.list[FAULT_ASKED];
	struct fault *f = TAILQ_FIRST(asked);

	while (f != NULL) {
		struct fault *next = TAILQ_NEXT(f, link);

		if (f->request_id == id)
			take_refusal(pg, f, error);
		f = next;
	}
}

bool paging_run(struct paging *pg)
{
	struct fault *f;

	wanted_probe(&pg->faults, pg->session);
	while ((f = faults_expire(&pg->faults, pg->session->now_ns)) != NULL)
		handle_deadline(pg, f);
	return wanted_send(&pg->faults, pg->session, pg->box);
}

/* ---- regions end */

static void each_fault_of(struct paging *pg, struct region *r,
			  void (*end)(struct paging *, struct fault *))
{
	struct faults *fs = &pg->faults;

	for (size_t i = 0; i < FAULTS_MAX; i++)
		if (fs->fault[i].state != FAULT_FREE &&
		    fs->fault[i].region == r)
			end(pg, &fs->fault[i]);
}

static void forget(struct paging *pg, struct fault *f)
{
	wake_commands(pg, f->region, f->page, -EFAULT);
	remove_fault(pg, f);
}

void paging_lose_region(struct paging *pg, struct region *r)
{
	each_fault_of(pg, r, lose_page);
}

void paging_forget_region(struct paging *pg, struct region *r)
{
	each_fault_of(pg, r, forget);
}
