/* SPDX-License-Identifier: MIT */
/* Lanes: see lane.h.  Everything here but lanes_init() and lanes_fini() runs
 * in a SIGBUS handler, or (open, close) on the library's thread.
 *
 * L1  A lane is taken by compare-and-swap and has one user.  The SIGBUS
 *     handler blocks all signals, so a user is not interrupted by code that
 *     could fault and want a second lane.
 * L2  No wait is without end: for a free lane LANE_WAIT_NS, for the socket
 *     SO_SNDTIMEO and SO_RCVTIMEO.  Whoever gets nothing goes to the
 *     library's thread, which has a deadline for every fault.
 * L3  Before a cached descriptor is used, fstat() must show the socket it was
 *     when it was opened (socket inodes are not used twice while one is
 *     open): the program may have closed it, and the number may be something
 *     else's now.
 * L4  The session to join is published under its generation: 0, then session
 *     and token, then the new number.  Who reads the same number before and
 *     after has read what belongs together.
 * L5  A lane of another generation is closed and joined anew.  The segment is
 *     read after the generation and the region's state; if the session breaks
 *     later, the daemon closes the lane and the answer never comes.
 * L6  An answer is only a hint that CONTINUE will work; a wrong one makes
 *     CONTINUE fail, never map wrong bytes.  Errors are not believed: the
 *     library's thread asks again and decides.
 * L7  System calls are made with syscall(2), as the C library's recv(),
 *     send(), connect() are cancellation points, and the thread may be one
 *     that is being cancelled. */
#include "client/fault/lane.h"
#include "client/link/forks.h"
#include "client/link/futex.h"
#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
	LANE_WAIT_NS = 5000000,		/* for one of the others to be done */
	LANE_SPIN_NS = 100000,		/* a disk read and its answer */
};

void lanes_init(struct lanes *ls)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		ls->lane[i].fd = -1;
}

void lanes_open(struct lanes *ls, uint64_t generation, uint32_t session,
		const uint8_t token[LINK_TOKEN_BYTES])
{
	uint64_t words[2];

	_Static_assert(sizeof(words) == LINK_TOKEN_BYTES, "token");
	memcpy(words, token, sizeof(words));
	atomic_store(&ls->generation, 0);
	atomic_store(&ls->session, session);
	atomic_store(&ls->token[0], words[0]);
	atomic_store(&ls->token[1], words[1]);
	atomic_store(&ls->generation, generation);
}

void lanes_close(struct lanes *ls)
{
	atomic_store(&ls->generation, 0);
}

/* ---- the descriptor, L3 */

static void hang_up(struct lane *l)
{
	descriptor_close(l->fd, &l->id);
	l->fd = -1;
	l->generation = 0;
}

void lanes_fini(struct lanes *ls)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		hang_up(&ls->lane[i]);
}

/* ---- a lane for this thread, L1, L2 */

static struct lane *try_take(struct lanes *ls)
{
	/* Threads start at different lanes and keep to theirs, which is
	 * likely to be joined already and in their cache. */
	size_t first = (size_t)syscall(SYS_gettid);

	for (size_t i = 0; i < LANES_MAX; i++) {
		struct lane *l = &ls->lane[(first + i) % LANES_MAX];
		uint32_t expected = 0;

		if (atomic_compare_exchange_strong(&l->is_taken, &expected, 1))
			return l;
	}
	return NULL;
}

static struct lane *take(struct lanes *ls)
{
	uint32_t seen = atomic_load(&ls->released);
	struct lane *l = try_take(ls);

	if (l != NULL)
		return l;
	/* The count before the second look, the lane's release before the
	 * look at the count: one of the two sees the other. */
	atomic_fetch_add(&ls->waiting, 1);
	l = try_take(ls);
	if (l == NULL) {
		futex_wait(&ls->released, seen, LANE_WAIT_NS);
		l = try_take(ls);
	}
	atomic_fetch_sub(&ls->waiting, 1);
	return l;
}

static void give(struct lanes *ls, struct lane *l)
{
	atomic_store(&l->is_taken, 0);
	atomic_fetch_add(&ls->released, 1);
	if (atomic_load(&ls->waiting) != 0)
		futex_wake(&ls->released, 1);
}

/* ---- messages, L7 */

static int send_all(const struct lane *l, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		long n = syscall(SYS_sendto, l->fd, bytes, count, MSG_NOSIGNAL,
				 NULL, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -ENOTCONN;
		bytes += n;
		count -= (size_t)n;
	}
	return 0;
}

/* Look for the answer for a moment before sleeping: waking up costs about as
 * much as a read from a fast disk.  Only while this is the one lane in use, so
 * that threads that wait do not take the processors from those that work; and
 * the processor is offered to others between two looks. */
