/* SPDX-License-Identifier: MIT */
/* What is to happen to the Nth request is settled when it is submitted, from
 * the seed and N alone, so a run can be repeated whatever the timing of the
 * store below.  Each trick is played by asking the inner store for something
 * else: a write that must not happen becomes a read of the same slots into
 * memory nobody looks at, and so takes a request's time all the same. */
#include "tests/store/store_fault.h"

#include "common/bitmap.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

enum { FAULT_QUEUE_DEPTH = 1024, FAULT_RATE_MAX = 65536, SECTOR_BYTES = 512 };

enum trick {
	TRICK_NONE,
	TRICK_READ_ERROR,
	TRICK_WRITE_ERROR,
	TRICK_NO_SPACE,
	TRICK_TORN,
	TRICK_SHORT,
	TRICK_CORRUPT,
	TRICK_MISDIRECT,
	TRICK_LOST_WRITE,
	TRICK_FORGET,
};

struct request {
	struct swap_io io;	/* as the owner gave it */
	enum trick trick;
	uint64_t random;	/* for the details of the trick */
	void *scratch;		/* instead of the owner's buffer; or NULL */
	bool is_second;		/* torn: only the cut write is left */
	int result;
	uint64_t delay;		/* reap() calls to be held for */
	uint64_t due;		/* the reap() call that may deliver it */
	TAILQ_ENTRY(request) link;
};

TAILQ_HEAD(request_list, request);

/* A request is free, or with the inner store, or torn (it waits until the inner
 * store takes its cut write), or held:
 *
 *   free + inner->in_flight + torn + held == FAULT_QUEUE_DEPTH */
struct store_fault {
	struct swapstore base;
	struct swapstore *inner;	/* owned */
	struct store_fault_plan plan;
	struct request requests[FAULT_QUEUE_DEPTH];
	struct request_list free, torn, held;
	uint64_t submit_count, reap_count, trick_count;
	uint64_t *lost;		/* owned; a bit a slot */
	bool wants_flush;	/* a second write waits in the inner store */
	int held_fd;		/* eventfd, readable iff held is not empty */
	int epoll_fd;		/* of both; -1 until somebody asks */
	bool is_signalled;
};

static const struct {
	enum trick trick;
	size_t rate_offset;
	bool of_reads, of_writes;
} trick_table[] = {
#define RATE(field) offsetof(struct store_fault_plan, field)
	{ TRICK_READ_ERROR, RATE(read_error_rate), true, false },
	{ TRICK_WRITE_ERROR, RATE(write_error_rate), false, true },
	{ TRICK_NO_SPACE, RATE(no_space_rate), false, true },
	{ TRICK_TORN, RATE(torn_rate), false, true },
	{ TRICK_SHORT, RATE(short_rate), true, true },
	{ TRICK_CORRUPT, RATE(corrupt_rate), true, false },
	{ TRICK_MISDIRECT, RATE(misdirect_rate), true, false },
	{ TRICK_LOST_WRITE, RATE(lost_write_rate), false, true },
	{ TRICK_FORGET, RATE(forget_rate), true, false },
#undef RATE
};

static uint32_t rate_of(const struct store_fault_plan *plan, size_t row)
{
	uint32_t rate;

	memcpy(&rate, (const char *)plan + trick_table[row].rate_offset,
	       sizeof(rate));
	return rate;
}

/* splitmix64: any state is a good one. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t io_bytes(const struct swap_io *io)
{
	return (size_t)io->slot_count * SWAP_SLOT_BYTES;
}

/* How many other places a run of this length has in the store. */
static uint32_t other_places(const struct store_fault *sf,
			     const struct swap_io *io)
{
	return sf->base.slot_count - io->slot_count;
}

/* One draw for each row, whether it may apply or not, so that changing one
 * rate leaves the others' luck alone. */
