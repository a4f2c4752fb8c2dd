/* SPDX-License-Identifier: MIT */
/* The library's thread: its start, its loop, its end.  What it does about
 * faults, calls and the session is in paging.c, request.c and session.c.
 *
 * Why it can always answer a fault of the program, whatever the program does:
 *
 * H1  It never touches managed memory: what it reads and writes is struct
 *     memclient (mapped by itself, not on the heap), its own stack, and the
 *     messages of the kernel and the daemon.  What callers want is copied
 *     into commands by the callers.
 * H2  It takes no lock.  With program threads it shares the commands (C1-C6
 *     in command.h), the index of regions (R1-R5 in region.c), the ring of
 *     touched pages and the lanes' door (L1-L7 in lane.c), and it never waits
 *     in any of them.  So no thread that is stopped in a fault, in a signal
 *     handler or in a debugger holds what it needs.  (For an engine in this
 *     process it waits while that is in a system call: D5 in direct.c.)
 * H3  It calls neither malloc() nor anything that may; what needs room has
 *     fixed room, and mmap() is the only source of more.
 * H4  All its signals are blocked: no handler of the program runs on it.
 * H5  Its table of descriptors is its own (CLOSE_RANGE_UNSHARE), with nothing
 *     of the program's in it: a program that closes all descriptors does not
 *     close ours, which would unregister the regions and turn missing pages
 *     into zeros; and a pipe that the program closes is not kept open by us.
 * H6  All its descriptors are non-blocking and it sleeps only in epoll_wait(),
 *     but for the wait that H2 speaks of, and at its start: with nothing to
 *     serve yet it waits in connect() for room in the daemon's queue, and in
 *     poll() for its first answer (session_open()).
 * H7  Only it maps, unmaps, poisons and reads faults of thread regions, and
 *     only it changes the tables of regions and faults: nothing about a
 *     region changes between its decisions.  The daemon may take a page out
 *     at any moment; the kernel then makes CONTINUE fail, and the page is
 *     asked for again.
 * H8  A fault message that was read is answered in the same turn or is in the
 *     table of faults, which has a deadline for each.  No more messages are
 *     read than the table has room for; the others wait in the kernel.
 * H9  Regions are unmapped before the last copy of their userfaultfd closes.
 *     (When the process exits, no thread runs any more that could look.) */
#include "client/client.h"
#include "client/fault/direct.h"
#include "client/link/futex.h"
#include "client/region/mapping.h"
#include "client/fault/paging.h"
#include "client/fault/request.h"
#include "client/link/session.h"
#include "common/clock.h"
#include "common/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

enum {
	STACK_BYTES = 512 * 1024,
	BATCH_MAX = 64,			/* faults read at once */
	TOUCHED_EVERY_NS = 20000000,
	SPIN_NS = 100000,		/* a disk read and its answer */
	POLL_NS = 40000,		/* for the next fault, after one */
	STEP_NS = 1000000000,
	EVENTS_MAX = 3,			/* both userfaultfds and the link */
};

/* ---- request ids: sequence, kind (4 bits), index (16 bits) */

uint64_t handler_request_id(struct handler *h, enum request_kind kind,
			    size_t idx)
{
	return ++h->request_sequence << 20 | (uint64_t)kind << 16 | idx;
}

enum request_kind handler_request_kind(uint64_t request_id)
{
	uint64_t kind = request_id >> 16 & 15;

	return kind <= REQUEST_MAILBOX ? (enum request_kind)kind : REQUEST_NONE;
}

size_t handler_request_idx(uint64_t request_id)
{
	return request_id & 0xffff;
}

int handler_uffd(const struct memclient *mc, const struct region *r)
{
	return r->is_inline ? mc->handler.inline_fd : mc->handler.uffd.fd;
}

void handler_finish(struct memclient *mc, struct command *c, int result)
{
	uintptr_t bell = command_bell(&mc->commands, c);

	command_finish(c, result);
	uffd_zero(mc->handler.uffd.fd, bell);
}

