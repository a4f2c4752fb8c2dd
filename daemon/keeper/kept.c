/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/kept.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct kept *kept_find(const struct keeping *k, uint64_t serial)
{
	struct kept *kept;

	HASH_FIND(hh, k->all, &serial, sizeof(serial), kept);
	return kept;
}

void keeping_tell(const struct keeping *k, uint64_t serial,
		 enum keeper_kind kind)
{
	const struct keeper_message m = { .serial = serial, .kind = kind };

	/* memd reads this socket, so there is room.  If the message is lost,
	 * memd only keeps a descriptor longer than it must. */
	if (k->socket >= 0)
		(void)send(k->socket, &m, sizeof(m), MSG_NOSIGNAL |
			   MSG_DONTWAIT);
}

bool keeping_watch(const struct keeping *k, int fd, uint32_t events,
		  uint64_t source)
{
	struct epoll_event e = { .events = events, .data.u64 = source };

	return epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0 ||
	       epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

void keeping_unwatch(const struct keeping *k, int fd)
{
	/* Fails for a descriptor that is not watched. */
	(void)epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void kept_close_lifeline(const struct keeping *k, struct kept *kept)
{
	if (kept->lifeline >= 0) {
		keeping_unwatch(k, kept->lifeline);
		close(kept->lifeline);
	}
	kept->lifeline = -1;
}

/* Returns NULL if out of memory. */
static struct kept *kept_add(struct keeping *k, uint64_t serial, uint32_t uid)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		return NULL;
	kept->serial = serial;
	kept->uid = uid;
	HASH_ADD(hh, k->all, serial, sizeof(kept->serial), kept);
	if (kept_find(k, serial) == kept)
		return kept;
	free(kept);
	return NULL;
}

void kept_add_or_refuse(struct keeping *k, uint64_t serial, uint32_t uid,
			int fd, int lifeline)
{
	struct kept *kept = fd >= 0 ? kept_add(k, serial, uid) : NULL;

	if (kept == NULL) {
		if (fd >= 0)
			close(fd);
		if (lifeline >= 0)
			close(lifeline);
		keeping_tell(k, serial, KEEPER_LACKS);
		return;
	}
	kept->fd = fd;
	kept->lifeline = lifeline;
	/* No event is asked for: epoll always reports EPOLLHUP, the end of the
	 * pipe. */
	if (lifeline >= 0 &&
	    !keeping_watch(k, lifeline, 0, SOURCE_LIFELINE | serial))
		kept_close_lifeline(k, kept);
}

void kept_end(struct keeping *k, struct kept *kept)
{
	if (kept->is_ended)
		return;
	kept->is_ended = true;
	kept->pause_ns = ASK_PAUSE_FIRST_NS;
	kept->ask_ns = k->now_ns;
	TAILQ_INSERT_HEAD(&k->ended, kept, link);
}

void kept_watch_orphan(struct keeping *k, struct kept *kept)
{
	kept->is_watched = keeping_watch(k, kept->fd, EPOLLIN | EPOLLONESHOT,
				 SOURCE_UFFD | kept->serial);
}

void kept_become_orphan(struct keeping *k, struct kept *kept)
{
	kept_close_lifeline(k, kept);
	kept->is_orphan = true;
	kept_end(k, kept);
	kept->ask_ns = k->now_ns;
	kept_watch_orphan(k, kept);
}

int kept_let_go(struct keeping *k, struct kept *kept)
{
	int fd = kept->fd;

	kept_close_lifeline(k, kept);
	keeping_unwatch(k, fd);
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
