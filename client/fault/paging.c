/* SPDX-License-Identifier: MIT */
/* Faults, on the library's thread: see paging.h.
 *
 * A minor fault (the page is in the data file, just not mapped here) is
 * answered at once.  A missing page goes into the table of faults and stays
 * there until it is mapped or poisoned; whatever happens in between (the
 * daemon is slow, busy, goes away and comes back, the page comes and leaves
 * again before it could be mapped) only moves it between the table's states.
 * Every fault has a deadline.  A daemon that shows signs of life and has not
 * answered yet moves it on; else the fault ends there.
 *
 * A late page is not lost: it may come later.  Threads that wait for it get
 * SIGBUS, and a thread that touches it again asks for it again.  Lost for good
 * are only pages that the daemon says are lost, and pages of a private region
 * that were not here when the connection broke. */
#include "client/fault/paging.h"
#include "client/region/mapping.h"
#include "common/clock.h"

#include <errno.h>

enum {
	POSTS_MAX = 4,
	LATE_NS = 200000000,	/* for all who wait to run, and get SIGBUS */
};

/* Map the page at `address`.  Returns the outcome for that unit of it. */
static enum uffd_outcome map_page(struct memclient *mc, const struct region *r,
				  uintptr_t address)
{
	return uffd_map(handler_uffd(mc, r),
			region_page_start(r, region_page_at(r, address)),
			region_page_bytes(r), uffd_unit_start(address),
			UFFD_UNIT_BYTES);
}

/* ---- the two ways a fault ends */

/* Threads that came through a command wait for it, not for the kernel. */
static void wake_range(struct memclient *mc, const struct region *r,
		       uintptr_t start, size_t length, int result)
{
	if (!r->is_inline)
		return;
	for (size_t i = COMMAND_CALLS_MAX; i < COMMANDS_MAX; i++) {
		struct command *c = &mc->commands.cell[i];

		if (command_is_taken(c) && c->address >= start &&
		    c->address - start < length)
			handler_finish(mc, c, result);
	}
}

static void wake_commands(struct memclient *mc, const struct region *r,
			  uint64_t page, int result)
{
	wake_range(mc, r, region_page_start(r, page), region_page_bytes(r),
		   result);
}

/* The program has put something else where it touched the region.  The other
 * units of the page are mapped, or their next touch says that they are not. */
static void unit_is_foreign(struct memclient *mc, const struct region *r,
			    uintptr_t address)
{
	wake_range(mc, r, uffd_unit_start(address), UFFD_UNIT_BYTES, -ENOENT);
	wake_commands(mc, r, region_page_at(r, address), 0);
	uffd_wake(handler_uffd(mc, r),
		  region_page_start(r, region_page_at(r, address)),
		  region_page_bytes(r));
}

static void page_is_mapped(struct memclient *mc, const struct region *r,
			   uint64_t page)
{
	uffd_wake(handler_uffd(mc, r), region_page_start(r, page),
		  region_page_bytes(r));
	wake_commands(mc, r, page, 0);
}

static void page_is_lost(struct memclient *mc, struct region *r, uint64_t page)
{
	uintptr_t start = region_page_start(r, page);
	size_t length = region_page_bytes(r);
	int fd = handler_uffd(mc, r);
	int done = -ENOSYS;

	if (mc->can_poison)
		done = uffd_poison(fd, start, length);
	if (done < 0 && done != -ENOENT)
		mapping_cover(r, start, length, fd);
	/* ENOENT: covered already, or the program mapped something over it;
	 * that is not ours to touch.  0: poisoned already. */
	if (done == -ENOENT)
		uffd_wake(fd, start, length);
	else if (done != 0)
		atomic_fetch_add(&mc->lost_page_count, 1);
	wake_commands(mc, r, page, -EIO);
}

/* A page that is there can neither be lost nor late: it was asked for only to
 * hear of what is behind it, or it came after all. */
static bool is_there(struct memclient *mc, struct fault *f)
{
	struct region *r = f->region;
	uint64_t page = f->page;
	uintptr_t address = f->address;

	if (!region_is_trusted(r) ||
	    map_page(mc, r, address) != UFFD_MAPPED)
		return false;
	faults_remove(&mc->handler.faults, f);
	page_is_mapped(mc, r, page);
	return true;
}