/* ---- one turn */

static void take_fault(struct memclient *mc, const struct uffd_fault *uf)
{
	struct command *c = command_of_bell(&mc->commands, uf->address);

	if (c == NULL) {
		paging_take_fault(mc, uf);
	} else if (!command_take(c)) {
		/* Rung again while it is being done: its thread sleeps on.
		 * Touched by mistake: here is the page. */
		if (!command_is_taken(c))
			uffd_zero(mc->handler.uffd.fd,
				  command_bell(&mc->commands, c));
	} else if (c->kind == COMMAND_FAULT) {
		paging_take_command(mc, c);
	} else {
		request_take(mc, c);
	}
}

static int by_address(const struct uffd_fault *a, const struct uffd_fault *b)
{
	return a->address < b->address ? -1 : a->address > b->address;
}

/* Neighbours together, so that they are asked for in one message and in
 * order.  Small and nearly sorted most of the time; and qsort() may call
 * malloc(). */
static void sort_faults(struct uffd_fault *faults, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct uffd_fault f = faults[i];
		size_t j = i;

		for (; j > 0 && by_address(&faults[j - 1], &f) > 0; j--)
			faults[j] = faults[j - 1];
		faults[j] = f;
	}
}

/* Many threads may miss the same 4 KiB; the table of faults deals with those
 * that miss different parts of a larger page. */
static bool is_duplicate(const struct uffd_fault *f,
			 const struct uffd_fault *before)
{
	return f->address / UFFD_UNIT_BYTES ==
	       before->address / UFFD_UNIT_BYTES;
}

static void read_faults(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	struct uffd_fault faults[BATCH_MAX];
	size_t room = h->faults.count[FAULT_FREE];
	size_t count = uffd_read(h->uffd.fd, faults,
				 MIN(room, (size_t)BATCH_MAX),
				 &h->has_left_mapped);

	sort_faults(faults, count);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !is_duplicate(&faults[i], &faults[i - 1]))
			take_fault(mc, &faults[i]);
}

/* Inline regions send no messages about faults, but mremap() waits for us. */
static void read_moves(struct handler *h)
{
	struct uffd_fault faults[BATCH_MAX];

	(void)uffd_read(h->inline_fd, faults, BATCH_MAX,
			&h->has_left_mapped);
}

static void report_touched(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	if (!touched_is_pending(&mc->touched) || !h->is_up) {
		h->touched_ns = UINT64_MAX;
	} else if (h->touched_ns == UINT64_MAX) {
		h->touched_ns = h->now_ns + TOUCHED_EVERY_NS;
	} else if (h->touched_ns <= h->now_ns) {
		touched_send(&mc->touched, &mc->regions, &h->link);
		h->touched_ns = UINT64_MAX;
	}
}

static uint64_t next_ns(struct memclient *mc)
{
	const struct handler *h = &mc->handler;
	uint64_t next = h->faults.next_ns;

	next = MIN(next, h->touched_ns);
	next = MIN(next, session_next_ns(mc));
	return MIN(next, request_next_ns(mc));
}

static void watch(struct handler *h, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, fd, &e) != 0)
		(void)epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

/* Watch for what can be dealt with now: faults while there is room for them,
 * room in the socket while there is something to send.  Not ppoll(), which
 * refuses two descriptors when RLIMIT_NOFILE is below two. */
static void watch_all(struct handler *h)
{
	uint32_t faults = h->faults.count[FAULT_FREE] > 0 ? EPOLLIN : 0;
	uint32_t link = link_has_output(&h->link) ? EPOLLIN | EPOLLOUT :
						    EPOLLIN;

	if (faults != h->watched_faults) {
		watch(h, h->uffd.fd, faults);
		h->watched_faults = faults;
	}
	if (h->link.fd >= 0 && (link != h->watched_link ||
				h->link.connect_count != h->watched_count)) {
		watch(h, h->link.fd, link);
		h->watched_link = link;
		h->watched_count = h->link.connect_count;
	}
}

