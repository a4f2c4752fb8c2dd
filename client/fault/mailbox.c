/* SPDX-License-Identifier: MIT */
/* The client's side of the mailbox: see mailbox.h here and, for M1-M5,
 * proto/mailbox.h.
 *
 * X1  A thread counts itself in `users` before it reads the generation, and
 *     out after its last look at shared memory; another mailbox is mapped, and
 *     the last one unmapped, only while there is no session's and nobody is in
 *     it.  So a cell is never one of another session.
 * X2  Nobody waits for a cell (-EAGAIN), and for an answer only until the
 *     deadline or the session's end.  A cell left unanswered is LEFT: the
 *     daemon frees it, or it goes with the session.
 * X3  A segment's number is read after the generation and the region's state:
 *     it belongs to that session, or the session ends and no answer comes.  An
 *     answer is copied out before it is looked at, and is only a hint: a wrong
 *     one makes CONTINUE fail, and maps no wrong bytes.  Errors are not
 *     believed: the library's thread asks again and decides.
 * X4  The thread that takes daemon_sleeps from 1 to 0 owes the daemon a ring.
 *     If it cannot ring, it stores the 1 again.  If it waits for an answer, it
 *     then asks the library's thread.
 * X5  Others that saw the 0 meanwhile have relied on it.  So each time that the
 *     library's thread is awake it looks: if something is asked, and the daemon
 *     sleeps, it rings.
 * X6  Who owes a ring may be stopped, or ask nobody as it only had something to
 *     tell.  So whoever was not even seen for NAP_MS rings once. */
#include "client/fault/mailbox.h"
#include "client/fault/cell.h"
#include "client/link/futex.h"
#include "common/clock.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SPIN_NS = 100000,	/* a disk read and its answer */
	LOOKS = 64,		/* between two looks at the clock */
	SWITCH_NS = 800,	/* less than it takes to let another one run */
	FUTILE_MAX = 3,		/* times that nobody else ran */
	NAP_MS = 50,		/* between two looks at what no futex tells */
};

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* ---- cells */

/* Threads start at different cells, which are likely to be in their cache. */
static size_t first_cell(void)
{
	uint64_t hash = (uint64_t)(uintptr_t)&errno *
			UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 32);
}

static struct box_scratch *scratch_of(struct box *b,
				      const struct mailbox_cell *cell)
{
	return &b->scratch[cell - b->shared->cell];
}

/* Before it is handed over. */
static void note_asked(struct box *b, struct mailbox_cell *cell,
		       bool is_library, const struct region *r, uint64_t page)
{
	struct box_scratch *own = scratch_of(b, cell);

	atomic_store_explicit(&cell->is_library, is_library,
			      memory_order_relaxed);
	atomic_store_explicit(&own->region, r, memory_order_relaxed);
	atomic_store_explicit(&own->page, page, memory_order_relaxed);
	atomic_store_explicit(&own->is_coming, 0, memory_order_relaxed);
}

/* Written only when it is another one: the engine looks at it. */
static void note_cpu(struct box_scratch *own)
{
	uint32_t cpu = (uint32_t)sched_getcpu() + 1;

	if (atomic_load_explicit(&own->cpu, memory_order_relaxed) != cpu)
		atomic_store_explicit(&own->cpu, cpu, memory_order_relaxed);
}

/* ---- asking and waiting, any thread */

static bool ring(struct box *b, uint64_t generation)
{
	if (bell_ring(b->bell, generation))
		return true;
	atomic_store(&b->shared->daemon_sleeps, 1);
	return false;
}

/* Does the daemon need this processor?  Yielding it is not enough: who has spun
 * has had more than his share, and the scheduler makes up for that later. */
bool box_is_in_the_way(const struct box *b)
{
	uint32_t cpu = atomic_load_explicit(&b->shared->daemon_cpu,
					    memory_order_relaxed);

	return cpu != 0 && cpu == (uint32_t)sched_getcpu() + 1;
}

static bool is_answered(const struct mailbox_cell *cell, unsigned looks)
{
	for (unsigned i = 0; i < looks; i++) {
		if (atomic_load(&cell->state) != CELL_ASKED)
			return true;
		relax();
	}
	return false;
}

/* Let others run.  Returns whether somebody did. */
static bool yield_cpu(uint64_t *now_ns)
{
	uint64_t before_ns = clock_now_ns();

	syscall(SYS_sched_yield);
	*now_ns = clock_now_ns();
	return *now_ns - before_ns >= SWITCH_NS;
}

