/* SPDX-License-Identifier: MIT */
/* See store_mirror.h.  A request (a *whole*) is cut into *parts*: a write into
 * one for each child, a read into runs that one child has.  A part is what a
 * child knows of; its cookie is its index.
 *
 * A read's part that failed, because its child went away, goes to *held*: it
 * is cut anew, and given to whoever has it, when that one is up. */
#include "swapstore/store_mirror.h"

#include "common/bitmap.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	WHOLES = 512,
	PARTS = 4096,
	NONE = UINT32_MAX,
	COPIES = 2,			/* at once */
	COPY_SLOTS = 64,
};

enum part_kind { PART_FREE, PART_WRITE, PART_READ, PART_COPY_READ,
		 PART_COPY_WRITE };

struct part {
	enum part_kind kind;
	uint32_t owner;			/* index of its whole, or its copy */
	uint32_t slot, count;
	uint8_t *at;
	uint8_t child;
	uint32_t next;			/* free, or held */
};

struct whole {
	struct swap_io io;
	uint32_t parts;			/* that have not ended */
	int result;
	uint32_t next;			/* free, or ended */
};

struct copy {
	bool is_active, is_void;	/* void: MI3 */
	uint32_t slot, count;
	uint8_t to;
	uint8_t *bytes;			/* COPY_SLOTS slots */
};

struct list {
	uint32_t head, tail;
};

struct store_mirror {
	struct swapstore base;
	struct store_mirror_child child[STORE_MIRROR_CHILDREN];
	uint64_t epoch[STORE_MIRROR_CHILDREN];
	uint64_t *has[STORE_MIRROR_CHILDREN];	/* MI1 */
	uint64_t slots[STORE_MIRROR_CHILDREN];	/* set bits */
	/* Slots that only the other one has:
	 *   slots[0] + missing[0] == slots[1] + missing[1] */
	uint64_t missing[STORE_MIRROR_CHILDREN];
	int epoll_fd;
	struct part *part;
	struct whole *whole;
	uint32_t free_part, free_whole, free_parts;
	struct list ended;		/* wholes */
	struct list held;		/* parts of reads */
	uint32_t held_count;
	struct copy copy[COPIES];
	uint32_t copy_cursor;		/* where to look for the next one */
	unsigned slow;			/* child that last had no room */
	uint64_t copied_slots;
};

static struct store_mirror *mirror_of(struct swapstore *st)
{
	return (struct store_mirror *)st;
}

static bool is_up(const struct store_mirror *sm, unsigned c)
{
	return sm->child[c].is_up(sm->child[c].store);
}

/* ---- bits, MI1 */

static void set_bit(struct store_mirror *sm, unsigned c, uint32_t slot,
		    bool has)
{
	bool has_other = bitmap_test(sm->has[1 - c], slot);
	/* Whose count of missing ones changes, and how. */
	unsigned whose = has_other ? c : 1 - c;

	if (bitmap_test(sm->has[c], slot) == has)
		return;
	if (has)
		bitmap_set(sm->has[c], slot);
	else
		bitmap_clear(sm->has[c], slot);
	sm->slots[c] += has ? 1 : (uint64_t)-1;
	sm->missing[whose] += has == has_other ? (uint64_t)-1 : 1;
}

static void set_has(struct store_mirror *sm, unsigned c, uint32_t slot,
		    uint32_t count, bool has)
{
	for (uint32_t i = slot; i < slot + count; i++)
		set_bit(sm, c, i, has);
}

/* MI3 */
static void void_copies(struct store_mirror *sm, uint32_t slot, uint32_t count)
{
	for (unsigned i = 0; i < COPIES; i++) {
		struct copy *cp = &sm->copy[i];

		if (cp->is_active && slot < cp->slot + cp->count &&
		    cp->slot < slot + count)
			cp->is_void = true;
	}
}

