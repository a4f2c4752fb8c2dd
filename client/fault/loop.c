/* SPDX-License-Identifier: MIT */
/* The library's thread: see loop.h.
 *
 * The thread must be able to answer a fault of the program whatever the program
 * does.  These rules make sure of it:
 *
 * H1  It never touches managed memory.  It reads and writes struct memclient
 *     (which is in a mapping of its own, not on the heap), its own stack, and
 *     messages of the kernel and the daemon.  Callers copy what they want into
 *     commands.
 * H2  It takes no lock.  It shares the commands (C1-C6 in command.h), the index
 *     of regions (R1-R5 in region.c), the ring of touched pages, the mailbox
 *     (X1-X6 in mailbox.c), the hook of the bell (B1-B8 in bell.c), the desk
 *     (C1 in client_desk.h) and the hook of swap files (R1-R4 in area_files.h)
 *     with the program's threads, and never waits in any of them.  So a thread
 *     that is stopped in a fault, a signal handler or a debugger holds nothing
 *     that it needs.  (Exception: it waits for one system call of an engine in
 *     this process; D5 in direct.c.)
 * H3  It never calls malloc(), directly or indirectly.  What needs room has
 *     fixed room; mmap() is the only source of more.
 * H4  All its signals are blocked: no handler of the program runs on it.
 * H5  It has a table of descriptors of its own (CLOSE_RANGE_UNSHARE), with none
 *     of the program's.  A program that closes all descriptors does not close
 *     ours.  (That would unregister the regions, and missing pages would read
 *     as zeros.)  And a pipe that the program closes does not stay open here.
 * H6  All its descriptors are non-blocking, and it sleeps only in epoll_wait().
 *     Exceptions: the wait of H2; its end, when it waits for what is being read
 *     (own_faults_fini()); UFFDIO_COPY, while the kernel makes room in the
 *     program's memory cgroup; and its start, when it serves nothing yet:
 *     then it waits in connect() for room in the daemon's queue, and in poll()
 *     for the first answer (session_open()).
 * H7  Only this thread maps, unmaps, poisons and reads faults of thread
 *     regions, and changes the tables of regions and faults.  So nothing about
 *     a region changes between its decisions.  The daemon may take a page out
 *     at any moment; then CONTINUE fails, and the page is asked for again.
 * H8  A fault message that was read is answered in the same turn, or is in the
 *     table of faults, with a deadline.  No more messages are read than the
 *     table has room for; the others wait in the kernel.
 * H9  Regions are unmapped before the last copy of their userfaultfd closes.
 *     (When the process exits, no thread runs that could read the pages.) */
#include "client/fault/loop.h"
#include "client/fault/own_table.h"
#include "client/link/futex.h"
#include "common/clock.h"
#include "common/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	STACK_BYTES = 512 * 1024,
	BATCH_MAX = 64,			/* faults read at once */
	SPIN_NS = 100000,		/* about one disk read and its answer */
	/* How long to look for the next fault. */
	POLL_NS = 40000,
	STEP_NS = 1000000000,
	EVENTS_MAX = 4,		/* two userfaultfds, the link, reads */
};

static struct space *space_of(const struct loop *lp)
{
	return lp->handler.shared.space;
}

/* ---- faults */

/* Sort by address, so that neighbours are asked for in one message and in
 * order.  The array is small and mostly sorted, and qsort() may call
 * malloc(). */
static void sort_faults(struct uffd_fault *faults, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct uffd_fault f = faults[i];
		size_t j = i;

		for (; j > 0 && faults[j - 1].address > f.address; j--)
			faults[j] = faults[j - 1];
		faults[j] = f;
	}
}

static void read_faults(struct loop *lp)
{
	struct space *sp = space_of(lp);
	struct uffd_fault faults[BATCH_MAX];
	size_t room = lp->handler.paging.faults.count[FAULT_FREE];
	size_t count = uffd_read(sp->uffd.fd, faults,
				 MIN(room, (size_t)BATCH_MAX),
				 &sp->has_left_mapped);

	sort_faults(faults, count);
	/* Many threads may miss the same unit: take it once.  The table of
	 * faults deals with threads that miss different units of a larger
	 * page. */
	for (size_t i = 0; i < count; i++)
		if (i == 0 || uffd_unit_start(faults[i].address) !=
			      uffd_unit_start(faults[i - 1].address))
			handler_take_fault(&lp->handler, &faults[i]);
}