static void plan_request(const struct store_fault *sf, struct request *rq)
{
	uint64_t number = sf->submit_count + 1, state = number;
	bool is_write = rq->io.is_write;

	state = sf->plan.seed ^ next_random(&state);
	for (size_t row = 0; row < ARRAY_SIZE(trick_table); row++) {
		uint32_t luck = (uint32_t)(next_random(&state) %
					   FAULT_RATE_MAX);
		bool applies = is_write ? trick_table[row].of_writes :
					  trick_table[row].of_reads;

		if (applies && rq->trick == TRICK_NONE &&
		    luck < rate_of(&sf->plan, row))
			rq->trick = trick_table[row].trick;
	}
	rq->delay = next_random(&state) % (UINT64_C(1) + sf->plan.delay_max);
	rq->random = next_random(&state);
	if (number == sf->plan.fail_at)
		rq->trick = is_write ? TRICK_WRITE_ERROR : TRICK_READ_ERROR;
	if (rq->trick == TRICK_MISDIRECT && other_places(sf, &rq->io) == 0)
		rq->trick = TRICK_NONE;
}

static bool needs_scratch(const struct request *rq)
{
	switch (rq->trick) {
	case TRICK_WRITE_ERROR:
	case TRICK_NO_SPACE:
	case TRICK_LOST_WRITE:
	case TRICK_TORN:
		return true;
	case TRICK_SHORT:
		return !rq->io.is_write || rq->io.slot_count == 1;
	default:
		return false;
	}
}

/* What the inner store is asked for in place of rq->io. */
static struct swap_io inner_io(const struct store_fault *sf,
			       const struct request *rq)
{
	struct swap_io io = rq->io;

	io.cookie = (uint64_t)(rq - sf->requests);
	if (rq->scratch != NULL) {
		io.buffer = rq->scratch;
		io.is_write = false;
	} else if (rq->trick == TRICK_SHORT) {
		io.slot_count /= 2;
	} else if (rq->trick == TRICK_MISDIRECT) {
		uint32_t places = other_places(sf, &rq->io);
		uint32_t slot = (uint32_t)(rq->random % places);

		io.slot = slot < rq->io.slot ? slot : slot + 1;
	}
	return io;
}

static int fault_submit(struct swapstore *st, const struct swap_io *io)
{
	struct store_fault *sf = (struct store_fault *)st;
	struct request *rq = TAILQ_FIRST(&sf->free);
	struct swap_io inner;
	int err;

	if (rq == NULL)
		return -EAGAIN;
	TAILQ_REMOVE(&sf->free, rq, link);
	*rq = (struct request){ .io = *io };
	plan_request(sf, rq);
	if (needs_scratch(rq)) {
		rq->scratch = aligned_alloc(SWAP_SLOT_BYTES, io_bytes(io));
		if (rq->scratch == NULL)
			rq->trick = TRICK_NONE;
	}
	inner = inner_io(sf, rq);
	err = swapstore_submit(sf->inner, &inner);
	if (err != 0) {
		free(rq->scratch);
		rq->scratch = NULL;
		TAILQ_INSERT_HEAD(&sf->free, rq, link);
		return err;
	}
	sf->submit_count++;
	sf->trick_count += rq->trick != TRICK_NONE;
	if (io->is_write)
		bitmap_clear_run(sf->lost, io->slot, io->slot_count);
	else if (rq->trick == TRICK_FORGET)
		bitmap_set(sf->lost, io->slot +
			   (uint32_t)(rq->random % io->slot_count));
	return 0;
}

static int fault_flush(struct swapstore *st)
{
	struct store_fault *sf = (struct store_fault *)st;
	int err = swapstore_flush(sf->inner);

	if (err == 0)
		sf->wants_flush = false;
	return err;
}

static void scribble(const struct request *rq)
{
	uint64_t *word = rq->io.buffer, state = rq->random;

	for (size_t i = 0; i < io_bytes(&rq->io) / sizeof(*word); i++)
		word[i] = next_random(&state);
}

static void flip_bit(const struct request *rq)
{
	size_t bit = (size_t)(rq->random % (io_bytes(&rq->io) * 8));

	((unsigned char *)rq->io.buffer)[bit / 8] ^=
		(unsigned char)(1 << bit % 8);
}

/* Write what is cut, as far as the inner store takes it.  (It has room for
 * other writes than for the reads that came before these.) */
