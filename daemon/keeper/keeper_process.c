/* SPDX-License-Identifier: MIT */
/* The keeper: holds copies of userfaultfds and asks of those whose sessions
 * have ended whether their memory is gone.
 *
 * A copy is an *orphan* when the library's thread that answered its faults has
 * ended, but the memory lives: the program is in the middle of exec, which
 * still looks at its list of robust mutexes; or another process shares its
 * memory.  Somebody has to answer such faults, or who touches would wait for
 * ever.  The answer is an error, SIGBUS or EFAULT: the page is poisoned there.
 * (Before Linux 6.6 that cannot be done, and the thread waits until it is
 * killed.)  That a thread has ended is told by its *lifeline*, a pipe whose
 * other end lies in that thread's table of descriptors.
 *
 * What may wait for a lock of a client's address space is done by a child, the
 * *asker*: the ioctl that tells, and the last close of what is to be dropped.
 * An asker serves one user.  A client that holds the lock holds up that child
 * and nothing else: after PATIENCE_NS another asker goes on with the other
 * users, and nothing of that user's is asked of, or closed, until the child has
 * ended.
 *
 * What epoll watches is taken out of it before it is closed: memd, or a child,
 * may have the same file still, and then epoll would go on telling of it. */
#include "daemon/keeper/keeper_process.h"

#include "common/checks.h"
#include "common/clock.h"
#include "common/uffd_poison.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum {
	EVENTS_MAX = 64,
	ASKERS = 8,
	BATCH_MAX = 256,
	MESSAGES_PER_TURN = 256,
	UNIT_BYTES = 4096,
};

#define PAUSE_FIRST_NS	UINT64_C(10000000)
#define PAUSE_MOST_NS	UINT64_C(1000000000)
#define PATIENCE_NS	UINT64_C(2000000000)

/* One copy. */
struct kept {
	uint64_t serial;
	int fd;
	int lifeline;			/* -1: there is none, or it has ended */
	uint32_t uid;
	bool is_ended;
	bool is_orphan;
	bool is_watched;		/* ORPHAN: its next fault is heard of */
	struct asker *asker;		/* who asks of it just now */
	uint64_t ask_ns, pause_ns;	/* ended: ask then, and so much later */
	TAILQ_ENTRY(kept) link;		/* ended: by ask_ns, more or less */
	UT_hash_handle hh;
};

TAILQ_HEAD(kept_list, kept);

/* What an asker has found: memory that it shares with the keeper. */
struct findings {
	atomic_uint progress;		/* of these it knows */
	atomic_bool may_end;		/* the keeper has closed its own */
	struct {
		atomic_bool is_gone, has_answered;
	} of[BATCH_MAX];
};

enum asker_state { ASKER_FREE, ASKER_RUNNING, ASKER_STUCK };

struct asker {
	enum asker_state state;
	pid_t pid;
	int pipe;			/* ends when it ends */
	uint32_t uid;			/* it serves */
	struct findings *findings;
	uint64_t since_ns;		/* when it last came further */
	unsigned progress, count;
	struct kept *batch[BATCH_MAX];	/* NULL: not its business any more */
};

/* What epoll tells: a serial, or an asker's number, with one of these. */
#define SOURCE_SOCKET	UINT64_C(0)
#define SOURCE_ASKER	(UINT64_C(1) << 61)
#define SOURCE_LIFELINE	(UINT64_C(2) << 61)
#define SOURCE_UFFD	(UINT64_C(3) << 61)
#define SOURCES		(UINT64_C(3) << 61)

struct keeping {
	int socket;			/* -1: memd has ended */
	int epoll_fd;
	uint64_t now_ns;
	uint64_t probe;			/* an address: see ask() */
	struct kept *all;		/* uthash */
	struct kept_list ended;
	struct {
		int fd;
		uint32_t uid;
	} dropped[BATCH_MAX];		/* to be closed by an asker */
	unsigned dropped_count;
	struct asker asker[ASKERS];
};

/* ---- copies */

static struct kept *find(struct keeping *k, uint64_t serial)
{
	struct kept *kept;

	HASH_FIND(hh, k->all, &serial, sizeof(serial), kept);
	return kept;
}

static void tell(const struct keeping *k, uint64_t serial,
		 enum keeper_kind kind)
{
	const struct keeper_message m = { .serial = serial, .kind = kind };

	/* memd reads all the time, so there is room; where not, memd keeps a
	 * descriptor for longer than it must. */
	if (k->socket >= 0)
		(void)send(k->socket, &m, sizeof(m), MSG_NOSIGNAL |
			   MSG_DONTWAIT);
}

