/* SPDX-License-Identifier: MIT */
/* The bell: see bell.h.
 *
 * B1  The program may have closed one of our numbers, and used it again.  So
 *     fstat() must show the same socket as before, each time before a number is
 *     used.  (The inode of a socket is not used again while the socket is
 *     open.)  The only calls are send() and recvmsg(), which do nothing to a
 *     descriptor that is no socket.
 * B2  Many threads use the bell's number, or one thread changes it (`users`).
 *     Nobody waits for that: a thread that may not use it asks the library's
 *     thread.  So a thread that a debugger has stopped keeps no other thread
 *     from its page.
 * B3  A bell belongs to a session.  A thread rings only with the bell of the
 *     session in whose mailbox it asks.
 * B4  At most one bell hangs on the hook, that of the last session.  Threads
 *     fetch copies with MSG_PEEK, so the bell stays there.  A program that
 *     closes only the copy does not lose the bell, and neither does one that
 *     had no free number.  But a session has at most FETCHES_MAX copies: where
 *     threads have different tables of descriptors, each thread would take the
 *     number of the other table for closed, and fetch again and again.
 * B5  A fork waits for the end of a fetch (F2 in forks.h), so its child knows
 *     all there is, and closes it.  The child of a vfork has this memory and a
 *     table of its own.  It may ring with the number that it has inherited, but
 *     it changes nothing here: a number of its table is none of ours.
 * B6  System calls are made with syscall(2), because the C library's send() and
 *     recvmsg() are cancellation points, and the thread may be one that is
 *     being cancelled.  No call waits (MSG_DONTWAIT).
 * B7  The kernel writes a fetched bell into struct bell, never into the
 *     thread's stack.  While it writes, it holds a lock of the hook, for which
 *     the library's thread may wait (bell_take_down()).  The stack may be
 *     managed memory, whose page only the library's thread can bring.
 * B8  The daemon may have gone, or have closed its end.  Then send() returns
 *     EPIPE, and the ring is not done.  It raises no SIGPIPE (MSG_NOSIGNAL),
 *     which the program would die of. */
#include "client/fault/bell.h"
#include "client/link/forks.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BELL_CHANGES	UINT32_MAX

enum { FETCHES_MAX = 64 };

/* ---- made and gone */

static void close_hook(struct bell_hook *hook, unsigned end)
{
	descriptor_close(hook->fd[end], &hook->id[end]);
	hook->fd[end] = -1;
}

/* None may be 0, 1 or 2. */
static int raise_hook(struct bell_hook *hook)
{
	int err = 0;

	for (unsigned i = 0; i < 2; i++) {
		hook->fd[i] = descriptor_raise(hook->fd[i]);
		if (hook->fd[i] < 0)
			err = -errno;
		else if (descriptor_identify(hook->fd[i], &hook->id[i]) != 0)
			err = -EBADF;
	}
	return err;
}

int bell_init(struct bell *b)
{
	int err;

	b->fd = b->hook.fd[0] = b->hook.fd[1] = -1;
	b->pid = getpid();
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       b->hook.fd) != 0)
		return -errno;
	err = raise_hook(&b->hook);
	if (err != 0)
		bell_fini(b);
	return err;
}

void bell_part(struct bell *b)
{
	close_hook(&b->hook, 1);
}

static void drop(struct bell *b)
{
	atomic_store(&b->generation, 0);
	descriptor_close(b->fd, &b->id);
	b->fd = -1;
}

void bell_fini(struct bell *b)
{
	close_hook(&b->hook, 0);
	close_hook(&b->hook, 1);
	drop(b);
}

/* ---- the hook: the library's thread */

bool bell_is_hook(const struct bell_hook *hook)
{
	return descriptor_is(hook->fd[0], &hook->id[0]) &&
	       descriptor_is(hook->fd[1], &hook->id[1]);
}

void bell_take_down(const struct bell_hook *hook)
{
	uint64_t generation;

	/* The kernel closes what hangs there. */
	(void)!recv(hook->fd[0], &generation, sizeof(generation),
		    MSG_DONTWAIT);
}

void bell_hang(const struct bell_hook *hook, int fd, uint64_t generation)
{
	union bell_control control = { .bytes = { 0 } };
	struct iovec iov = { &generation, sizeof(generation) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };

	bell_take_down(hook);
	control.aligned.cmsg_level = SOL_SOCKET;
	control.aligned.cmsg_type = SCM_RIGHTS;
	control.aligned.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.aligned), &fd, sizeof(fd));
	(void)!sendmsg(hook->fd[1], &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- fetching it: B4, B5, B7 */

/* Returns a new descriptor, or -1. */
static int look_at_hook(struct bell *b)
{
	struct iovec iov = { &b->hung, sizeof(b->hung) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &b->control,
			    .msg_controllen = sizeof(b->control) };
	long n = syscall(SYS_recvmsg, b->hook.fd[0], &m,
			 MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (n != sizeof(b->hung) || m.msg_controllen == 0)
		return -1;
	memcpy(&fd, CMSG_DATA(&b->control.aligned), sizeof(fd));
	return descriptor_raise(fd);
}

static bool may_fetch(struct bell *b, uint64_t generation)
{
	if (b->fetched_for != generation) {
		b->fetched_for = generation;
		b->fetch_count = 0;
	}
	return b->fetch_count < FETCHES_MAX && getpid() == b->pid &&
	       descriptor_is(b->hook.fd[0], &b->hook.id[0]);
}

/* Get the bell of the last session, which may be another one. */
static void fetch(struct bell *b, uint64_t generation)
{
	if (!may_fetch(b, generation) || !forks_begin_fetch())
		return;
	drop(b);
	b->fd = look_at_hook(b);
	if (b->fd >= 0 && descriptor_identify(b->fd, &b->id) == 0) {
		b->fetch_count++;
		atomic_store(&b->generation, b->hung);
	}
	forks_end_fetch();
}

/* ---- ringing: B1, B2, B3 */

static bool begin_use(struct bell *b)
{
	uint32_t users = atomic_load(&b->users);

	while (users != BELL_CHANGES)
		if (atomic_compare_exchange_weak(&b->users, &users, users + 1))
			return true;
	return false;
}

static void end_use(struct bell *b)
{
	atomic_fetch_sub(&b->users, 1);
}

static bool is_for(const struct bell *b, uint64_t generation)
{
	return atomic_load(&b->generation) == generation;
}

static bool is_at_hand(const struct bell *b, uint64_t generation)
{
	return is_for(b, generation) && descriptor_is(b->fd, &b->id);
}

/* Use the bell of this session, if that is allowed. */
static bool take_in_hand(struct bell *b, uint64_t generation)
{
	uint32_t none = 0;

	/* A thread that needs another one must not count itself in, or two of
	 * them would keep each other from it. */
	if (is_for(b, generation) && begin_use(b)) {
		if (is_at_hand(b, generation))
			return true;
		end_use(b);
	}
	if (!atomic_compare_exchange_strong(&b->users, &none, BELL_CHANGES))
		return false;
	fetch(b, generation);
	atomic_store(&b->users, 1);
	if (is_at_hand(b, generation))
		return true;
	end_use(b);
	return false;
}

/* B6, B8.  If there is no room, the daemon has been rung and has not come
 * yet. */
static bool strike(const struct bell *b)
{
	long n;

	do
		n = syscall(SYS_sendto, b->fd, "", 1,
			    MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 || errno == EAGAIN;
}

bool bell_ring(struct bell *b, uint64_t generation)
{
	bool is_rung;

	if (!take_in_hand(b, generation))
		return false;
	is_rung = strike(b);
	end_use(b);
	return is_rung;
}
