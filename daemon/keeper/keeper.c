/* SPDX-License-Identifier: MIT */
/* memd's side of the keeper: see keeper.h. */
#include "daemon/keeper/keeper.h"

#include "common/clock.h"
#include "daemon/segments/accounts.h"
#include "daemon/keeper/descriptor_kind.h"
#include "daemon/keeper/keeper_message.h"
#include "daemon/keeper/keeper_spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FOREIGN_MAX = 4,	/* foreign descriptors of one user, K5 */
	MESSAGES_PER_TURN = 256,
	LAST_WORDS_MS = 1000,
};

/* ---- the process */

static void keeper_pump(struct keeper *k);
static void keeper_take_messages(struct keeper *k);

static void on_keeper_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	keeper_take_messages(arg);
}

static void on_keeper_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	keeper_pump(arg);
}

static int keeper_start(struct keeper *k)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, pair) != 0)
		return -errno;
	err = keeper_spawn(pair[1], &k->pid);
	close(pair[1]);
	if (err != 0) {
		k->pid = 0;
		close(pair[0]);
		return err;
	}
	k->socket = pair[0];
	(void)event_assign(&k->readable, k->base, k->socket,
			   EV_READ | EV_PERSIST, on_keeper_readable, k);
	(void)event_assign(&k->writable, k->base, k->socket, EV_WRITE,
			   on_keeper_writable, k);
	if (event_add(&k->readable, NULL) != 0)
		return -ENOMEM;
	return 0;
}

static void enqueue(struct keeper *k, struct uffd_copy *c)
{
	if (!c->is_queued)
		TAILQ_INSERT_TAIL(&k->queue, c, queue_link);
	c->is_queued = true;
}

static void dequeue(struct keeper *k, struct uffd_copy *c)
{
	if (c->is_queued)
		TAILQ_REMOVE(&k->queue, c, queue_link);
	c->is_queued = false;
}

/* The keeper has died.  Mark all copies, so that the next one gets them. */
static void keeper_lose(struct keeper *k)
{
	struct uffd_copy *c;

	if (k->pid == 0)
		return;
	(void)event_del(&k->readable);
	(void)event_del(&k->writable);
	close(k->socket);
	/* Its exit may take long: a close may wait for a client's lock. */
	(void)kill(k->pid, SIGKILL);
	if (waitpid(k->pid, NULL, WNOHANG) == 0)
		k->ended_pid = k->pid;
	k->pid = 0;
	k->socket = -1;
	for (c = k->copies; c != NULL; c = c->hh.next) {
		c->told = COPY_UNTOLD;
		if (c->state != COPY_FOREIGN)
			enqueue(k, c);
	}
}

int keeper_init(struct keeper *k, struct event_base *base,
		struct accounts *accounts,
		void (*release_pins)(void *ctx, struct pin_list *pins),
		void (*release_desk)(void *ctx, struct session_desk *desk),
		void *ctx)
{
	*k = (struct keeper){ .base = base, .accounts = accounts,
			      .release_pins = release_pins,
			      .release_desk = release_desk, .ctx = ctx,
			      .socket = -1, .is_on = true };
	TAILQ_INIT(&k->queue);
	return keeper_start(k);
}

static void keeper_tell_again(struct keeper *k)
{
	struct uffd_copy *c;

	k->is_lacking = false;
	for (c = k->copies; c != NULL; c = c->hh.next)
		if (c->told == COPY_UNTOLD && c->state != COPY_FOREIGN)
			enqueue(k, c);
	keeper_pump(k);
}

int keeper_tick(struct keeper *k)
{
	int err;

	if (!k->is_on)
		return 0;
	if (k->ended_pid != 0 && waitpid(k->ended_pid, NULL, WNOHANG) != 0)
		k->ended_pid = 0;
	if (k->pid != 0) {
		if (k->is_lacking)
			keeper_tell_again(k);
		return 0;
	}
	err = keeper_start(k);
	if (err != 0)
		return err;
	keeper_pump(k);
	return 1;
}

/* ---- copies */

static void uffd_copy_enter(struct keeper *k, struct uffd_copy *c,
			    enum copy_state next)
{
	ASSERT(c->state == COPY_LIVE && next == COPY_ENDED);
	k->count[c->state]--;
	LIST_REMOVE(c, session_link);
	c->state = next;
	c->account->ended_copies++;
	k->count[next]++;
	k->last_ended_ns = clock_now_ns();
	/* If there is no memory, it is not in this table, and K7 fails. */
	HASH_ADD(of_file, k->ended, file, sizeof(c->file), c);
}

static void leave_ended(struct keeper *k, struct uffd_copy *c)
{
	c->account->ended_copies--;
	/* A file may have several; one that could not be added has no tbl. */
	if (c->of_file.tbl != NULL)
		HASH_DELETE(of_file, k->ended, c);
}