static bool watch(const struct keeping *k, int fd, uint32_t events,
		  uint64_t source)
{
	struct epoll_event e = { .events = events, .data.u64 = source };

	return epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0 ||
	       epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static void unwatch(const struct keeping *k, int fd)
{
	/* Fails for what is not watched. */
	(void)epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void close_lifeline(const struct keeping *k, struct kept *kept)
{
	if (kept->lifeline >= 0) {
		unwatch(k, kept->lifeline);
		close(kept->lifeline);
	}
	kept->lifeline = -1;
}

/* memd still has what cannot be kept here. */
static struct kept *add(struct keeping *k, uint64_t serial, uint32_t uid)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		return NULL;
	kept->serial = serial;
	kept->uid = uid;
	HASH_ADD(hh, k->all, serial, sizeof(kept->serial), kept);
	if (find(k, serial) == kept)
		return kept;
	free(kept);
	return NULL;
}

static void keep(struct keeping *k, uint64_t serial, uint32_t uid, int fd,
		 int lifeline)
{
	struct kept *kept = fd >= 0 ? add(k, serial, uid) : NULL;

	if (kept == NULL) {
		if (fd >= 0)
			close(fd);
		if (lifeline >= 0)
			close(lifeline);
		tell(k, serial, KEEPER_LACKS);
		return;
	}
	kept->fd = fd;
	kept->lifeline = lifeline;
	/* Its end is told without being asked for. */
	if (lifeline >= 0 &&
	    !watch(k, lifeline, 0, SOURCE_LIFELINE | serial))
		close_lifeline(k, kept);
}

static void end(struct keeping *k, struct kept *kept)
{
	if (kept->is_ended)
		return;
	kept->is_ended = true;
	kept->pause_ns = PAUSE_FIRST_NS;
	kept->ask_ns = k->now_ns;
	TAILQ_INSERT_HEAD(&k->ended, kept, link);
}

/* The next fault of an orphan makes an asker look. */
static void watch_orphan(struct keeping *k, struct kept *kept)
{
	kept->is_watched = watch(k, kept->fd, EPOLLIN | EPOLLONESHOT,
				 SOURCE_UFFD | kept->serial);
}

static void become_orphan(struct keeping *k, struct kept *kept)
{
	close_lifeline(k, kept);
	kept->is_orphan = true;
	end(k, kept);
	kept->ask_ns = k->now_ns;
	watch_orphan(k, kept);
}

/* Leaves its descriptor to the caller. */
static int let_go(struct keeping *k, struct kept *kept)
{
	int fd = kept->fd;

	close_lifeline(k, kept);
	unwatch(k, fd);
	if (kept->is_ended)
		TAILQ_REMOVE(&k->ended, kept, link);
	if (kept->asker != NULL)
		for (unsigned i = 0; i < kept->asker->count; i++)
			if (kept->asker->batch[i] == kept)
				kept->asker->batch[i] = NULL;
	HASH_DEL(k->all, kept);
	free(kept);
	return fd;
}

/* ---- askers */

/* Is the address space that `fd` watches gone?  An ioctl for a range that is
 * surely not registered fails with ENOENT while it is there, and with ESRCH
 * when it is not.  (Older kernels than any that memd runs on: ENOSPC.) */
static bool ask(int fd, uint64_t probe)
{
	struct uffdio_zeropage z = {
		.range = { .start = probe, .len = UNIT_BYTES },
	};

	return ioctl(fd, UFFDIO_ZEROPAGE, &z) != 0 && errno == ESRCH;
}

/* Whoever touches this gets an error.  Returns false where the kernel cannot do
 * that. */
static bool poison(int fd, uint64_t address)
{
	struct uffdio_poison p = {
		.range = { .start = address & -(uint64_t)UNIT_BYTES,
			   .len = UNIT_BYTES },
	};
	struct uffdio_range range = p.range;
	int err = ioctl(fd, UFFDIO_POISON, &p) != 0 ? errno : 0;

	if (err == 0)
		return true;
	/* Mapped or poisoned: it may go on.  Not now: it asks again. */
	if (err != EEXIST && err != EAGAIN && err != ENOMEM)
		return false;
	return ioctl(fd, UFFDIO_WAKE, &range) == 0;
}

/* Returns whether there was a fault that could be answered.  A program that
 * makes its descriptor block keeps this child, which is nobody's loss. */
static bool answer_faults(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct uffd_msg message[EVENTS_MAX];
	bool has_answered = false;
	ssize_t n;

	if (poll(&p, 1, 0) <= 0 || (p.revents & POLLIN) == 0)
		return false;
	n = read(fd, message, sizeof(message));
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(message[0]); i++)
		if (message[i].event == UFFD_EVENT_PAGEFAULT)
			has_answered |= poison(
				fd, message[i].arg.pagefault.address);
	return has_answered;
}