/* How long a turn takes at most while somebody waits. */
static uint64_t step_ns(const struct memclient *mc)
{
	return MIN(mc->settings.timeout_ns / 8, (uint64_t)STEP_NS);
}

/* For how long nothing is due; but while somebody waits, not longer than a
 * step, by which note_stop() knows. */
static int idle_ms(struct memclient *mc)
{
	uint64_t next = next_ns(mc), now_ns = mc->handler.now_ns;
	uint64_t wait_ns = next > now_ns ? next - now_ns : 0;

	if (next == UINT64_MAX)
		return -1;
	return (int)DIV_ROUND_UP(MIN(wait_ns, step_ns(mc)), 1000000u);
}

/* A turn that took much longer than a step, while somebody waited: the process
 * was stopped, by a signal, a debugger or a freezer.  That was no time in which
 * the daemon's answer could have been taken. */
static void note_stop(struct memclient *mc, uint64_t before_ns)
{
	struct handler *h = &mc->handler;
	uint64_t lost_ns = h->now_ns - before_ns;

	if (lost_ns <= 2 * step_ns(mc))
		return;
	faults_postpone(&h->faults, lost_ns);
	h->heard_ns += lost_ns;
	request_postpone(mc, lost_ns);
	session_postpone(mc, lost_ns);
}

/* Look for an answer for a moment before sleeping: waking up costs about as
 * much as a read from a fast disk.  The processor is offered to others between
 * two looks, and whoever else comes does not wait for the end of it. */
static int wait_shortly(struct memclient *mc, struct epoll_event *events)
{
	uint64_t until_ns = clock_now_ns() + SPIN_NS;
	int count = 0;

	while (count == 0 && !box_is_in_the_way(&mc->box) &&
	       !box_look(&mc->box) && clock_now_ns() < until_ns) {
		sched_yield();
		count = epoll_wait(mc->handler.epoll_fd, events, EVENTS_MAX, 0);
	}
	return count;
}

/* A program that misses one page often misses the next one right after: the
 * thread that is woken here needs less time to do so than this one would need
 * to wake up again. */
static int poll_faults(struct handler *h, struct epoll_event *events)
{
	int count;

	do {
		sched_yield();
		count = epoll_wait(h->epoll_fd, events, EVENTS_MAX, 0);
	} while (count == 0 && clock_now_ns() < h->poll_until_ns);
	return count;
}

static int sleep_long(struct memclient *mc, struct epoll_event *events)
{
	int wait_ms = idle_ms(mc), most_ms = box_sleep(&mc->box), count;
	bool is_most = most_ms > 0 && (wait_ms < 0 || wait_ms >= most_ms);

	if (most_ms == 0 || is_most)
		wait_ms = most_ms;
	count = epoll_wait(mc->handler.epoll_fd, events, EVENTS_MAX, wait_ms);
	mc->handler.must_ring |= box_wake(&mc->box, count == 0 && is_most);
	return count;
}

/* Sleep until something comes or is due. */
static void wait_for_work(struct memclient *mc, bool *ret_fault,
			  bool *ret_message)
{
	struct handler *h = &mc->handler;
	struct epoll_event events[EVENTS_MAX];
	int count = 0;

	watch_all(h);
	if (box_is_worth_waiting(&mc->box))
		count = wait_shortly(mc, events);
	else if (h->poll_until_ns > h->now_ns)
		count = poll_faults(h, events);
	if (count <= 0)
		count = sleep_long(mc, events);
	*ret_fault = *ret_message = false;
	for (int i = 0; i < count; i++)
		if (events[i].data.fd == h->uffd.fd)
			*ret_fault = true;
		else if (events[i].data.fd == h->inline_fd)
			read_moves(h);
		else
			*ret_message = (events[i].events &
					~(uint32_t)EPOLLOUT) != 0;
}

/* When the link is full, in a later turn. */
static void ring_daemon(struct handler *h)
{
	if (h->must_ring &&
	    link_send(&h->link, MEMD__MESSAGE_TYPE__TYPE_RING, 0, NULL) == 0)
		h->must_ring = false;
}