static void lose(struct memclient *mc, struct fault *f)
{
	struct region *r = f->region;
	uint64_t page = f->page;
	bool is_late = f->state == FAULT_LATE;	/* poisoned already */

	if (is_there(mc, f))
		return;
	faults_remove(&mc->handler.faults, f);
	page_is_lost(mc, r, page);
	if (is_late)
		atomic_fetch_add(&mc->lost_page_count, 1);
}

/* ---- what is late */

/* The page may still come later.  (It cannot where a private region has lost
 * its session.)  It is poisoned for a moment, so that the threads that wait for
 * it get SIGBUS; in inline regions they are told.  Where the kernel cannot
 * poison, the threads go on waiting: what it can do instead is for good. */
static void be_late(struct memclient *mc, struct fault *f)
{
	struct handler *h = &mc->handler;
	struct region *r = f->region;
	uintptr_t start = region_page_start(r, f->page);
	size_t length = region_page_bytes(r);
	uint64_t page = f->page;
	int done;

	if (r->is_inline) {
		faults_remove(&h->faults, f);
		wake_commands(mc, r, page, -ETIMEDOUT);
		return;
	}
	done = mc->can_poison ? uffd_poison(handler_uffd(mc, r), start,
					    length) : -ENOSYS;
	if (done >= 0) {
		fault_enter_late(&h->faults, f, h->now_ns + LATE_NS);
	} else if (done == -ENOENT) {	/* the program's own is there */
		faults_remove(&h->faults, f);
		page_is_mapped(mc, r, page);
	} else {
		fault_postpone(&h->faults, f,
			       h->now_ns + mc->settings.timeout_ns);
	}
}

/* A thread that touches the page from now on asks for it again. */
static void forgive(struct memclient *mc, struct fault *f)
{
	struct region *r = f->region;
	uint64_t page = f->page;

	faults_remove(&mc->handler.faults, f);
	mapping_drop(region_page_start(r, page), region_page_bytes(r));
	uffd_wake(handler_uffd(mc, r), region_page_start(r, page),
		  region_page_bytes(r));
}

/* The daemon is there and has not answered yet: its disk, or the other host
 * that has the page, is slow.  As with the kernel's swap, that is no error. */
static bool is_worked_on(const struct memclient *mc, const struct fault *f)
{
	const struct handler *h = &mc->handler;

	return h->is_up && f->state == FAULT_ASKED && !f->was_answered &&
	       h->heard_ns + mc->settings.timeout_ns > h->now_ns;
}

static void end_of_time(struct memclient *mc, struct fault *f)
{
	struct handler *h = &mc->handler;

	if (f->state == FAULT_LATE)
		forgive(mc, f);
	else if (!h->is_up && f->region->name[0] == '\0')
		lose(mc, f);
	else if (is_there(mc, f))
		return;
	else if (is_worked_on(mc, f))
		fault_postpone(&h->faults, f,
			       h->heard_ns + mc->settings.timeout_ns);
	else
		be_late(mc, f);
}

/* A daemon that has said nothing for a while, and is waited for, is asked for
 * something that it answers at once.  What the answer says is not needed. */
static void probe(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	uint64_t since_ns = MAX(h->heard_ns, h->probed_ns);

	if (!h->is_up || h->faults.count[FAULT_ASKED] == 0 ||
	    h->now_ns < since_ns + mc->settings.timeout_ns / 4)
		return;
	if (link_send(&h->link, MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS,
		      handler_request_id(h, REQUEST_NONE, 0), NULL) == 0)
		h->probed_ns = h->now_ns;
}

/* The fault `f` after a try to map its page, which came to `outcome`. */
static void settle(struct memclient *mc, struct fault *f,
		   enum uffd_outcome outcome)
{
	struct handler *h = &mc->handler;
	struct region *r = f->region;
	uint64_t page = f->page;
	uintptr_t address = f->address;

	switch (outcome) {
	case UFFD_MISSING:	/* it has left again */
		fault_enter_wanted(&h->faults, f);
		break;
	case UFFD_AGAIN:
		fault_enter_delayed(&h->faults, f, h->now_ns);
		break;
	case UFFD_LOST:
	case UFFD_UNUSABLE:
		lose(mc, f);
		break;
	case UFFD_FOREIGN:
		faults_remove(&h->faults, f);
		unit_is_foreign(mc, r, address);
		break;
	case UFFD_MAPPED:
	case UFFD_EXITING:
		faults_remove(&h->faults, f);
		page_is_mapped(mc, r, page);
		break;
	}
}