static void submit_torn(struct store_fault *sf)
{
	struct request *rq;

	while ((rq = TAILQ_FIRST(&sf->torn)) != NULL) {
		struct swap_io io = rq->io;

		io.cookie = (uint64_t)(rq - sf->requests);
		io.buffer = rq->scratch;
		if (swapstore_submit(sf->inner, &io) != 0)
			return;
		TAILQ_REMOVE(&sf->torn, rq, link);
		sf->wants_flush = true;
	}
}

/* The slots' old bytes are in scratch: put the head of the new ones over
 * them. */
static void tear(struct store_fault *sf, struct request *rq)
{
	size_t sectors = io_bytes(&rq->io) / SECTOR_BYTES;
	size_t cut = 1 + (size_t)(rq->random % (sectors - 1));

	memcpy(rq->scratch, rq->io.buffer, cut * SECTOR_BYTES);
	rq->is_second = true;
	TAILQ_INSERT_TAIL(&sf->torn, rq, link);
}

/* The inner store has done its part well: now the trick.  Returns the result
 * the owner sees. */
static int play_trick(const struct request *rq)
{
	switch (rq->trick) {
	case TRICK_NONE:
	case TRICK_MISDIRECT:
	case TRICK_LOST_WRITE:
		return 0;
	case TRICK_CORRUPT:
		flip_bit(rq);
		return 0;
	case TRICK_READ_ERROR:
		scribble(rq);
		return -EIO;
	case TRICK_SHORT:
		if (!rq->io.is_write)
			memcpy(rq->io.buffer, rq->scratch,
			       io_bytes(&rq->io) / 2);
		return -EIO;
	case TRICK_NO_SPACE:
		return -ENOSPC;
	case TRICK_FORGET:	/* has_lost() sees to it */
		return 0;
	case TRICK_WRITE_ERROR:
	case TRICK_TORN:
		break;
	}
	return -EIO;
}

static bool has_lost(const struct store_fault *sf, const struct swap_io *io)
{
	for (uint32_t i = 0; i < io->slot_count; i++)
		if (bitmap_test(sf->lost, io->slot + i))
			return true;
	return false;
}

static void finish_request(struct store_fault *sf, const struct swap_done *done)
{
	struct request *rq = &sf->requests[done->cookie];

	if (rq->trick == TRICK_TORN && !rq->is_second && done->result == 0) {
		tear(sf, rq);
		return;
	}
	rq->result = done->result != 0 ? done->result : play_trick(rq);
	if (rq->result == 0 && !rq->io.is_write && has_lost(sf, &rq->io)) {
		scribble(rq);
		rq->result = -SWAP_ELOST;
	}
	free(rq->scratch);
	rq->scratch = NULL;
	rq->due = sf->reap_count + rq->delay;
	TAILQ_INSERT_TAIL(&sf->held, rq, link);
}

static void reap_inner(struct store_fault *sf)
{
	struct swap_done done[32];
	unsigned count;

	do {
		submit_torn(sf);
		if (sf->wants_flush)
			(void)fault_flush(&sf->base);
		count = swapstore_reap(sf->inner, done, ARRAY_SIZE(done));
		for (unsigned i = 0; i < count; i++)
			finish_request(sf, &done[i]);
	} while (count > 0);
}

static void signal_held(struct store_fault *sf)
{
	bool wanted = !TAILQ_EMPTY(&sf->held);
	eventfd_t ignored;

	if (sf->epoll_fd < 0 || wanted == sf->is_signalled)
		return;
	sf->is_signalled = wanted;
	if (wanted)
		(void)eventfd_write(sf->held_fd, 1);
	else
		(void)eventfd_read(sf->held_fd, &ignored);
}

static unsigned fault_reap(struct swapstore *st, struct swap_done *done,
			   unsigned max)
{
	struct store_fault *sf = (struct store_fault *)st;
	struct request *rq, *next;
	unsigned count = 0;

	sf->reap_count++;
	reap_inner(sf);
	for (rq = TAILQ_FIRST(&sf->held); rq != NULL && count < max;
	     rq = next) {
		next = TAILQ_NEXT(rq, link);
		if (rq->due > sf->reap_count)
			continue;
		TAILQ_REMOVE(&sf->held, rq, link);
		TAILQ_INSERT_HEAD(&sf->free, rq, link);
		done[count++] = swap_io_done(&rq->io, rq->result);
	}
	signal_held(sf);
	return count;
}