/* K7: the new copy `c` replaces an ended copy of the same userfaultfd. */
static void replace_ended(struct keeper *k, struct uffd_copy *c)
{
	struct uffd_copy *old;

	HASH_FIND(of_file, k->ended, &c->file, sizeof(c->file), old);
	if (old == NULL || old->account != c->account)
		return;
	k->release_pins(k->ctx, &old->pins);
	/* The memory is not gone. */
	c->desk = old->desk;
	old->desk = NULL;
	old->is_unmapped = true;
	enqueue(k, old);
}

/* Free a copy.  Its address space is gone, or the keeper still has it: K4. */
static void uffd_copy_release(struct keeper *k, struct uffd_copy *c)
{
	dequeue(k, c);
	k->count[c->state]--;
	if (c->state == COPY_LIVE)
		LIST_REMOVE(c, session_link);
	else if (c->state == COPY_ENDED)
		leave_ended(k, c);
	else
		c->account->foreign_descriptors--;
	k->release_pins(k->ctx, &c->pins);
	if (c->desk != NULL)
		k->release_desk(k->ctx, c->desk);
	account_put(k->accounts, c->account);
	HASH_DEL(k->copies, c);
	if (c->state != COPY_FOREIGN && c->fd >= 0)
		close(c->fd);
	if (c->lifeline >= 0)
		close(c->lifeline);
	free(c);
}

/* Clients may go on without memd, so the keeper must have all copies. */
static void keeper_tell_all(struct keeper *k)
{
	struct pollfd p = { .fd = k->socket, .events = POLLOUT };

	keeper_pump(k);
	while (k->pid != 0 && !TAILQ_EMPTY(&k->queue) &&
	       poll(&p, 1, LAST_WORDS_MS) > 0 &&
	       (p.revents & (POLLERR | POLLHUP)) == 0)
		keeper_pump(k);
}

void keeper_fini(struct keeper *k)
{
	struct uffd_copy *c, *next;

	if (!k->is_on)
		return;
	keeper_tell_all(k);
	HASH_ITER(hh, k->copies, c, next)
		uffd_copy_release(k, c);
	if (k->pid != 0) {
		(void)event_del(&k->readable);
		(void)event_del(&k->writable);
		close(k->socket);
	}
	k->is_on = false;
}

static struct uffd_copy *uffd_copy_make(struct keeper *k,
					struct account *uid_account, int fd,
					bool is_userfaultfd)
{
	struct uffd_copy *c = calloc(1, sizeof(*c)), *found;
	struct stat st;

	if (c == NULL)
		return NULL;
	c->serial = ++k->last_serial;
	c->fd = fd;
	c->lifeline = -1;
	if (is_userfaultfd && fstat(fd, &st) == 0)
		c->file = st.st_ino;
	HASH_ADD(hh, k->copies, serial, sizeof(c->serial), c);
	HASH_FIND(hh, k->copies, &c->serial, sizeof(c->serial), found);
	if (found != c) {
		free(c);
		return NULL;
	}
	c->account = uid_account;
	account_hold(c->account);
	return c;
}

static void add_lifeline(const struct uffd_copy_list *copies, int fd)
{
	struct uffd_copy *c;

	/* It belongs to the first userfaultfd, which is last on the list. */
	LIST_FOREACH(c, copies, session_link)
		if (LIST_NEXT(c, session_link) == NULL && c->lifeline < 0) {
			c->lifeline = fd;
			return;
		}
	close(fd);
}

/* If there is no memory to note the descriptor, it stays open: K5. */
static int add_one(struct keeper *k, struct uffd_copy_list *copies,
		   struct account *uid_account, int fd)
{
	enum descriptor_kind kind = descriptor_kind_of(fd);
	struct uffd_copy *c;

	if (kind == IS_PIPE) {
		add_lifeline(copies, fd);
		return 0;
	}
	c = uffd_copy_make(k, uid_account, fd, kind == IS_USERFAULTFD);
	if (c == NULL)
		return -ENOMEM;
	c->state = kind == IS_USERFAULTFD ? COPY_LIVE : COPY_FOREIGN;
	k->count[c->state]++;
	if (kind == IS_FOREIGN) {
		c->account->foreign_descriptors++;
		return -EBADF;
	}
	LIST_INSERT_HEAD(copies, c, session_link);
	enqueue(k, c);
	replace_ended(k, c);
	return 0;
}

/* The kernel takes the memory of a killed program apart in milliseconds, on a
 * busy machine in hundreds of them. */
#define LATELY_NS	UINT64_C(2000000000)

bool keeper_has_lately_ended(const struct keeper *k)
{
	return k->last_ended_ns != 0 &&
	       clock_now_ns() - k->last_ended_ns < LATELY_NS;
}

bool keeper_trusts(const struct account *uid_account, uint64_t most_ended)
{
	return uid_account->foreign_descriptors < FOREIGN_MAX &&
	       uid_account->ended_copies <= most_ended;
}