/* The child came back without what it had, but for what is on its way to it. */
static void forget_lost(struct store_mirror *sm, unsigned c)
{
	const struct store_mirror_child *child = &sm->child[c];

	for (uint32_t slot = 0; slot < sm->base.slot_count; slot++)
		if (bitmap_test(sm->has[c], slot) &&
		    !child->has(child->store, slot))
			set_bit(sm, c, slot, false);
}

static void watch_epochs(struct store_mirror *sm)
{
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		uint64_t epoch = sm->child[c].epoch(sm->child[c].store);

		if (epoch == sm->epoch[c])
			continue;
		sm->epoch[c] = epoch;
		forget_lost(sm, c);
		void_copies(sm, 0, sm->base.slot_count);
	}
}

/* ---- parts and wholes */

static uint32_t take_part(struct store_mirror *sm, const struct part *like)
{
	uint32_t idx = sm->free_part;

	ASSERT(idx != NONE);
	sm->free_part = sm->part[idx].next;
	sm->free_parts--;
	sm->part[idx] = *like;
	return idx;
}

static void put_part(struct store_mirror *sm, uint32_t idx)
{
	sm->part[idx] = (struct part){ .next = sm->free_part };
	sm->free_part = idx;
	sm->free_parts++;
}

static void end_part(struct store_mirror *sm, uint32_t owner, int result)
{
	struct whole *w = &sm->whole[owner];

	if (result != 0)
		w->result = result;
	if (--w->parts != 0)
		return;
	w->next = NONE;
	if (sm->ended.head == NONE)
		sm->ended.head = owner;
	else
		sm->whole[sm->ended.tail].next = owner;
	sm->ended.tail = owner;
}

/* Give a part to its child.  0, or -EAGAIN. */
static int submit_part(struct store_mirror *sm, uint32_t idx)
{
	const struct part *p = &sm->part[idx];
	const struct swap_io io = {
		.cookie = idx,
		.buffer = p->at,
		.slot = p->slot,
		.slot_count = p->count,
		.is_write = p->kind == PART_WRITE ||
			    p->kind == PART_COPY_WRITE,
	};

	return swapstore_submit(sm->child[p->child].store, &io);
}

/* ---- reads */

static void hold(struct store_mirror *sm, uint32_t idx)
{
	sm->part[idx].next = NONE;
	if (sm->held.head == NONE)
		sm->held.head = idx;
	else
		sm->part[sm->held.tail].next = idx;
	sm->held.tail = idx;
	sm->held_count++;
}

/* Whom to ask for the slot: one that has it and is up, else one that has it;
 * -1: it is lost. */
static int choose_child(const struct store_mirror *sm, uint32_t slot)
{
	int found = -1;

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		if (!bitmap_test(sm->has[c], slot))
			continue;
		if (is_up(sm, c))
			return (int)c;
		found = (int)c;
	}
	return found;
}

/* How many slots of the part go to the same child as its first. */
static uint32_t run_length(const struct store_mirror *sm,
			   const struct part *p, int child)
{
	uint32_t n = 1;

	while (n < p->count && choose_child(sm, p->slot + n) == child)
		n++;
	return n;
}

/* Cut what is left of a read after `n` slots off as a part of its own. */
static bool split(struct store_mirror *sm, uint32_t idx, uint32_t n)
{
	struct part *p = &sm->part[idx], rest = *p;

	if (n == p->count)
		return true;
	if (sm->free_parts == 0)
		return false;
	rest.slot += n;
	rest.count -= n;
	rest.at += (size_t)n * SWAP_SLOT_BYTES;
	p->count = n;
	sm->whole[p->owner].parts++;
	hold(sm, take_part(sm, &rest));
	return true;
}