static long receive_soon(struct lanes *ls, const struct lane *l, uint8_t *to,
			 size_t size)
{
	uint64_t until_ns = clock_now_ns() + LANE_SPIN_NS;
	long n;

	for (;;) {
		n = syscall(SYS_recvfrom, l->fd, to, size, MSG_DONTWAIT, NULL,
			    NULL);
		if (n >= 0 || errno != EAGAIN ||
		    atomic_load(&ls->in_use) > 1 || clock_now_ns() >= until_ns)
			return n;
		syscall(SYS_sched_yield);
	}
}

/* Receive until `count` bytes are in the lane's buffer.  More may come along:
 * a lane has one answer under way, so they belong to it, and header and body
 * most often need one system call. */
static int receive_until(struct lanes *ls, struct lane *l, size_t count,
			 size_t *received, uint64_t deadline_ns)
{
	if (count > sizeof(l->buffer))
		return -EMSGSIZE;
	while (*received < count) {
		uint8_t *to = l->buffer + *received;
		size_t size = sizeof(l->buffer) - *received;
		long n = receive_soon(ls, l, to, size);

		if (n < 0 && errno == EAGAIN)
			n = syscall(SYS_recvfrom, l->fd, to, size, 0, NULL,
				    NULL);
		if (n < 0 && errno == EINTR && clock_now_ns() < deadline_ns)
			continue;
		if (n <= 0)
			return -ENOTCONN;
		*received += (size_t)n;
	}
	return 0;
}

static int exchange(struct lanes *ls, struct lane *l, uint16_t type,
		    const ProtobufCMessage *message, uint64_t deadline_ns,
		    struct wire_header *ret_header)
{
	ssize_t packed = wire_pack(type, ++l->request_id, message, 0,
				   l->buffer, sizeof(l->buffer));
	size_t received = 0;
	int err;

	if (packed < 0)
		return -EMSGSIZE;
	err = send_all(l, l->buffer, (size_t)packed);
	if (err == 0)
		err = receive_until(ls, l, WIRE_HEADER_BYTES, &received,
				    deadline_ns);
	if (err == 0)
		err = wire_header_unpack(l->buffer, sizeof(l->buffer) -
					 WIRE_HEADER_BYTES, ret_header);
	if (err == 0 && (ret_header->request_id != l->request_id ||
			 ret_header->payload_bytes != 0))
		err = -EPROTO;
	if (err == 0)
		err = receive_until(ls, l, WIRE_HEADER_BYTES +
				    ret_header->body_bytes, &received,
				    deadline_ns);
	/* What nobody asked for: out of step. */
	if (err == 0 && received != WIRE_HEADER_BYTES + ret_header->body_bytes)
		err = -EPROTO;
	return err;
}

/* ---- joining, L4, L5 */

static int set_timeouts(const struct lane *l, uint64_t timeout_ns)
{
	struct timeval tv = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_usec = (suseconds_t)(timeout_ns % 1000000000u / 1000u + 1),
	};

	if (setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) != 0)
		return -errno;
	return 0;
}

/* A fork waits for the end of this, F2 in forks.h. */
static int make_socket(struct lane *l)
{
	int err = 0;

	if (!forks_begin_fetch())
		return -EAGAIN;
	l->fd = descriptor_raise(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
					0));
	if (l->fd < 0)
		err = -errno;
	else
		err = descriptor_identify(l->fd, &l->id);
	forks_end_fetch();
	return err;
}

static int dial(struct lane *l, const struct settings *s)
{
	int err = make_socket(l);

	if (err != 0)
		return err;
	/* Half of the time: the rest is for the library's thread. */
	if (set_timeouts(l, s->timeout_ns / 2) != 0 ||
	    syscall(SYS_connect, l->fd, &s->address, s->address_bytes) != 0) {
		hang_up(l);
		return -ENOTCONN;
	}
	return 0;
}

static int join(struct lanes *ls, struct lane *l, const struct settings *s,
		uint64_t generation, uint64_t deadline_ns)
{
	uint64_t token[2] = { atomic_load(&ls->token[0]),
			      atomic_load(&ls->token[1]) };
	Memd__Join m = MEMD__JOIN__INIT;
	struct wire_header header;
	int err;

	m.version_major = WIRE_VERSION_MAJOR;
	m.session = atomic_load(&ls->session);
	m.token.len = sizeof(token);
	m.token.data = (uint8_t *)token;
	if (atomic_load(&ls->generation) != generation)
		return -ENOTCONN;
	err = dial(l, s);
	if (err == 0)
		err = exchange(ls, l, MEMD__MESSAGE_TYPE__TYPE_JOIN, &m.base,
			       deadline_ns, &header);
	if (err == 0 && header.type != MEMD__MESSAGE_TYPE__TYPE_OK)
		err = -EPROTO;
	if (err == 0)
		l->generation = generation;
	return err;
}