/* Look for the answer before sleeping, because waking up costs about as much as
 * a read from a fast disk: only while nobody else waits for an answer here, and
 * letting others run between two looks.  One of these may be what the answer
 * needs (in tests and on small machines the other host's memd, too), so as long
 * as they do run they have it nearly all.  Where it is
 * the daemon, only as long.  When the answer is coming, the processor is kept:
 * to get it back would take longer.  Only an engine in here tells that; who ran
 * until then is let run at once the next time. */
static void spin(struct box *b, const struct mailbox_cell *cell)
{
	struct box_scratch *own = scratch_of(b, cell);
	uint64_t now_ns = clock_now_ns(), until_ns = now_ns + SPIN_NS;
	bool has_company = own->had_company;
	unsigned futile = 0;

	own->had_company = false;
	do {
		bool is_in_way = box_is_in_the_way(b);

		note_cpu(own);
		if (is_answered(cell, is_in_way || has_company ? 1 : LOOKS) ||
		    atomic_load(&b->asking) > 1)
			return;
		if (!is_in_way &&
		    atomic_load_explicit(&own->is_coming,
					 memory_order_relaxed) != 0) {
			own->had_company = has_company;
			now_ns = clock_now_ns();
			continue;
		}
		has_company = yield_cpu(&now_ns);
		if (is_in_way && !has_company)
			futile++;
	} while (now_ns < until_ns && futile < FUTILE_MAX);
}

/* Has the daemon not taken notice of these cells?  It sleeps on them only if
 * somebody could not ring. */
static bool is_unseen(struct box *b, uint64_t cells)
{
	if ((atomic_load(&b->shared->asked) & cells) == 0)
		return false;
	if (atomic_exchange(&b->shared->daemon_sleeps, 0) != 0)
		atomic_fetch_add(&b->overslept, 1);
	return true;
}

static uint64_t bit_of(const struct box *b, const struct mailbox_cell *cell)
{
	return UINT64_C(1) << (cell - b->shared->cell);
}

struct wait {
	uint64_t generation, deadline_ns;
	bool has_rung;
};

static void nap(struct box *b, struct mailbox_cell *cell, struct wait *w,
		uint64_t now_ns)
{
	uint64_t most_ns = NAP_MS * UINT64_C(1000000);
	bool is_whole = w->deadline_ns - now_ns >= most_ns;

	if (cell_sleep(cell, is_whole ? most_ns : w->deadline_ns - now_ns) ||
	    !is_whole || atomic_load(&b->generation) != w->generation)
		return;
	if (atomic_load(&cell->state) != CELL_ASKED) {
		atomic_fetch_add(&b->overslept, 1);
	} else if (!w->has_rung && is_unseen(b, bit_of(b, cell))) {
		w->has_rung = true;
		if (!ring(b, w->generation))
			w->deadline_ns = 0;
	}
}

/* X2, M3.  True when the cell is ANSWERED or MAPPED. */
static bool wait_for(struct box *b, struct mailbox_cell *cell, struct wait *w)
{
	uint32_t asked = CELL_ASKED;

	/* 0: the daemon does not know of it. */
	if (w->deadline_ns != 0)
		spin(b, cell);
	atomic_store(&cell->is_waiting, 1);
	while (atomic_load(&cell->state) == CELL_ASKED) {
		uint64_t now_ns = clock_now_ns();

		if (now_ns >= w->deadline_ns ||
		    atomic_load(&b->generation) != w->generation)
			break;
		nap(b, cell, w, now_ns);
	}
	atomic_store(&cell->is_waiting, 0);
	return !atomic_compare_exchange_strong(&cell->state, &asked,
					       CELL_LEFT);
}

static int read_answer(struct box *b, const struct mailbox_cell *cell,
		       uint32_t segment, uint64_t page,
		       struct box_answer *ret_answer)
{
	struct box_scratch *own = scratch_of(b, cell);
	struct wire_arena arena;
	struct wire_header h;
	Memd__FaultReply *reply;