/* Start a held read, or a part of it.  False: it must wait. */
static bool start_read(struct store_mirror *sm, uint32_t idx)
{
	struct part *p = &sm->part[idx];
	int child = choose_child(sm, p->slot);

	if (child >= 0 && !is_up(sm, (unsigned)child))
		return false;
	if (!split(sm, idx, run_length(sm, p, child)))
		return false;
	if (child < 0) {
		uint32_t owner = p->owner;

		put_part(sm, idx);
		end_part(sm, owner, -EIO);	/* MI2 */
		return true;
	}
	p->child = (uint8_t)child;
	return submit_part(sm, idx) == 0;
}

static void start_held(struct store_mirror *sm)
{
	for (uint32_t left = sm->held_count; left != 0; left--) {
		uint32_t idx = sm->held.head;

		sm->held.head = sm->part[idx].next;
		sm->held_count--;
		if (!start_read(sm, idx))
			hold(sm, idx);
	}
}

static void read_ended(struct store_mirror *sm, uint32_t idx, int result)
{
	struct part *p = &sm->part[idx];
	uint32_t owner = p->owner;

	if (result == 0) {
		put_part(sm, idx);
		end_part(sm, owner, 0);
		return;
	}
	/* It said that it does not have it; another may. */
	if (result != -ENOTCONN)
		set_has(sm, p->child, p->slot, p->count, false);
	hold(sm, idx);
}

/* ---- writes */

/* Those that are up; when none is, all: they keep it for later. */
static unsigned choose_writers(const struct store_mirror *sm)
{
	unsigned mask = 0;

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		mask |= is_up(sm, c) ? BIT(c) : 0;
	return mask != 0 ? mask : BIT(STORE_MIRROR_CHILDREN) - 1;
}

static bool give(struct store_mirror *sm, uint32_t owner, unsigned c)
{
	struct whole *w = &sm->whole[owner];
	const struct part like = {
		.kind = PART_WRITE, .owner = owner, .slot = w->io.slot,
		.count = w->io.slot_count, .at = w->io.buffer,
		.child = (uint8_t)c,
	};
	uint32_t idx = take_part(sm, &like);

	if (submit_part(sm, idx) != 0) {
		put_part(sm, idx);
		sm->slow = c;
		return false;
	}
	w->parts++;
	return true;
}

/* The slower one is asked first, and waited for.  Where the other one then has
 * no room, against expectation, it is given a copy later. */
static int submit_write(struct store_mirror *sm, uint32_t owner)
{
	const struct swap_io *io = &sm->whole[owner].io;
	unsigned mask = choose_writers(sm), taken = 0;
	unsigned order[STORE_MIRROR_CHILDREN] = { sm->slow, 1 - sm->slow };

	for (unsigned i = 0; i < STORE_MIRROR_CHILDREN; i++) {
		unsigned c = order[i];

		if ((mask & BIT(c)) == 0)
			continue;
		if (give(sm, owner, c))
			taken |= BIT(c);
		else if (taken == 0)
			return -EAGAIN;
	}
	void_copies(sm, io->slot, io->slot_count);
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		set_has(sm, c, io->slot, io->slot_count,
			(taken & BIT(c)) != 0);
	return 0;
}

/* ---- copies */

static bool is_wanted(const struct store_mirror *sm, unsigned to,
		      uint32_t slot)
{
	return !bitmap_test(sm->has[to], slot) &&
	       bitmap_test(sm->has[1 - to], slot);
}

/* Is there any in the word that begins at this slot? */
static bool is_word_wanted(const struct store_mirror *sm, unsigned to,
			   uint32_t slot)
{
	return (~sm->has[to][slot / 64] & sm->has[1 - to][slot / 64]) != 0;
}

static bool is_being_copied(const struct store_mirror *sm, uint32_t slot)
{
	for (unsigned i = 0; i < COPIES; i++)
		if (sm->copy[i].is_active && slot >= sm->copy[i].slot &&
		    slot < sm->copy[i].slot + sm->copy[i].count)
			return true;
	return false;
}