/* ---- asking */

static int take_answer(struct lane *l, const struct wire_header *header,
		       uint32_t segment, uint64_t page,
		       struct lane_answer *ret_answer)
{
	struct wire_arena arena;
	Memd__FaultReply *reply;

	if (header->type != MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY)
		return -EPROTO;
	wire_arena_init(&arena, l->arena, sizeof(l->arena));
	reply = (void *)wire_unpack(&memd__fault_reply__descriptor, &arena,
				    l->buffer + WIRE_HEADER_BYTES,
				    header->body_bytes);
	if (reply == NULL || reply->segment != segment || reply->page != page)
		return -EPROTO;
	if (reply->error != 0)
		return 1;
	*ret_answer = (struct lane_answer){
		.first = reply->first,
		.count = reply->count,
		.mark = reply->has_mark ? reply->mark : TOLD_NO_PAGE,
	};
	return 0;
}

/* Make the lane one of session `generation`. */
static int ready(struct lanes *ls, struct lane *l, const struct settings *s,
		 uint64_t generation, uint64_t deadline_ns)
{
	if (l->generation == generation && descriptor_is(l->fd, &l->id))
		return 0;
	hang_up(l);
	return join(ls, l, s, generation, deadline_ns);
}

static int ask(struct lanes *ls, struct lane *l, const struct settings *s,
	       const struct region *r, uint64_t page, bool is_write,
	       uint64_t deadline_ns, struct lane_answer *ret_answer)
{
	uint64_t generation = atomic_load(&ls->generation);
	bool is_live = atomic_load(&r->state) == REGION_LIVE;
	uint32_t segment = atomic_load(&r->segment);
	Memd__Fault m = MEMD__FAULT__INIT;
	struct wire_header header;
	int err;

	if (generation == 0 || !is_live)
		return -ENOTCONN;
	err = ready(ls, l, s, generation, deadline_ns);
	m.segment = segment;
	m.n_page = 1;
	m.page = &page;
	m.has_access = 1;
	m.access = is_write ? MEMD__ACCESS__ACCESS_WRITE :
			      MEMD__ACCESS__ACCESS_READ;
	if (err == 0)
		err = exchange(ls, l, MEMD__MESSAGE_TYPE__TYPE_FAULT, &m.base,
			       deadline_ns, &header);
	if (err == 0)
		err = take_answer(l, &header, segment, page, ret_answer);
	if (err < 0)		/* out of step with the daemon: never again */
		hang_up(l);
	return err == 0 ? 0 : -EIO;
}

int lane_ask(struct lanes *ls, const struct settings *s,
	     const struct region *r, uint64_t page, bool is_write,
	     uint64_t deadline_ns, struct lane_answer *ret_answer)
{
	struct lane *l = take(ls);
	int err;

	if (l == NULL)
		return -EBUSY;
	atomic_fetch_add(&ls->in_use, 1);
	err = ask(ls, l, s, r, page, is_write, deadline_ns, ret_answer);
	atomic_fetch_sub(&ls->in_use, 1);
	give(ls, l);
	return err;
}

/* ---- telling */

static int tell_on(struct lanes *ls, struct lane *l, const struct settings *s,
		   uint16_t type, const ProtobufCMessage *message,
		   uint64_t deadline_ns)
{
	uint64_t generation = atomic_load(&ls->generation);
	ssize_t packed;
	int err;

	if (generation == 0)
		return -ENOTCONN;
	err = ready(ls, l, s, generation, deadline_ns);
	packed = wire_pack(type, 0, message, 0, l->buffer, sizeof(l->buffer));
	if (err == 0 && packed > 0)
		err = send_all(l, l->buffer, (size_t)packed);
	if (err < 0)
		hang_up(l);
	return err;
}

static int tell(struct lanes *ls, const struct settings *s, uint16_t type,
		const ProtobufCMessage *message, uint64_t deadline_ns)
{
	struct lane *l = take(ls);
	int err;

	if (l == NULL)
		return -EBUSY;
	err = tell_on(ls, l, s, type, message, deadline_ns);
	give(ls, l);
	return err;
}

int lane_tell_touched(struct lanes *ls, const struct settings *s,
		      const struct region *r, uint64_t page,
		      uint64_t deadline_ns)
{
	Memd__Range range = MEMD__RANGE__INIT, *ranges[] = { &range };
	Memd__Touched m = MEMD__TOUCHED__INIT;

	if (atomic_load(&r->state) != REGION_LIVE)
		return -ENOTCONN;
	range.first = page;
	range.count = 1;
	m.segment = atomic_load(&r->segment);
	m.n_range = 1;
	m.range = ranges;
	return tell(ls, s, MEMD__MESSAGE_TYPE__TYPE_TOUCHED, &m.base,
		    deadline_ns);
}