/* ---- faults come in */

static uint64_t deadline(const struct memclient *mc, uint64_t since_ns)
{
	const struct handler *h = &mc->handler;

	if (!h->is_up)
		since_ns = MIN(since_ns, h->outage_ns);
	return since_ns + mc->settings.timeout_ns;
}

static void want(struct memclient *mc, struct region *r, uintptr_t address,
		 uint64_t since_ns, bool is_write)
{
	struct handler *h = &mc->handler;
	uint64_t page = region_page_at(r, address);
	struct fault *f = faults_find(&h->faults, r, page);

	if (atomic_load(&r->state) == REGION_LOST) {
		page_is_lost(mc, r, page);
		return;
	}
	if (f == NULL)
		f = faults_add(&h->faults, r, address, deadline(mc, since_ns));
	/* The table is full only for commands: messages are not read then.
	 * Their thread tries again, and so comes back here. */
	if (f == NULL)
		wake_commands(mc, r, page, -EAGAIN);
	else
		f->is_write |= is_write;
}

/* Map it if it is there; else want it. */
static void map_or_want(struct memclient *mc, struct region *r,
			uintptr_t address, uint64_t since_ns, bool is_write)
{
	uint64_t page = region_page_at(r, address);

	if (!region_is_trusted(r)) {
		want(mc, r, address, since_ns, is_write);
		return;
	}
	switch (map_page(mc, r, address)) {
	case UFFD_MAPPED:
		page_is_mapped(mc, r, page);
		touched_add(&mc->touched, r, page, clock_now_ns() - since_ns);
		if (told_take_mark(r, page))
			touched_send(&mc->touched, &mc->regions,
				     &mc->handler.link);
		break;
	case UFFD_FOREIGN:
		unit_is_foreign(mc, r, address);
		break;
	case UFFD_EXITING:
		page_is_mapped(mc, r, page);
		break;
	case UFFD_LOST:
		page_is_lost(mc, r, page);
		break;
	case UFFD_MISSING:
	case UFFD_AGAIN:	/* the daemon says "it is there", and we try
				 * once more */
	case UFFD_UNUSABLE:
		want(mc, r, address, since_ns, is_write);
		break;
	}
}

/* The page is there.  But may more be behind it that the daemon knows of? */
static bool is_worth_asking(const struct handler *h, struct region *r,
			    uint64_t page)
{
	return h->is_up && atomic_load(&r->state) == REGION_LIVE &&
	       told_take_edge(r, page);
}

/* Ours, but outside of all regions: mremap() has taken it there, and nobody
 * knows any more which page it is.  Or it was unmapped meanwhile. */
static void lose_moved(struct memclient *mc, uintptr_t unit)
{
	struct region alone = { .start = unit, .length = UFFD_UNIT_BYTES };
	int fd = mc->handler.uffd.fd;
	int done = -ENOSYS;

	if (mc->can_poison)
		done = uffd_poison(fd, unit, UFFD_UNIT_BYTES);
	if (done < 0 && done != -ENOENT)
		mapping_cover(&alone, unit, UFFD_UNIT_BYTES, fd);
	uffd_wake(fd, unit, UFFD_UNIT_BYTES);
}

void paging_take_fault(struct memclient *mc, const struct uffd_fault *uf)
{
	struct handler *h = &mc->handler;
	struct region *r = regions_find(&mc->regions, uf->address);
	uint64_t page;

	if (r == NULL) {
		lose_moved(mc, uffd_unit_start(uf->address));
		return;
	}
	page = region_page_at(r, uf->address);
	if (uf->is_minor && !is_worth_asking(h, r, page))
		map_or_want(mc, r, uf->address, h->now_ns, uf->is_write);
	else
		want(mc, r, uf->address, h->now_ns, uf->is_write);
}

/* Its thread may have used up half of the time.  If it says more, it did not
 * run meanwhile: the process was stopped. */