static void run(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	watch(h, h->inline_fd, EPOLLIN);
	while (!h->is_stopping) {
		bool is_fault, is_message, is_mail;
		bool is_due = next_ns(mc) != UINT64_MAX;
		uint64_t before_ns = h->now_ns;

		wait_for_work(mc, &is_fault, &is_message);
		h->now_ns = clock_now_ns();
		if (is_due)
			note_stop(mc, before_ns);
		if (is_message) {
			link_receive(&h->link);
			session_dispatch(mc);
		}
		is_mail = session_take_mail(mc);
		if (is_fault)
			read_faults(mc);
		if (is_fault || is_mail)
			h->poll_until_ns = h->now_ns + POLL_NS;
		session_run(mc);
		request_run(mc);
		paging_run(mc);
		report_touched(mc);
		ring_daemon(h);
		link_flush(&h->link);
		session_run(mc);
	}
}

/* ---- start and end */

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer takes all threads to have one table of descriptors.  With a
 * table of our own (H5), what looks like two threads racing for a number is
 * two descriptors. */
const char *__tsan_default_suppressions(void);
#define OWN_TABLE(call) "race_top:interceptor_" #call "$\n"

__attribute__((visibility("default"), weak))
const char *__tsan_default_suppressions(void)
{
	return OWN_TABLE(close) OWN_TABLE(open) OWN_TABLE(dup) OWN_TABLE(pipe)
	       OWN_TABLE(pipe2) OWN_TABLE(socket) OWN_TABLE(connect)
	       OWN_TABLE(accept4) OWN_TABLE(read) OWN_TABLE(write)
	       OWN_TABLE(ioctl) OWN_TABLE(send) OWN_TABLE(recvmsg)
	       OWN_TABLE(epoll_create1) OWN_TABLE(epoll_ctl)
	       OWN_TABLE(epoll_wait);
}
#endif

/* Without close_range(), which some sandboxes do not know. */
static int leave_table_slowly(int keep)
{
	long most = sysconf(_SC_OPEN_MAX);

	if (unshare(CLONE_FILES) != 0)
		return -EPERM;
	for (int fd = 0; fd < (int)MIN(MAX(most, 1024L), 65536L); fd++)
		if (fd != keep)
			close(fd);
	return 0;
}

/* A table of descriptors with only `keep` in it, H5. */
static int leave_table(int keep)
{
	if (close_range((unsigned)keep + 1, ~0u, CLOSE_RANGE_UNSHARE) != 0)
		return leave_table_slowly(keep);
	if (keep > 0 && close_range(0, (unsigned)keep - 1, 0) != 0)
		return -errno;
	return 0;
}

/* Nothing of ours may be number 0, 1 or 2: a sanitizer or a failed assertion
 * would write its text into it. */
static int fill_standard(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			fd = memfd_create("memclient-null", MFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (fd > STDERR_FILENO) {
			close(fd);
			return 0;
		}
	}
}

/* The calls that the system may have forbidden. */
static const char table_text[] =
	"cannot get a table of descriptors for the library's thread: "
	"close_range(2) and unshare(2) with CLONE_FILES failed; a seccomp "
	"filter, of a container perhaps, must allow one of them";

static int fail(struct handler *h, int err, const char *text)
{
	errors_copy(h->start_text, sizeof(h->start_text), text);
	return err;
}