	*ret_answer = (struct box_answer){
		.is_mapped = atomic_load(&cell->state) == CELL_MAPPED,
	};
	if (ret_answer->is_mapped)
		return 0;
	if (!cell_copy(cell, own->message, &h) ||
	    h.type != MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY)
		return -EIO;
	wire_arena_init(&arena, own->arena, sizeof(own->arena));
	reply = (void *)wire_unpack(&memd__fault_reply__descriptor, &arena,
				    own->message + WIRE_HEADER_BYTES,
				    h.body_bytes);
	if (reply == NULL || reply->segment != segment ||
	    reply->page != page || reply->error != 0)
		return -EIO;
	ret_answer->first = reply->first;
	ret_answer->count = reply->count;
	ret_answer->mark = reply->has_mark ? reply->mark : TOLD_NO_PAGE;
	return 0;
}

static int ask_in_cell(struct box *b, const struct region *r, uint64_t page,
		       bool is_write, uint64_t deadline_ns,
		       struct box_answer *ret_answer)
{
	struct wait w = { .generation = atomic_load(&b->generation),
			  .deadline_ns = deadline_ns };
	bool is_live = atomic_load(&r->state) == REGION_LIVE;
	uint32_t segment = atomic_load(&r->segment);
	Memd__Fault m = MEMD__FAULT__INIT;
	struct mailbox_cell *cell;
	int err = -EIO;

	if (w.generation == 0 || !is_live)
		return -EAGAIN;
	cell = cell_take(b->shared, first_cell());
	if (cell == NULL)
		return -EAGAIN;
	note_asked(b, cell, false, r, page);
	m.segment = segment;
	m.n_page = 1;
	m.page = &page;
	m.has_access = is_write;
	m.access = MEMD__ACCESS__ACCESS_WRITE;
	if (cell_fill(cell, MEMD__MESSAGE_TYPE__TYPE_FAULT, 1, &m.base) != 0)
		return -EAGAIN;
	w.has_rung = cell_hand_over(b->shared, cell);
	if (w.has_rung && !ring(b, w.generation))
		w.deadline_ns = 0;
	if (wait_for(b, cell, &w)) {
		err = read_answer(b, cell, segment, page, ret_answer);
		atomic_store(&cell->state, CELL_FREE);
	}
	return err;
}

int box_ask(struct box *b, const struct region *r, uint64_t page,
	    bool is_write, uint64_t deadline_ns,
	    struct box_answer *ret_answer)
{
	int err;

	atomic_fetch_add(&b->users, 1);
	atomic_fetch_add(&b->asking, 1);
	err = ask_in_cell(b, r, page, is_write, deadline_ns, ret_answer);
	atomic_fetch_sub(&b->asking, 1);
	atomic_fetch_sub(&b->users, 1);
	return err;
}

/* Written before the cell was ASKED, and not again before it is FREE. */
static const struct region *asked_in(struct box *b, unsigned idx,
				     uint64_t *ret_page)
{
	struct box_scratch *own = &b->scratch[idx];

	if (atomic_load(&b->generation) == 0 ||
	    atomic_load(&b->shared->cell[idx].state) != CELL_ASKED)
		return NULL;
	*ret_page = atomic_load_explicit(&own->page, memory_order_relaxed);
	return atomic_load_explicit(&own->region, memory_order_relaxed);
}

const struct region *box_asked(struct box *b, unsigned cell,
			       uint64_t *ret_page)
{
	const struct region *r;

	if (cell >= MAILBOX_CELLS)
		return NULL;
	atomic_fetch_add(&b->users, 1);
	r = asked_in(b, cell, ret_page);
	atomic_fetch_sub(&b->users, 1);
	return r;
}

void box_announce(struct box *b, unsigned cell)
{
	atomic_store_explicit(&b->scratch[cell].is_coming, 1,
			      memory_order_relaxed);
}

bool box_is_on_cpu(const struct box *b, unsigned cell, int cpu)
{
	return atomic_load_explicit(&b->scratch[cell].cpu,
				    memory_order_relaxed) == (uint32_t)cpu + 1;
}

static int tell_in_cell(struct box *b, const struct region *r, uint64_t page)
{
	uint64_t generation = atomic_load(&b->generation);
	Memd__Touched m = MEMD__TOUCHED__INIT;
	Memd__Range range = MEMD__RANGE__INIT, *ranges = &range;
	struct mailbox_cell *cell;

	if (generation == 0 || atomic_load(&r->state) != REGION_LIVE)
		return -EAGAIN;
	cell = cell_take(b->shared, first_cell());
	if (cell == NULL)
		return -EAGAIN;
	note_asked(b, cell, false, NULL, 0);
	m.segment = atomic_load(&r->segment);
	m.n_range = 1;
	m.range = &ranges;
	range.first = page;
	range.count = 1;
	if (cell_fill(cell, MEMD__MESSAGE_TYPE__TYPE_TOUCHED, 0, &m.base) != 0)
		return -EAGAIN;
	if (cell_hand_over(b->shared, cell))
		(void)ring(b, generation);
	return 0;
}