int keeper_add(struct keeper *k, struct uffd_copy_list *copies,
	       struct account *uid_account, const int *fds, unsigned count)
{
	int err = 0;

	for (unsigned i = 0; i < count; i++) {
		int err_one = add_one(k, copies, uid_account, fds[i]);

		err = err != 0 ? err : err_one;
	}
	keeper_pump(k);
	return err;
}

void keeper_end_session(struct keeper *k, struct uffd_copy_list *copies,
			bool is_unmapped)
{
	struct uffd_copy *c;

	while ((c = LIST_FIRST(copies)) != NULL) {
		uffd_copy_enter(k, c, COPY_ENDED);
		c->is_unmapped = is_unmapped;
		if (c->is_gone)
			uffd_copy_release(k, c);
		else
			enqueue(k, c);
	}
	if (k->is_on)
		keeper_pump(k);
}

void keeper_release_pins(struct keeper *k)
{
	struct uffd_copy *c;

	for (c = k->copies; c != NULL; c = c->hh.next)
		k->release_pins(k->ctx, &c->pins);
}

uint32_t keeper_descriptors(const struct keeper *k)
{
	/* At most: not every copy has a lifeline. */
	return 2 * (k->count[COPY_LIVE] + k->count[COPY_ENDED]) +
	       k->count[COPY_FOREIGN];
}

/* ---- sending */

static int keeper_send(const struct keeper *k, enum keeper_kind kind,
			const struct uffd_copy *c)
{
	struct keeper_message m = { .serial = c->serial, .kind = kind,
				    .uid = c->account->uid };
	const int fds[2] = { c->fd, c->lifeline };
	size_t fds_bytes = (c->lifeline >= 0 ? 2 : 1) * sizeof(int);
	union {
		char bytes[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr aligned;
	} control = { .bytes = { 0 } };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (kind == KEEPER_KEEP) {
		struct cmsghdr *cmsg;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fds_bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fds_bytes);
		memcpy(CMSG_DATA(cmsg), fds, fds_bytes);
	}
	return sendmsg(k->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ?
		-errno : 0;
}

/* Close memd's descriptor first, so that it is not the last one: K4. */
static int keeper_tell_dropped(struct keeper *k, struct uffd_copy *c)
{
	int err = 0;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	if (c->told != COPY_UNTOLD)
		err = keeper_send(k, KEEPER_DROP, c);
	if (err == 0)
		uffd_copy_release(k, c);
	return err;
}

/* Tell the keeper what it does not know about this copy yet. */
static int keeper_tell(struct keeper *k, struct uffd_copy *c)
{
	int err = 0;

	if (c->told == COPY_UNTOLD && c->fd >= 0) {
		err = keeper_send(k, KEEPER_KEEP, c);
		if (err == 0)
			c->told = COPY_TOLD_KEEP;
	}
	if (err != 0 || c->state != COPY_ENDED)
		return err;
	if (c->is_unmapped)
		return keeper_tell_dropped(k, c);
	err = keeper_send(k, KEEPER_ENDED, c);
	if (err == 0)
		c->told = COPY_TOLD_ENDED;
	return err;
}

static void keeper_pump(struct keeper *k)
{
	struct uffd_copy *c;

	while (k->pid != 0 && (c = TAILQ_FIRST(&k->queue)) != NULL) {
		int err;

		dequeue(k, c);
		err = keeper_tell(k, c);
		if (err == 0)
			continue;
		enqueue(k, c);
		/* Other errors: the keeper has died; reading notices that. */
		if (err == -EAGAIN)
			(void)event_add(&k->writable, NULL);
		return;
	}
}

/* ---- receiving */

static void keeper_take_message(struct keeper *k,
				const struct keeper_message *m)
{
	struct uffd_copy *c;

	HASH_FIND(hh, k->copies, &m->serial, sizeof(m->serial), c);
	if (c == NULL)
		return;		/* dropped meanwhile */
	if (m->kind == KEEPER_GONE && c->state == COPY_ENDED) {
		uffd_copy_release(k, c);
	} else if (m->kind == KEEPER_GONE) {
		c->is_gone = true;	/* its session will end soon */
		dequeue(k, c);
	} else if (m->kind == KEEPER_LACKS) {
		c->told = COPY_UNTOLD;	/* tried again at the next tick */
		k->is_lacking = true;
	}
}

static void keeper_take_messages(struct keeper *k)
{
	for (unsigned i = 0; i < MESSAGES_PER_TURN; i++) {
		struct keeper_message m;
		ssize_t n = recv(k->socket, &m, sizeof(m), MSG_DONTWAIT);

		if (n == (ssize_t)sizeof(m)) {
			keeper_take_message(k, &m);
		} else if (n == 0 || (n < 0 && errno != EAGAIN &&
				      errno != EINTR)) {
			keeper_lose(k);
			return;
		} else {
			return;
		}
	}
}