void paging_take_command(struct memclient *mc, struct command *c)
{
	struct region *r = regions_find(&mc->regions, c->address);
	uint64_t now_ns = mc->handler.now_ns;
	uint64_t since_ns = MAX(c->started_ns, now_ns - MIN(now_ns,
				mc->settings.timeout_ns / 2));

	if (r == NULL || !r->is_inline)
		handler_finish(mc, c, -EFAULT);
	else
		map_or_want(mc, r, c->address, MIN(since_ns, now_ns),
			    c->is_write);
}

/* ---- the daemon answers */

static bool is_transient(int error)
{
	return error == -EBUSY || error == -ENOMEM || error == -EAGAIN;
}

static void refuse(struct memclient *mc, struct fault *f, int error)
{
	if (is_transient(error))
		fault_enter_delayed(&mc->handler.faults, f,
				    mc->handler.now_ns);
	else
		lose(mc, f);
}

static void answer(struct memclient *mc, struct fault *f,
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
		refuse(mc, f, errors_from_wire(reply->error));
	else
		settle(mc, f,
		       told_map_reply(r, handler_uffd(mc, r), f->address,
					&told));
}

void paging_take_reply(struct memclient *mc, const struct link_message *message)
{
	struct handler *h = &mc->handler;
	uint64_t id = message->header.request_id;
	Memd__FaultReply *reply = (void *)link_unpack(
		&h->link, message, &memd__fault_reply__descriptor);
	struct region *r = regions_at(&mc->regions, handler_request_idx(id));
	struct fault *f;

	if (reply == NULL) {
		link_drop(&h->link, -EPROTO,
			  "the daemon sent a malformed FaultReply");
		return;
	}
	/* An answer to what is not asked any more is nobody's business. */
	if (r == NULL || atomic_load(&r->segment) != reply->segment)
		return;
	f = faults_find(&h->faults, r, reply->page);
	if (f != NULL && f->state == FAULT_ASKED && f->request_id == id)
		answer(mc, f, reply);
}

void paging_take_error(struct memclient *mc, uint64_t request_id, int error)
{
	struct fault_list *asked = &mc->handler.faults.list[FAULT_ASKED];
	struct fault *f = TAILQ_FIRST(asked);

	while (f != NULL) {
		struct fault *next = TAILQ_NEXT(f, link);

		if (f->request_id == request_id)
			refuse(mc, f, error);
		f = next;
	}
}

/* The mark among the range's pages, if there is one. */
static uint64_t mark_in(const Memd__Ready *ready, const Memd__Range *range)
{
	for (size_t i = 0; i < ready->n_mark; i++)
		if (ready->mark[i] >= range->first &&
		    ready->mark[i] - range->first < range->count)
			return ready->mark[i];
	return TOLD_NO_PAGE;
}

static void map_ready(struct memclient *mc, struct region *r,
		      const Memd__Ready *ready)
{
	for (size_t i = 0; i < ready->n_range; i++) {
		const struct told told = {
			.first = ready->range[i]->first,
			.count = ready->range[i]->count,
			.mark = mark_in(ready, ready->range[i]),
		};

		told_map_ready(r, handler_uffd(mc, r), &told);
	}
}

void paging_take_ready(struct memclient *mc, const struct link_message *message)
{
	struct handler *h = &mc->handler;
	Memd__Ready *ready = (void *)link_unpack(&h->link, message,
						 &memd__ready__descriptor);
	struct region *r = NULL;

	if (ready == NULL || ready->n_range > WIRE_RANGES_MAX ||
	    ready->n_mark > WIRE_MARKS_MAX) {
		link_drop(&h->link, -EPROTO,
			  "the daemon sent a malformed Ready");
		return;
	}
	while ((r = regions_of_segment(&mc->regions, ready->segment, r)) !=
	       NULL)
		map_ready(mc, r, ready);
}

/* Forget the mappings of one range, in pages, as far as it is inside and not
 * pinned. */
static void age(const struct pinned *pd, const struct region *r,
		const Memd__Range *range)
{
	uint64_t page_count = region_page_count(r);
	uint64_t end, next;

	if (range->first >= page_count)
		return;
	end = range->first + MIN(range->count, page_count - range->first);
	for (uint64_t page = range->first; page < end; page = next) {
		next = end;
		if (!pinned_has(pd, r, page, &next))
			mapping_zap(region_page_start(r, page),
				    (size_t)(next - page) << r->page_shift);
	}
}