/* The child.  What it has of the dropped ones closes at its end. */
static _Noreturn void run_asker(const struct keeping *k, const struct asker *a,
				pid_t keeper)
{
	if (k->socket >= 0)
		close(k->socket);
	for (unsigned i = 0; i < a->count; i++) {
		const struct kept *kept = a->batch[i];
		bool is_gone = ask(kept->fd, k->probe);

		atomic_store(&a->findings->of[i].is_gone, is_gone);
		atomic_store(&a->findings->of[i].has_answered, !is_gone &&
			     kept->is_orphan && answer_faults(kept->fd));
		atomic_store(&a->findings->progress, i + 1);
	}
	/* Only now is this the last one that has the dropped ones. */
	while (!atomic_load(&a->findings->may_end) && getppid() == keeper)
		(void)poll(NULL, 0, 1);
	_exit(0);
}

static struct asker *find_asker(struct keeping *k, enum asker_state state)
{
	for (unsigned i = 0; i < ASKERS; i++)
		if (k->asker[i].state == state)
			return &k->asker[i];
	return NULL;
}

/* Has somebody of this user's got an asker stuck? */
static bool is_blamed(const struct keeping *k, uint32_t uid)
{
	for (unsigned i = 0; i < ASKERS; i++)
		if (k->asker[i].state == ASKER_STUCK && k->asker[i].uid == uid)
			return true;
	return false;
}

static bool is_due(const struct keeping *k, const struct kept *kept)
{
	return kept->asker == NULL && kept->ask_ns <= k->now_ns &&
	       !is_blamed(k, kept->uid);
}

/* Choose the user who is served next.  False: there is none. */
static bool choose_user(const struct keeping *k, uint32_t *ret_uid)
{
	const struct kept *kept;

	for (unsigned i = 0; i < k->dropped_count; i++)
		if (!is_blamed(k, k->dropped[i].uid)) {
			*ret_uid = k->dropped[i].uid;
			return true;
		}
	TAILQ_FOREACH(kept, &k->ended, link)
		if (is_due(k, kept)) {
			*ret_uid = kept->uid;
			return true;
		}
	return false;
}

static void choose_batch(struct keeping *k, struct asker *a)
{
	struct kept *kept;

	a->count = 0;
	TAILQ_FOREACH(kept, &k->ended, link) {
		if (a->count == BATCH_MAX)
			return;
		if (kept->uid == a->uid && is_due(k, kept))
			a->batch[a->count++] = kept;
	}
}

static void close_dropped(struct keeping *k, uint32_t uid)
{
	unsigned left = 0;

	for (unsigned i = 0; i < k->dropped_count; i++)
		if (k->dropped[i].uid == uid)
			close(k->dropped[i].fd);
		else
			k->dropped[left++] = k->dropped[i];
	if (k->dropped_count == BATCH_MAX && left < BATCH_MAX &&
	    k->socket >= 0)
		(void)watch(k, k->socket, EPOLLIN, SOURCE_SOCKET);
	k->dropped_count = left;
}

/* Returns false when there is no process for it. */
static bool fork_asker(struct keeping *k, struct asker *a)
{
	pid_t keeper = getpid();
	int pair[2];

	atomic_store(&a->findings->progress, 0);
	atomic_store(&a->findings->may_end, false);
	if (pipe(pair) != 0)
		return false;
	a->pid = fork();
	if (a->pid == 0) {
		close(pair[0]);
		run_asker(k, a, keeper);
	}
	close(pair[1]);
	if (a->pid < 0) {
		close(pair[0]);
		return false;
	}
	a->pipe = pair[0];
	(void)watch(k, a->pipe, 0, SOURCE_ASKER | (uint64_t)(a - k->asker));
	return true;
}

