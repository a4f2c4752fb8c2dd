/* SPDX-License-Identifier: MIT */
/* The keeper's loop: messages from memd, and events from epoll. */
#include "daemon/keeper/keeper_process.h"

#include "common/clock.h"
#include "daemon/keeper/askers.h"
#include "daemon/keeper/kept.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGES_PER_TURN = 256 };

/* ---- messages */

/* The descriptors of a message: the copy and its lifeline; -1: none. */
static void fds_of(struct msghdr *msg, int ret_fd[2])
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	ret_fd[0] = ret_fd[1] = -1;
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(cmsg),
		       MIN(cmsg->cmsg_len - CMSG_LEN(0), 2 * sizeof(int)));
}

static void keeping_drop(struct keeping *k, struct kept *kept)
{
	k->dropped[k->dropped_count].uid = kept->uid;
	k->dropped[k->dropped_count++].fd = kept_let_go(k, kept);
	if (k->dropped_count == ASKER_BATCH_MAX)	/* no room: read no
							 * messages for now */
		(void)keeping_watch(k, k->socket, 0, SOURCE_SOCKET);
}

static void keeping_take(struct keeping *k, const struct keeper_message *m,
		 const int fd[2])
{
	struct kept *kept;

	if (m->kind == KEEPER_KEEP) {
		kept_add_or_refuse(k, m->serial, m->uid, fd[0], fd[1]);
		return;
	}
	kept = kept_find(k, m->serial);
	if (kept == NULL)
		return;
	if (m->kind == KEEPER_ENDED)
		kept_end(k, kept);
	else if (m->kind == KEEPER_DROP)
		keeping_drop(k, kept);
}

/* memd has ended: only the keeper has the copies now, so ask about all of
 * them. */
static void keeping_note_memd_end(struct keeping *k)
{
	struct kept *kept;

	close(k->socket);
	k->socket = -1;
	for (kept = k->all; kept != NULL; kept = kept->hh.next)
		kept_end(k, kept);
}

static void keeping_receive(struct keeping *k)
{
	for (unsigned i = 0; i < MESSAGES_PER_TURN &&
	     k->dropped_count < ASKER_BATCH_MAX; i++) {
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
			keeping_take(k, &m, fd);
		} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
			keeping_note_memd_end(k);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

/* ---- the loop */

static int keeping_next_ms(const struct keeping *k)
{
	uint64_t next_ns = UINT64_MAX;
	const struct kept *kept;
	bool is_free = false;

	for (unsigned i = 0; i < ASKERS; i++) {
		if (k->asker[i].state == ASKER_RUNNING)
			next_ns = k->asker[i].since_ns + ASKER_PATIENCE_NS;
		is_free |= k->asker[i].state == ASKER_FREE;
	}
	if (next_ns == UINT64_MAX && is_free) {
		for (unsigned i = 0; i < k->dropped_count; i++)
			if (!askers_blame(k, k->dropped[i].uid))
				next_ns = k->now_ns + ASK_PAUSE_FIRST_NS;
		TAILQ_FOREACH(kept, &k->ended, link)
			if (kept->asker == NULL && !askers_blame(k, kept->uid))
				next_ns = MIN(next_ns, kept->ask_ns);
	}
	if (next_ns == UINT64_MAX)
		return -1;
	return next_ns <= k->now_ns ? 0 :
		(int)DIV_ROUND_UP(next_ns - k->now_ns, UINT64_C(1000000));
}

static void keeping_take_event(struct keeping *k, uint64_t source,
			       uint32_t events)
{
	uint64_t number = source & ~SOURCES;
	struct kept *kept = NULL;

	switch (source & SOURCES) {
	case SOURCE_SOCKET:
		if (k->socket >= 0)
			keeping_receive(k);
		break;
	case SOURCE_ASKER:
		if (k->asker[number].state != ASKER_FREE)
			asker_finish(k, &k->asker[number]);
		break;
	case SOURCE_LIFELINE:
		kept = kept_find(k, number);
		if (kept != NULL && kept->lifeline >= 0)
			kept_become_orphan(k, kept);
		break;
	default:
		kept = kept_find(k, number);
		if (kept != NULL) {
			kept->is_watched = false;
			/* EPOLLERR without EPOLLIN: the program has made its
			 * descriptor block.  Then ask only after the pause. */
			if (events & EPOLLIN)
				kept->ask_ns = k->now_ns;
		}
		break;
	}
}

static void keeping_wait(struct keeping *k)
{
	struct epoll_event event[KEPT_EVENTS_MAX];
	int count = epoll_wait(k->epoll_fd, event, KEPT_EVENTS_MAX,
			       keeping_next_ms(k));

	k->now_ns = clock_now_ns();
	for (int i = 0; i < count; i++)
		keeping_take_event(k, event[i].data.u64, event[i].events);
	for (unsigned i = 0; i < ASKERS; i++)
		if (k->asker[i].state == ASKER_RUNNING)
			asker_note_progress(k, &k->asker[i]);
}

static bool keeping_is_over(const struct keeping *k)
{
	return k->socket < 0 && k->all == NULL && k->dropped_count == 0 &&
	       askers_find((struct keeping *)k, ASKER_RUNNING) == NULL;
}

/* An address at which surely nothing is registered.  Nothing can be mapped
 * below this address, and hardly anything is mapped right at it.  It is valid
 * for programs of any word size. */
static uint64_t lowest_address(void)
{
	FILE *f = fopen("/proc/sys/vm/mmap_min_addr", "re");
	unsigned long long lowest = 65536;

	if (f != NULL) {
		(void)!fscanf(f, "%llu", &lowest);
		fclose(f);
	}
	return MAX(DIV_ROUND_UP(lowest, KEPT_UNIT_BYTES) * KEPT_UNIT_BYTES,
		   KEPT_UNIT_BYTES);
}

static int keeping_prepare(struct keeping *k)
{
	sigset_t all;

	/* A signal to memd's process group is meant for memd. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "memd-keeper");
	if (chdir("/") != 0)
		return -errno;
	TAILQ_INIT(&k->ended);
	k->probe = lowest_address();
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll_fd < 0 ||
	    !keeping_watch(k, k->socket, EPOLLIN, SOURCE_SOCKET))
		return -EMFILE;
	for (unsigned i = 0; i < ASKERS; i++) {
		struct asker_findings *f = mmap(NULL, sizeof(*f), PROT_READ |
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
	if (keeping_prepare(&k) != 0)
		return EXIT_FAILURE;
	while (!keeping_is_over(&k)) {
		keeping_wait(&k);
		askers_start(&k);
	}
	return EXIT_SUCCESS;
}