void paging_take_age(struct memclient *mc, const struct link_message *message)
{
	struct handler *h = &mc->handler;
	Memd__Age *m = (void *)link_unpack(&h->link, message,
					   &memd__age__descriptor);
	struct region *r = NULL;

	if (m == NULL || m->n_range > WIRE_RANGES_MAX) {
		link_drop(&h->link, -EPROTO,
			  "the daemon sent a malformed Age");
		return;
	}
	while ((r = regions_of_segment(&mc->regions, m->segment, r)) != NULL)
		for (size_t i = 0; i < m->n_range; i++)
			age(&h->pinned, r, m->range[i]);
	touched_send(&mc->touched, &mc->regions, &h->link);
}

/* ---- faults go out */

/* One Fault message: the wanted pages of the region of `first`. */
static int send_wanted(struct memclient *mc, struct fault *first)
{
	struct handler *h = &mc->handler;
	struct region *r = first->region;
	struct fault *chosen[WIRE_FAULTS_MAX];
	uint64_t page[WIRE_FAULTS_MAX];
	uint64_t id = handler_request_id(h, REQUEST_FAULT, r->idx);
	Memd__Fault message = MEMD__FAULT__INIT;
	size_t count = 0;
	int err;

	message.segment = atomic_load(&r->segment);
	message.page = page;
	message.has_access = 1;
	for (struct fault *f = first; f != NULL && count < WIRE_FAULTS_MAX;
	     f = TAILQ_NEXT(f, link)) {
		if (f->region != r)
			continue;
		if (f->is_write)
			message.access = MEMD__ACCESS__ACCESS_WRITE;
		chosen[count] = f;
		page[count++] = f->page;
	}
	message.n_page = count;
	err = link_send(&h->link, MEMD__MESSAGE_TYPE__TYPE_FAULT, id,
			&message.base);
	for (size_t i = 0; err == 0 && i < count; i++)
		fault_enter_asked(&h->faults, chosen[i], id);
	return err;
}

/* Ask in the mailbox: for faults that come alone; many are cheaper in one
 * message. */
static bool post_wanted(struct memclient *mc, struct fault *f)
{
	struct handler *h = &mc->handler;
	uint64_t id = handler_request_id(h, REQUEST_FAULT, f->region->idx);
	Memd__Fault message = MEMD__FAULT__INIT;
	bool must_ring;

	if (h->faults.count[FAULT_WANTED] > POSTS_MAX)
		return false;
	message.segment = atomic_load(&f->region->segment);
	message.page = &f->page;
	message.n_page = 1;
	message.has_access = f->is_write;
	message.access = MEMD__ACCESS__ACCESS_WRITE;
	if (box_post(&mc->box, MEMD__MESSAGE_TYPE__TYPE_FAULT, id,
		     &message.base, &must_ring) != 0)
		return false;
	fault_enter_asked(&h->faults, f, id);
	h->must_ring |= must_ring;
	return true;
}

static struct fault *next_sendable(struct handler *h)
{
	struct fault *f;

	TAILQ_FOREACH(f, &h->faults.list[FAULT_WANTED], link)
		if (atomic_load(&f->region->state) == REGION_LIVE)
			return f;
	return NULL;
}

void paging_run(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	struct fault *f;

	probe(mc);
	while ((f = faults_expire(&h->faults, h->now_ns)) != NULL)
		end_of_time(mc, f);
	while (h->is_up && (f = next_sendable(h)) != NULL)
		if (!post_wanted(mc, f) && send_wanted(mc, f) != 0)
			break;	/* no room: when some has been sent */
}

/* ---- regions end */

static void each_fault_of(struct memclient *mc, struct region *r,
			  void (*end)(struct memclient *, struct fault *))
{
	struct faults *fs = &mc->handler.faults;

	for (size_t i = 0; i < FAULTS_MAX; i++)
		if (fs->fault[i].state != FAULT_FREE &&
		    fs->fault[i].region == r)
			end(mc, &fs->fault[i]);
}

static void forget(struct memclient *mc, struct fault *f)
{
	wake_commands(mc, f->region, f->page, -EFAULT);
	faults_remove(&mc->handler.faults, f);
}

void paging_lose_region(struct memclient *mc, struct region *r)
{
	each_fault_of(mc, r, lose);
}

void paging_forget_region(struct memclient *mc, struct region *r)
{
	each_fault_of(mc, r, forget);
}