/* The first slot from `slot` on that is to be copied, or slot_count. */
static uint32_t next_wanted(const struct store_mirror *sm, unsigned to,
			    uint32_t slot)
{
	while (slot < sm->base.slot_count) {
		if (slot % 64 == 0 && !is_word_wanted(sm, to, slot))
			slot += 64;
		else if (is_wanted(sm, to, slot) && !is_being_copied(sm, slot))
			return slot;
		else
			slot++;
	}
	return sm->base.slot_count;
}

/* Find slots that child `to` should have: from the cursor on, and around. */
static bool find_work(struct store_mirror *sm, unsigned to, struct copy *cp)
{
	uint32_t slot = next_wanted(sm, to, sm->copy_cursor);

	if (slot == sm->base.slot_count)
		slot = next_wanted(sm, to, 0);
	sm->copy_cursor = slot;
	if (slot == sm->base.slot_count)
		return false;
	cp->slot = slot;
	cp->count = 0;
	while (slot < sm->base.slot_count && cp->count < COPY_SLOTS &&
	       is_wanted(sm, to, slot) && !is_being_copied(sm, slot)) {
		cp->count++;
		slot++;
	}
	return true;
}

static bool submit_copy(struct store_mirror *sm, uint32_t which,
			enum part_kind kind)
{
	struct copy *cp = &sm->copy[which];
	const struct part like = {
		.kind = kind, .owner = which, .slot = cp->slot,
		.count = cp->count, .at = cp->bytes,
		.child = kind == PART_COPY_READ ? (uint8_t)(1 - cp->to) :
						  cp->to,
	};
	uint32_t idx;

	if (sm->free_parts < PARTS / 2)
		return false;
	idx = take_part(sm, &like);
	if (submit_part(sm, idx) == 0)
		return true;
	put_part(sm, idx);
	return false;
}

static bool start_copy(struct store_mirror *sm, uint32_t which, unsigned to)
{
	struct copy *cp = &sm->copy[which];

	if (!find_work(sm, to, cp))
		return false;
	cp->to = (uint8_t)to;
	cp->is_active = submit_copy(sm, which, PART_COPY_READ);
	return cp->is_active;
}

/* Are there slots for `to` besides those that are on their way? */
static bool has_work(const struct store_mirror *sm, unsigned to)
{
	uint64_t on_the_way = 0;

	for (unsigned i = 0; i < COPIES; i++)
		if (sm->copy[i].is_active)
			on_the_way += sm->copy[i].count;
	return sm->missing[to] > on_the_way;
}

static void start_copies(struct store_mirror *sm)
{
	if (!is_up(sm, 0) || !is_up(sm, 1))
		return;
	for (uint32_t i = 0; i < COPIES; i++)
		for (unsigned to = 0; to < STORE_MIRROR_CHILDREN; to++)
			if (!sm->copy[i].is_active && has_work(sm, to))
				(void)start_copy(sm, i, to);
}

static void copy_ended(struct store_mirror *sm, uint32_t idx, int result)
{
	struct part p = sm->part[idx];
	struct copy *cp = &sm->copy[p.owner];

	put_part(sm, idx);
	if (result != 0 && result != -ENOTCONN && p.kind == PART_COPY_READ)
		set_has(sm, p.child, p.slot, p.count, false);
	if (result == 0 && p.kind == PART_COPY_READ && !cp->is_void &&
	    submit_copy(sm, p.owner, PART_COPY_WRITE)) {
		/* MI3: what is written after this goes out after it. */
		set_has(sm, cp->to, cp->slot, cp->count, true);
		sm->copied_slots += cp->count;
		return;
	}
	/* What was void, or found no room, is found again. */
	cp->is_active = cp->is_void = false;
}

/* ---- the ops */