static void start_asker(struct keeping *k)
{
	struct asker *a = find_asker(k, ASKER_FREE);

	if (a == NULL || find_asker(k, ASKER_RUNNING) != NULL)
		return;
	if (!choose_user(k, &a->uid))
		return;
	choose_batch(k, a);
	if (!fork_asker(k, a)) {
		for (unsigned i = 0; i < a->count; i++)
			a->batch[i]->ask_ns = k->now_ns + PAUSE_MOST_NS;
		return;
	}
	a->state = ASKER_RUNNING;
	a->since_ns = k->now_ns;
	a->progress = 0;
	for (unsigned i = 0; i < a->count; i++)
		a->batch[i]->asker = a;
	/* The child has them, too, and closes them last. */
	close_dropped(k, a->uid);
	atomic_store(&a->findings->may_end, true);
}

static void ask_later(struct keeping *k, struct kept *kept, bool has_answered)
{
	kept->asker = NULL;
	/* Without an answer there is nothing to be heard of that is new: only
	 * after the pause. */
	if (kept->is_orphan && (has_answered || !kept->is_watched))
		watch_orphan(k, kept);
	if (has_answered)
		kept->pause_ns = PAUSE_FIRST_NS;
	kept->ask_ns = k->now_ns + kept->pause_ns;
	kept->pause_ns = MIN(kept->pause_ns * 2, PAUSE_MOST_NS);
	/* Those that have been asked least stand first. */
	TAILQ_REMOVE(&k->ended, kept, link);
	TAILQ_INSERT_TAIL(&k->ended, kept, link);
}

static void finish_asker(struct keeping *k, struct asker *a)
{
	unsigned known = atomic_load(&a->findings->progress);

	(void)waitpid(a->pid, NULL, 0);
	unwatch(k, a->pipe);
	close(a->pipe);
	for (unsigned i = 0; i < a->count; i++) {
		struct kept *kept = a->batch[i];

		if (kept == NULL)
			continue;
		if (i < known && atomic_load(&a->findings->of[i].is_gone)) {
			uint64_t serial = kept->serial;

			close(let_go(k, kept));
			tell(k, serial, KEEPER_GONE);
		} else {
			ask_later(k, kept, i < known && atomic_load(
				&a->findings->of[i].has_answered));
		}
	}
	a->count = 0;
	a->state = ASKER_FREE;
}

/* Whoever it waits for is left to it; the others are for the next one. */
static void note_progress(struct keeping *k, struct asker *a)
{
	unsigned progress = atomic_load(&a->findings->progress);

	if (progress != a->progress) {
		a->progress = progress;
		a->since_ns = k->now_ns;
	}
	if (k->now_ns - a->since_ns < PATIENCE_NS)
		return;
	a->state = ASKER_STUCK;
	for (unsigned i = 0; i < a->count; i++) {
		if (i == progress || a->batch[i] == NULL)
			continue;
		ask_later(k, a->batch[i], false);
		a->batch[i] = NULL;
	}
}

/* ---- messages */

/* The descriptors that came: the copy's, and its lifeline.  -1: none. */
static void fds_of(struct msghdr *msg, int ret_fd[2])
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	ret_fd[0] = ret_fd[1] = -1;
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(cmsg),
		       MIN(cmsg->cmsg_len - CMSG_LEN(0), 2 * sizeof(int)));
}

static void drop(struct keeping *k, struct kept *kept)
{
	k->dropped[k->dropped_count].uid = kept->uid;
	k->dropped[k->dropped_count++].fd = let_go(k, kept);
	if (k->dropped_count == BATCH_MAX)	/* no more for now */
		(void)watch(k, k->socket, 0, SOURCE_SOCKET);
}

static void take(struct keeping *k, const struct keeper_message *m,
		 const int fd[2])
{
	struct kept *kept;

	if (m->kind == KEEPER_KEEP) {
		keep(k, m->serial, m->uid, fd[0], fd[1]);
		return;
	}
	kept = find(k, m->serial);
	if (kept == NULL)
		return;
	if (m->kind == KEEPER_ENDED)
		end(k, kept);
	else if (m->kind == KEEPER_DROP)
		drop(k, kept);
}

/* memd has ended: whatever it kept is the keeper's alone now. */
static void outlive(struct keeping *k)
{
	struct kept *kept;

	close(k->socket);
	k->socket = -1;
	for (kept = k->all; kept != NULL; kept = kept->hh.next)
		end(k, kept);
}