int box_tell_touched(struct box *b, const struct region *r, uint64_t page)
{
	int err;

	atomic_fetch_add(&b->users, 1);
	err = tell_in_cell(b, r, page);
	atomic_fetch_sub(&b->users, 1);
	return err;
}

/* ---- the library's thread */

void box_fini(struct box *b)
{
	if (b->shared != NULL)
		munmap(b->shared, sizeof(*b->shared));
	b->shared = NULL;
}

int box_open(struct box *b, int fd, uint64_t generation)
{
	struct mailbox *at;
	int err;

	if (atomic_load(&b->generation) != 0)
		return -EEXIST;
	if (atomic_load(&b->users) != 0)	/* X1 */
		return -EBUSY;
	err = cells_map(fd, &at);
	if (err != 0)
		return err;
	box_fini(b);
	b->shared = at;
	b->mine = 0;
	atomic_store(&b->generation, generation);
	return 0;
}

void box_close(struct box *b)
{
	if (atomic_exchange(&b->generation, 0) == 0)
		return;
	for (size_t i = 0; i < MAILBOX_CELLS; i++)
		syscall(SYS_futex, &b->shared->cell[i].state, FUTEX_WAKE,
			INT_MAX, NULL, NULL, 0);
	b->mine = 0;
}

int box_post(struct box *b, uint16_t type, uint64_t request_id,
	     const ProtobufCMessage *message, bool *ret_must_ring)
{
	struct mailbox_cell *cell;

	if (atomic_load(&b->generation) == 0)
		return -EAGAIN;
	cell = cell_take(b->shared, 0);
	if (cell == NULL)
		return -EAGAIN;
	note_asked(b, cell, true, NULL, 0);
	if (cell_fill(cell, type, request_id, message) != 0)
		return -EAGAIN;
	b->mine |= bit_of(b, cell);
	*ret_must_ring = cell_hand_over(b->shared, cell);
	return 0;
}

bool box_must_ring(struct box *b)
{
	return atomic_load(&b->generation) != 0 &&
	       atomic_load(&b->shared->asked) != 0 && cell_must_ring(b->shared);
}

static uint64_t answered(const struct box *b)
{
	return b->mine == 0 ? 0 : b->mine & atomic_load(&b->shared->answered);
}

bool box_next(struct box *b, uint8_t message[MAILBOX_FRAME_BYTES],
	      struct wire_header *ret_header)
{
	uint64_t there = answered(b);
	struct mailbox_cell *cell;
	bool is_message;

	if (there == 0)
		return false;
	cell = &b->shared->cell[__builtin_ctzll(there)];
	atomic_fetch_and(&b->shared->answered, ~bit_of(b, cell));
	b->mine &= ~bit_of(b, cell);
	is_message = atomic_load(&cell->state) == CELL_ANSWERED &&
		   cell_copy(cell, message, ret_header);
	if (!is_message)
		*ret_header = (struct wire_header){ 0 };
	atomic_store(&cell->state, CELL_FREE);
	return true;
}

bool box_is_worth_waiting(const struct box *b)
{
	/* Several wait: they are served by whoever comes first. */
	return b->mine != 0 && (b->mine & (b->mine - 1)) == 0;
}

bool box_look(const struct box *b)
{
	for (unsigned i = 0; i < LOOKS; i++) {
		if (answered(b) != 0)
			return true;
		relax();
	}
	return false;
}

int box_sleep(struct box *b)
{
	if (b->mine == 0)
		return -1;
	atomic_store(&b->shared->library_sleeps, 1);
	return answered(b) != 0 ? 0 : NAP_MS;
}

bool box_wake(struct box *b, bool is_overdue)
{
	if (b->mine == 0)
		return false;
	if (atomic_exchange(&b->shared->library_sleeps, 0) != 0 &&
	    is_overdue && answered(b) != 0)
		atomic_fetch_add(&b->overslept, 1);
	return is_overdue && is_unseen(b, b->mine);
}