static int mirror_submit(struct swapstore *st, const struct swap_io *io)
{
	struct store_mirror *sm = mirror_of(st);
	uint32_t owner = sm->free_whole;
	struct whole *w;
	int err = 0;

	watch_epochs(sm);
	if (owner == NONE || sm->free_parts < STORE_MIRROR_CHILDREN)
		return -EAGAIN;
	w = &sm->whole[owner];
	sm->free_whole = w->next;
	*w = (struct whole){ .io = *io, .next = NONE };
	if (io->is_write) {
		err = submit_write(sm, owner);
	} else {
		const struct part like = {
			.kind = PART_READ, .owner = owner, .slot = io->slot,
			.count = io->slot_count, .at = io->buffer,
		};

		w->parts = 1;
		hold(sm, take_part(sm, &like));
		start_held(sm);
	}
	if (err != 0) {
		w->next = sm->free_whole;
		sm->free_whole = owner;
	}
	return err;
}

static int mirror_flush(struct swapstore *st)
{
	struct store_mirror *sm = mirror_of(st);
	int err = 0;

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		int one = swapstore_flush(sm->child[c].store);

		err = err != 0 ? err : one;
	}
	return err;
}

static void part_ended(struct store_mirror *sm, const struct swap_done *done)
{
	uint32_t idx = (uint32_t)done->cookie;
	struct part *p = &sm->part[idx];

	switch (p->kind) {
	case PART_READ:
		read_ended(sm, idx, done->result);
		break;
	case PART_WRITE: {
		uint32_t owner = p->owner;

		if (done->result != 0)
			set_has(sm, p->child, p->slot, p->count, false);
		put_part(sm, idx);
		end_part(sm, owner, 0);
		break;
	}
	default:
		ASSERT(p->kind != PART_FREE);
		copy_ended(sm, idx, done->result);
	}
}

static void reap_children(struct store_mirror *sm)
{
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		struct swap_done done[64];
		unsigned count = swapstore_reap(sm->child[c].store, done,
						ARRAY_SIZE(done));

		for (unsigned i = 0; i < count; i++)
			part_ended(sm, &done[i]);
	}
}

static unsigned mirror_reap(struct swapstore *st, struct swap_done *done,
			    unsigned max)
{
	struct store_mirror *sm = mirror_of(st);
	unsigned count = 0;

	reap_children(sm);
	watch_epochs(sm);
	start_held(sm);
	start_copies(sm);
	(void)mirror_flush(st);		/* the next one, if not this */
	while (count < max && sm->ended.head != NONE) {
		uint32_t owner = sm->ended.head;
		struct whole *w = &sm->whole[owner];

		sm->ended.head = w->next;
		done[count++] = (struct swap_done){
			.cookie = w->io.cookie,
			.result = w->result,
			.slot_count = (uint16_t)w->io.slot_count,
			.is_write = w->io.is_write,
		};
		w->next = sm->free_whole;
		sm->free_whole = owner;
	}
	return count;
}

static int mirror_event_fd(struct swapstore *st)
{
	return mirror_of(st)->epoll_fd;
}

static void mirror_discard(struct swapstore *st, uint32_t slot, uint32_t count)
{
	struct store_mirror *sm = mirror_of(st);

	void_copies(sm, slot, count);
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		set_has(sm, c, slot, count, false);
		swapstore_discard(sm->child[c].store, slot, count);
	}
}

static void free_bits(uint64_t *bits, uint32_t slot_count)
{
	if (bits != NULL)
		munmap(bits, BITMAP_WORDS((size_t)slot_count) * 8);
}

static void mirror_destroy(struct swapstore *st)
{
	struct store_mirror *sm = mirror_of(st);

	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		swapstore_destroy(sm->child[c].store);
		free_bits(sm->has[c], st->slot_count);
	}
	for (unsigned i = 0; i < COPIES; i++)
		free(sm->copy[i].bytes);
	if (sm->epoll_fd >= 0)
		close(sm->epoll_fd);
	free(sm->part);
	free(sm->whole);
	free(sm);
}

static const struct swapstore_ops mirror_ops = {
	.name = "mirror",
	.submit = mirror_submit,
	.flush = mirror_flush,
	.reap = mirror_reap,
	.event_fd = mirror_event_fd,
	.discard = mirror_discard,
	.destroy = mirror_destroy,
};