/* A thread that moves a part of a region with mremap() waits until the kernel's
 * message is read.  Read such messages where there are no faults: from the
 * userfaultfd of inline regions, and at the end. */
static void read_moves(struct space *sp, int uffd)
{
	struct uffd_fault faults[BATCH_MAX];

	(void)uffd_read(uffd, faults, BATCH_MAX, &sp->has_left_mapped);
}

/* ---- waiting */

static void watch(const struct loop *lp, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(lp->epoll_fd, EPOLL_CTL_MOD, fd, &e) != 0)
		(void)epoll_ctl(lp->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

/* Watch only for what can be dealt with now: faults while the table has room,
 * and room in the socket while there is something to send.  Not ppoll(): it
 * refuses two descriptors if RLIMIT_NOFILE is below two. */
static void watch_all(struct loop *lp)
{
	const struct faults *fs = &lp->handler.paging.faults;
	const struct link *l = &lp->handler.session.link;
	uint32_t faults = fs->count[FAULT_FREE] > 0 ? EPOLLIN : 0;
	uint32_t link = link_has_output(l) ? EPOLLIN | EPOLLOUT : EPOLLIN;
	const struct own_faults *own = &lp->handler.paging.own;

	if (faults != lp->watched_faults) {
		watch(lp, space_of(lp)->uffd.fd, faults);
		lp->watched_faults = faults;
	}
	if (l->fd >= 0 && (link != lp->watched_link ||
			   l->connect_count != lp->watched_count)) {
		watch(lp, l->fd, link);
		lp->watched_link = link;
		lp->watched_count = l->connect_count;
	}
	if (own->uring.ring_fd >= 0 && own->open_count != lp->watched_reads) {
		watch(lp, own->uring.ring_fd, EPOLLIN);
		lp->watched_reads = own->open_count;
	}
}

/* The longest turn while a thread waits. */
static uint64_t step_ns(const struct loop *lp)
{
	return MIN(lp->handler.shared.settings->timeout_ns / 8,
		   (uint64_t)STEP_NS);
}

/* How long nothing is due; while a thread waits, at most step_ns(), so that
 * note_stop() can tell that the process was stopped. */
static int idle_ms(struct loop *lp)
{
	uint64_t next = handler_next_ns(&lp->handler);
	uint64_t now_ns = lp->handler.session.now_ns;
	uint64_t wait_ns = next > now_ns ? next - now_ns : 0;

	if (next == UINT64_MAX)
		return -1;
	return (int)DIV_ROUND_UP(MIN(wait_ns, step_ns(lp)), 1000000u);
}

/* If a turn took much longer than step_ns() while a thread waited, the process
 * was stopped, by a signal, a debugger or a freezer.  No answer of the daemon
 * could be taken in that time, so it does not count. */
static void note_stop(struct loop *lp, uint64_t before_ns)
{
	uint64_t lost_ns = lp->handler.session.now_ns - before_ns;

	if (lost_ns > 2 * step_ns(lp))
		handler_postpone(&lp->handler, lost_ns);
}

/* Look for an answer for a moment before sleeping: waking up costs about as
 * much as a read from a fast disk.  Yield the processor between two looks.
 * Other messages end the wait. */
static int wait_shortly(struct loop *lp, struct epoll_event *events)
{
	const struct box *b = lp->handler.shared.box;
	uint64_t until_ns = clock_now_ns() + SPIN_NS;
	int count = 0;

	while (count == 0 && !box_is_in_the_way(b) && !box_look(b) &&
	       clock_now_ns() < until_ns) {
		sched_yield();
		count = epoll_wait(lp->epoll_fd, events, EVENTS_MAX, 0);
	}
	return count;
}

/* A program that misses one page often misses the next one soon.  The thread
 * that was woken here needs less time for that than this thread would need to
 * wake up again. */
static int poll_faults(struct loop *lp, struct epoll_event *events)
{
	int count;

	do {
		sched_yield();
		count = epoll_wait(lp->epoll_fd, events, EVENTS_MAX, 0);
	} while (count == 0 && clock_now_ns() < lp->poll_until_ns);
	return count;
}

static int sleep_long(struct loop *lp, struct epoll_event *events)
{
	struct box *b = lp->handler.shared.box;
	int wait_ms = idle_ms(lp), most_ms = box_sleep(b), count;
	bool is_most = most_ms > 0 && (wait_ms < 0 || wait_ms >= most_ms);

	if (most_ms == 0 || is_most)
		wait_ms = most_ms;
	count = epoll_wait(lp->epoll_fd, events, EVENTS_MAX, wait_ms);
	lp->handler.must_ring |= box_wake(b, count == 0 && is_most);
	return count;
}

struct work {
	bool is_fault, is_message;
};

/* Wait until something comes or is due. */
static void wait_for_work(struct loop *lp, struct work *ret_work)
{
	struct space *sp = space_of(lp);
	struct epoll_event events[EVENTS_MAX];
	int count = 0;

	watch_all(lp);
	if (box_is_worth_waiting(lp->handler.shared.box))
		count = wait_shortly(lp, events);
	else if (lp->poll_until_ns > lp->handler.session.now_ns)
		count = poll_faults(lp, events);
	if (count <= 0)
		count = sleep_long(lp, events);
	*ret_work = (struct work){ .is_fault = false };
	for (int i = 0; i < count; i++)
		if (events[i].data.fd == sp->uffd.fd)
			ret_work->is_fault = true;
		else if (events[i].data.fd == sp->inline_fd)
			read_moves(sp, sp->inline_fd);
		else if (events[i].data.fd !=
			 lp->handler.paging.own.uring.ring_fd)
			ret_work->is_message = (events[i].events &
						~(uint32_t)EPOLLOUT) != 0;
}

/* ---- turns */

static void take_turns(struct loop *lp)
{
	struct handler *h = &lp->handler;
	struct session *s = &h->session;

	watch(lp, space_of(lp)->inline_fd, EPOLLIN);
	while (!h->is_stopping) {
		struct work work;
		bool is_mail, is_due = handler_next_ns(h) != UINT64_MAX;
		uint64_t before_ns = s->now_ns;

		wait_for_work(lp, &work);
		s->now_ns = clock_now_ns();
		if (is_due)
			note_stop(lp, before_ns);
		if (work.is_message) {
			link_receive(&s->link);
			handler_take_messages(h);
		}
		is_mail = handler_take_mail(h);
		if (work.is_fault)
			read_faults(lp);
		handler_run(h);
		/* The disk takes longer than POLL_NS. */
		if ((work.is_fault || is_mail) &&
		    TAILQ_EMPTY(&h->paging.own.reading))
			lp->poll_until_ns = s->now_ns + POLL_NS;
	}
}

/* ---- start and end */

static int fail_start(struct loop *lp, int err, const char *text)
{
	errors_copy(lp->start_text, sizeof(lp->start_text), text);
	return err;
}

static int open_table(struct loop *lp)
{
	const struct bell_hook *hook = &lp->handler.shared.hook;
	int fd = space_of(lp)->inline_fd;
	const struct area_hook *area = &lp->handler.shared.area_hook;
	int keep[] = { fd, hook->fd[0], hook->fd[1], area->fd[0],
		       area->fd[1] };
	int err = own_table_enter(keep, ARRAY_SIZE(keep));

	if (err == -EPERM)
		return fail_start(lp, err, "cannot get a table of descriptors "
				  "for the library's thread: close_range(2) "
				  "and unshare(2) with CLONE_FILES failed; a "
				  "seccomp filter, of a container perhaps, "
				  "must allow one of them");
	/* The program may have closed the descriptors, and used their numbers
	 * again. */
	if (err == 0 && (!descriptor_is(fd, &lp->inline_id) ||
			 !bell_is_hook(hook) || !area_files_is_hook(area)))
		err = -EBADF;
	if (err == 0)
		err = own_table_fill_standard();
	lp->epoll_fd = err == 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
	if (err == 0 && (lp->epoll_fd < 0 ||
			 pipe2(lp->lifeline, O_CLOEXEC) != 0))
		err = -errno;
	return err == 0 ? 0 :
		fail_start(lp, err, "cannot get a table of descriptors for "
			   "the library's thread");
}

static void introduce(struct loop *lp)
{
	struct space *sp = space_of(lp);
	struct session *s = &lp->handler.session;

	s->fds[0] = sp->uffd.fd;
	s->fds[1] = sp->inline_fd;
	s->fds[2] = lp->lifeline[0];
	s->capabilities = MEMD__CAPABILITY__CAP_FAULT_INLINE |
			  MEMD__CAPABILITY__CAP_MAILBOX |
			  MEMD__CAPABILITY__CAP_BELL |
			  MEMD__CAPABILITY__CAP_ONE_SIDED |
			  MEMD__CAPABILITY__CAP_READY;
	if (!sp->uffd.is_user_only)
		s->capabilities |= MEMD__CAPABILITY__CAP_FAULT_THREAD;
	if (sp->can_poison)
		s->capabilities |= MEMD__CAPABILITY__CAP_POISON;
}

static int begin(struct loop *lp)
{
	struct handler *h = &lp->handler;
	struct space *sp = space_of(lp);
	int err = open_table(lp);

	if (err != 0)
		return err;
	err = uffd_open(false, &sp->uffd);
	if (err == 0)
		err = commands_open(h->shared.commands, sp->uffd.fd);
	if (err != 0)
		return fail_start(lp, err, errors_name(err));
	introduce(lp);
	err = handler_open(h);
	return err == 0 ? 0 : fail_start(lp, err, h->session.link.text);
}

/* End the thread (H9).  Closing the link tells the daemon.  The bells stay
 * until the thread is joined, because the thread that has sent COMMAND_STOP
 * still reads one. */
static void end(struct loop *lp)
{
	struct space *sp = space_of(lp);
	const int fds[] = { sp->uffd.fd, lp->epoll_fd, lp->lifeline[0],
			    lp->lifeline[1] };

	handler_unmap_all(&lp->handler);
	/* Otherwise inline_fd may be another descriptor. */
	if (lp->start_result == 0) {
		read_moves(sp, sp->uffd.fd);
		read_moves(sp, sp->inline_fd);
	}
	handler_close(&lp->handler);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void *run_thread(void *arg)
{
	struct loop *lp = arg;

	(void)prctl(PR_SET_NAME, "memclient");
	thread_settle();
	lp->start_result = begin(lp);
	atomic_store(&lp->is_started, 1);
	futex_wake(&lp->is_started, 1);
	if (lp->start_result == 0)
		take_turns(lp);
	end(lp);
	return NULL;
}

int loop_start(struct loop *lp, const struct handler_parts *parts,
	       const struct descriptor_id *inline_id)
{
	int err;

	handler_init(&lp->handler, parts);
	lp->inline_id = *inline_id;
	parts->space->uffd.fd = lp->epoll_fd = -1;
	lp->lifeline[0] = lp->lifeline[1] = -1;
	err = thread_start(&lp->thread, STACK_BYTES, run_thread, lp);
	if (err != 0)
		return errors_set(err, "cannot start the library's thread: %s",
				  strerrordesc_np(-err));
	while (atomic_load(&lp->is_started) == 0)
		futex_wait(&lp->is_started, 0, 0);
	if (lp->start_result == 0)
		return 0;
	loop_join(lp);
	return errors_set(lp->start_result, "%s", lp->start_text);
}

void loop_join(struct loop *lp)
{
	pthread_join(lp->thread, NULL);
	commands_close(lp->handler.shared.commands);
}