static int begin(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	int err = leave_table(mc->inline_fd);

	if (err == -EPERM)
		return fail(h, err, table_text);
	/* The program may have closed it, or had its number in use. */
	if (err == 0 && !descriptor_is(mc->inline_fd, &mc->inline_id))
		err = -EBADF;
	if (err == 0)
		err = fill_standard();
	h->epoll_fd = err == 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
	if (err == 0 && (h->epoll_fd < 0 ||
			 pipe2(h->lifeline, O_CLOEXEC) != 0))
		err = -errno;
	if (err != 0)
		return fail(h, err, "cannot get a table of descriptors for "
			    "the library's thread");
	h->inline_fd = mc->inline_fd;
	err = uffd_open(false, &h->uffd);
	if (err != 0)
		return fail(h, err, errors_name(err));
	mc->commands.bells = mapping_create_bells(COMMAND_BELLS_BYTES,
						  h->uffd.fd);
	if (mc->commands.bells == NULL)
		return fail(h, -ENOMEM, errors_name(ENOMEM));
	err = session_open(mc);
	if (err != 0)
		return fail(h, err, h->link.text);
	return 0;
}

static void unmap_all(struct memclient *mc)
{
	struct region *r;

	while ((r = regions_nth(&mc->regions, 0)) != NULL) {
		regions_remove(&mc->regions, r);
		direct_withdraw(mc, r);
		mc->handler.has_left_mapped |=
			!mapping_destroy(r, handler_uffd(mc, r));
		regions_put(&mc->regions, r);
	}
}

/* A thread in mremap() of a part of a region waits until this is read. */
static void hear_of_moves(struct handler *h)
{
	struct uffd_fault faults[BATCH_MAX];

	if (h->uffd.fd >= 0)
		(void)uffd_read(h->uffd.fd, faults, BATCH_MAX,
				&h->has_left_mapped);
	if (h->inline_fd >= 0)
		read_moves(h);
}

/* Nothing is mapped any more that a copy of our userfaultfds would have to be
 * kept for. */
static void say_goodbye(struct handler *h)
{
	if (h->is_up && !h->has_left_mapped &&
	    link_send(&h->link, MEMD__MESSAGE_TYPE__TYPE_GOODBYE, 0,
		      NULL) == 0)
		link_flush(&h->link);
}

/* H9.  Closing the link is what tells the daemon.  The bells stay until the
 * thread is joined: who asked us to stop is still reading one. */
static void end(struct memclient *mc)
{
	struct handler *h = &mc->handler;

	unmap_all(mc);
	hear_of_moves(h);
	say_goodbye(h);
	if (h->link.state != LINK_DOWN)
		link_drop(&h->link, 0, "closed");
	if (h->mailbox_fd >= 0)
		close(h->mailbox_fd);
	if (h->uffd.fd >= 0)
		close(h->uffd.fd);
	if (h->epoll_fd >= 0)
		close(h->epoll_fd);
	for (unsigned i = 0; i < 2; i++)
		if (h->lifeline[i] >= 0)
			close(h->lifeline[i]);
}

static void *thread_main(void *arg)
{
	struct memclient *mc = arg;
	struct handler *h = &mc->handler;

	(void)prctl(PR_SET_NAME, "memclient");
	thread_settle();
	h->start_result = begin(mc);
	atomic_store(&h->is_started, 1);
	futex_wake(&h->is_started, 1);
	if (h->start_result == 0)
		run(mc);
	end(mc);
	return NULL;
}

int handler_start(struct memclient *mc)
{
	struct handler *h = &mc->handler;
	int err;

	link_init(&h->link);
	faults_init(&h->faults);
	h->uffd.fd = h->epoll_fd = h->mailbox_fd = -1;
	h->lifeline[0] = h->lifeline[1] = -1;
	h->touched_ns = UINT64_MAX;
	err = thread_start(&mc->handler.thread, STACK_BYTES,
			   thread_main, mc);
	if (err != 0)
		return errors_set(err, "cannot start the library's thread: %s",
				  strerrordesc_np(-err));
	while (atomic_load(&h->is_started) == 0)
		futex_wait(&h->is_started, 0, 0);
	if (h->start_result == 0)
		return 0;
	handler_join(mc);
	return errors_set(h->start_result, "%s", h->start_text);
}

void handler_join(struct memclient *mc)
{
	pthread_join(mc->handler.thread, NULL);
	if (mc->commands.bells != NULL)
		munmap(mc->commands.bells, COMMAND_BELLS_BYTES);
}