static int open_event_fds(struct store_fault *sf)
{
	struct epoll_event readable = { .events = EPOLLIN };
	int inner_fd = swapstore_event_fd(sf->inner);

	if (inner_fd < 0)
		return -1;
	sf->held_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sf->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sf->held_fd < 0 || sf->epoll_fd < 0 ||
	    epoll_ctl(sf->epoll_fd, EPOLL_CTL_ADD, inner_fd, &readable) != 0 ||
	    epoll_ctl(sf->epoll_fd, EPOLL_CTL_ADD, sf->held_fd, &readable) != 0)
		return -1;
	signal_held(sf);
	return 0;
}

static void close_event_fds(struct store_fault *sf)
{
	if (sf->epoll_fd >= 0)
		close(sf->epoll_fd);
	if (sf->held_fd >= 0)
		close(sf->held_fd);
	sf->epoll_fd = sf->held_fd = -1;
}

static int fault_event_fd(struct swapstore *st)
{
	struct store_fault *sf = (struct store_fault *)st;

	if (sf->epoll_fd < 0 && open_event_fds(sf) != 0)
		close_event_fds(sf);
	return sf->epoll_fd;
}

static void fault_discard(struct swapstore *st, uint32_t slot, uint32_t count)
{
	struct store_fault *sf = (struct store_fault *)st;

	bitmap_clear_run(sf->lost, slot, count);
	swapstore_discard(sf->inner, slot, count);
}

static bool fault_has_lost(const struct swapstore *st, uint32_t slot)
{
	const struct store_fault *sf = (const struct store_fault *)st;

	return bitmap_test(sf->lost, slot) ||
	       swapstore_has_lost(sf->inner, slot);
}

static void fault_destroy(struct swapstore *st)
{
	struct store_fault *sf = (struct store_fault *)st;

	/* First: it may still be moving bytes into scratch memory. */
	swapstore_destroy(sf->inner);
	close_event_fds(sf);
	for (size_t i = 0; i < FAULT_QUEUE_DEPTH; i++)
		free(sf->requests[i].scratch);
	free(sf->lost);
	free(sf);
}

static const struct swapstore_ops fault_ops = {
	.name = "fault",
	.submit = fault_submit,
	.flush = fault_flush,
	.reap = fault_reap,
	.event_fd = fault_event_fd,
	.discard = fault_discard,
	.has_lost = fault_has_lost,
	.destroy = fault_destroy,
};

uint64_t store_fault_count(const struct swapstore *st)
{
	ASSERT(st->ops == &fault_ops);
	return ((const struct store_fault *)st)->trick_count;
}

int store_fault_create(struct swapstore *inner,
		       const struct store_fault_plan *plan,
		       struct swapstore **ret_store)
{
	struct store_fault *sf;

	for (size_t row = 0; row < ARRAY_SIZE(trick_table); row++)
		if (rate_of(plan, row) > FAULT_RATE_MAX)
			return -EINVAL;
	sf = calloc(1, sizeof(*sf));
	if (sf == NULL)
		return -ENOMEM;
	sf->lost = calloc(BITMAP_WORDS((size_t)inner->slot_count),
			  sizeof(*sf->lost));
	if (sf->lost == NULL) {
		free(sf);
		return -ENOMEM;
	}
	sf->base.ops = &fault_ops;
	sf->base.slot_count = inner->slot_count;
	sf->base.queue_depth = FAULT_QUEUE_DEPTH;
	sf->inner = inner;
	sf->plan = *plan;
	sf->held_fd = sf->epoll_fd = -1;
	TAILQ_INIT(&sf->free);
	TAILQ_INIT(&sf->torn);
	TAILQ_INIT(&sf->held);
	for (size_t i = 0; i < FAULT_QUEUE_DEPTH; i++)
		TAILQ_INSERT_TAIL(&sf->free, &sf->requests[i], link);
	*ret_store = &sf->base;
	return 0;
}