static void receive(struct keeping *k)
{
	for (unsigned i = 0; i < MESSAGES_PER_TURN &&
	     k->dropped_count < BATCH_MAX; i++) {
		struct keeper_message m;
		union {
			char bytes[CMSG_SPACE(2 * sizeof(int))];
			struct cmsghdr aligned;
		} control;
		int fd[2];
		struct iovec iov = { &m, sizeof(m) };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(k->socket, &msg,
				    MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n == (ssize_t)sizeof(m)) {
			fds_of(&msg, fd);
			take(k, &m, fd);
		} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
			outlive(k);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

/* ---- the loop */

static int next_ms(const struct keeping *k)
{
	uint64_t next_ns = UINT64_MAX;
	const struct kept *kept;
	bool is_free = false;

	for (unsigned i = 0; i < ASKERS; i++) {
		if (k->asker[i].state == ASKER_RUNNING)
			next_ns = k->asker[i].since_ns + PATIENCE_NS;
		is_free |= k->asker[i].state == ASKER_FREE;
	}
	if (next_ns == UINT64_MAX && is_free) {
		for (unsigned i = 0; i < k->dropped_count; i++)
			if (!is_blamed(k, k->dropped[i].uid))
				next_ns = k->now_ns + PAUSE_FIRST_NS;
		TAILQ_FOREACH(kept, &k->ended, link)
			if (kept->asker == NULL && !is_blamed(k, kept->uid))
				next_ns = MIN(next_ns, kept->ask_ns);
	}
	if (next_ns == UINT64_MAX)
		return -1;
	return next_ns <= k->now_ns ? 0 :
		(int)DIV_ROUND_UP(next_ns - k->now_ns, UINT64_C(1000000));
}

static void take_event(struct keeping *k, uint64_t source, uint32_t events)
{
	uint64_t number = source & ~SOURCES;
	struct kept *kept = NULL;

	switch (source & SOURCES) {
	case SOURCE_SOCKET:
		if (k->socket >= 0)
			receive(k);
		break;
	case SOURCE_ASKER:
		if (k->asker[number].state != ASKER_FREE)
			finish_asker(k, &k->asker[number]);
		break;
	case SOURCE_LIFELINE:
		kept = find(k, number);
		if (kept != NULL && kept->lifeline >= 0)
			become_orphan(k, kept);
		break;
	default:
		kept = find(k, number);
		if (kept != NULL) {
			kept->is_watched = false;
			/* Else its owner has made it block: only after the
			 * pause. */
			if (events & EPOLLIN)
				kept->ask_ns = k->now_ns;
		}
		break;
	}
}

static void wait_for_work(struct keeping *k)
{
	struct epoll_event event[EVENTS_MAX];
	int count = epoll_wait(k->epoll_fd, event, EVENTS_MAX, next_ms(k));

	k->now_ns = clock_now_ns();
	for (int i = 0; i < count; i++)
		take_event(k, event[i].data.u64, event[i].events);
	for (unsigned i = 0; i < ASKERS; i++)
		if (k->asker[i].state == ASKER_RUNNING)
			note_progress(k, &k->asker[i]);
}

static bool is_over(const struct keeping *k)
{
	return k->socket < 0 && k->all == NULL && k->dropped_count == 0 &&
	       find_asker((struct keeping *)k, ASKER_RUNNING) == NULL;
}

/* Below this nobody can map anything, and right above it hardly anybody does;
 * and it is an address for programs of any word size. */
static uint64_t lowest_address(void)
{
	FILE *f = fopen("/proc/sys/vm/mmap_min_addr", "re");
	unsigned long long lowest = 65536;

	if (f != NULL) {
		(void)!fscanf(f, "%llu", &lowest);
		fclose(f);
	}
	return MAX(DIV_ROUND_UP(lowest, UNIT_BYTES) * UNIT_BYTES, UNIT_BYTES);
}

static int prepare(struct keeping *k)
{
	sigset_t all;

	/* A signal to memd's whole group is for memd. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "memd-keeper");
	if (chdir("/") != 0)
		return -errno;
	TAILQ_INIT(&k->ended);
	k->probe = lowest_address();
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll_fd < 0 ||
	    !watch(k, k->socket, EPOLLIN, SOURCE_SOCKET))
		return -EMFILE;
	for (unsigned i = 0; i < ASKERS; i++) {
		struct findings *f = mmap(NULL, sizeof(*f), PROT_READ |
					  PROT_WRITE, MAP_SHARED |
					  MAP_ANONYMOUS, -1, 0);

		if (f == MAP_FAILED)
			return -ENOMEM;
		k->asker[i].findings = f;
	}
	return 0;
}

int keeper_process_run(int socket)
{
	static struct keeping k;

	k.socket = socket;
	if (prepare(&k) != 0)
		return EXIT_FAILURE;
	while (!is_over(&k)) {
		wait_for_work(&k);
		start_asker(&k);
	}
	return EXIT_SUCCESS;
}