/* ---- making it */

static int make_bits(uint32_t slot_count, uint64_t **ret_bits)
{
	void *at = mmap(NULL, BITMAP_WORDS((size_t)slot_count) * 8,
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -ENOMEM;
	*ret_bits = at;
	return 0;
}

static int make_tables(struct store_mirror *sm)
{
	sm->part = calloc(PARTS, sizeof(*sm->part));
	sm->whole = calloc(WHOLES, sizeof(*sm->whole));
	if (sm->part == NULL || sm->whole == NULL)
		return -ENOMEM;
	sm->free_part = sm->free_whole = NONE;
	for (uint32_t i = PARTS; i-- > 0;)
		put_part(sm, i);
	for (uint32_t i = WHOLES; i-- > 0;) {
		sm->whole[i].next = sm->free_whole;
		sm->free_whole = i;
	}
	for (unsigned i = 0; i < COPIES; i++) {
		sm->copy[i].bytes = aligned_alloc(
			SWAP_SLOT_BYTES, COPY_SLOTS * SWAP_SLOT_BYTES);
		if (sm->copy[i].bytes == NULL)
			return -ENOMEM;
	}
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		if (make_bits(sm->base.slot_count, &sm->has[c]) != 0)
			return -ENOMEM;
	return 0;
}

static int watch_children(struct store_mirror *sm)
{
	sm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sm->epoll_fd < 0)
		return -errno;
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		struct epoll_event event = { .events = EPOLLIN };
		int fd = swapstore_event_fd(sm->child[c].store);

		if (fd >= 0 && epoll_ctl(sm->epoll_fd, EPOLL_CTL_ADD, fd,
					 &event) != 0)
			return -errno;
	}
	return 0;
}

int store_mirror_create(const struct store_mirror_child
				child[STORE_MIRROR_CHILDREN],
			struct swapstore **ret_store)
{
	struct store_mirror *sm;
	int err;

	if (child[0].store->slot_count != child[1].store->slot_count)
		return -EINVAL;
	sm = calloc(1, sizeof(*sm));
	if (sm == NULL)
		return -ENOMEM;
	sm->base.ops = &mirror_ops;
	sm->base.slot_count = child[0].store->slot_count;
	sm->ended.head = sm->held.head = NONE;
	sm->epoll_fd = -1;
	memcpy(sm->child, child, sizeof(sm->child));
	err = make_tables(sm);
	if (err == 0)
		err = watch_children(sm);
	if (err != 0) {
		/* They are the caller's still. */
		memset(sm->child, 0, sizeof(sm->child));
		mirror_destroy(&sm->base);
		return err;
	}
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		sm->epoch[c] = child[c].epoch(child[c].store);
	*ret_store = &sm->base;
	return 0;
}

/* ---- looking in */

bool store_is_mirror(const struct swapstore *st)
{
	return st->ops == &mirror_ops;
}

struct swapstore *store_mirror_child(const struct swapstore *st, unsigned c)
{
	ASSERT(store_is_mirror(st) && c < STORE_MIRROR_CHILDREN);
	return ((const struct store_mirror *)st)->child[c].store;
}

void store_mirror_status_get(const struct swapstore *st,
			     struct store_mirror_status *ret_status)
{
	const struct store_mirror *sm = (const struct store_mirror *)st;

	ASSERT(store_is_mirror(st));
	*ret_status = (struct store_mirror_status){
		.copied_slots = sm->copied_slots,
		.waiting = sm->held_count,
	};
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++) {
		ret_status->is_up[c] = is_up(sm, c);
		ret_status->slots[c] = sm->slots[c];
	}
	for (size_t i = 0; i < BITMAP_WORDS((size_t)st->slot_count); i++)
		ret_status->slot_count += (uint64_t)__builtin_popcountll(
			sm->has[0][i] | sm->has[1][i]);
}
