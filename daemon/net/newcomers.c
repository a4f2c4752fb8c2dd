/* SPDX-License-Identifier: MIT */
#include "daemon/net/newcomers.h"

#include "common/log.h"
#include "daemon/net/conn_open.h"
#include "daemon/net/conn_output.h"
#include "daemon/net/remote.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ACCEPTS_PER_TURN = 1,		/* each takes about 10 us */
	ACCEPTS_PER_TURN_TCP = 1,	/* each is expensive with TLS */
	NEWCOMERS_MAX = 1024,		/* in state NEW, from this host */
	NEWCOMERS_OF_UID_MAX = 512,	/* of these, of one user */
	REMOTE_NEWCOMERS_MAX = 1024,	/* in state NEW, from other hosts */
	RESERVE_FOR_LOCAL = 64,		/* descriptors that are not given to
					 * other hosts */
	PAUSE_MS = 100,			/* when no descriptors are left */
	HANDSHAKE_REST_US = 3000,	/* after each TLS connection */
};

static void set_listening(struct server *server, bool is_on)
{
	for (unsigned i = 0; i < server->listener_count; i++) {
		if (is_on)
			(void)event_add(&server->listeners[i].event, NULL);
		else
			(void)event_del(&server->listeners[i].event);
	}
}

static void pause_listening(struct server *server, const char *why)
{
	struct timeval delay = { .tv_usec = PAUSE_MS * 1000 };

	if (!server->is_paused)
		log_event(LOG_LEVEL_WARNING, "accept-paused",
			  "reason=\"%s\" cure=\"raise LimitNOFILE, or lower "
			  "max_sessions and max_segments\"", why);
	server->is_paused = true;
	set_listening(server, false);
	(void)event_add(&server->resume, &delay);
}

/* A TLS handshake costs memd about a millisecond, and anybody can ask for one
 * almost for free.  So there is a pause after each, and most of the time is
 * left for clients that are connected. */
static void pause_tcp_listeners(struct server *server)
{
	struct timeval delay = { .tv_usec = HANDSHAKE_REST_US };

	for (unsigned i = 0; i < server->listener_count; i++)
		if (server->listeners[i].is_tcp)
			(void)event_del(&server->listeners[i].event);
	(void)event_add(&server->rest, &delay);
}

void newcomers_on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	if (server->is_paused)
		return;
	for (unsigned i = 0; i < server->listener_count; i++)
		if (server->listeners[i].is_tcp)
			(void)event_add(&server->listeners[i].event, NULL);
}

void newcomers_on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;

	(void)fd;
	(void)what;
	set_listening(server, true);
}

static uint32_t newcomers_of(const struct server *server, uid_t uid)
{
	const struct conn *c;
	uint32_t count = 0;

	TAILQ_FOREACH(c, &server->conns.list[CONN_NEW], link)
		count += !c->peer.is_remote && c->peer.uid == uid;
	return count;
}

/* If one user floods memd with connections, only that user is refused. */
static bool is_crowded(const struct server *server, int fd)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);

	uint32_t count = server->conns.count[CONN_NEW] -
			 server->conns.remote_newcomers;

	if (count < NEWCOMERS_OF_UID_MAX)
		return false;
	if (count >= NEWCOMERS_MAX)
		return true;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) != 0 ||
	       newcomers_of(server, cred.uid) >= NEWCOMERS_OF_UID_MAX;
}

static void accept_local(struct server *server, int fd)
{
	int err;

	if (is_crowded(server, fd)) {
		server->conns.stats->sessions_refused++;
		close(fd);
		return;
	}
	err = conn_create(&server->conns, fd);
	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "accept-failed", "error=\"%s\"",
			  strerror(-err));
}

/* Why `peer` is refused; NULL: it is accepted. */
static const char *find_refusal(const struct server *server,
				const struct peer *peer)
{
	if (!server_has_descriptors(server, RESERVE_FOR_LOCAL))
		return "too many open files; raise LimitNOFILE";
	if (addresses_count(&server->conns.addresses, peer->network) >=
	    server->conns.config->address_connections)
		return "as many connections from one address as "
		       "address_connections allows";
	return NULL;
}

/* Close the oldest remote connection that has not said Hello, to make room for
 * the next one.  So an attacker keeps others out only if it fills all places at
 * once; it is not enough to fill them slowly within handshake_timeout. */
static void close_oldest_remote(struct server *server)
{
	struct conn *c;

	TAILQ_FOREACH(c, &server->conns.list[CONN_NEW], link) {
		if (!c->peer.is_remote)
			continue;
		remote_refused(&server->conns, &c->peer, "too many "
			       "connections that have not said Hello");
		conn_close(c, "did not say Hello before too many others came");
		return;
	}
}

static void turn_away(struct server *server, int fd, const struct peer *peer,
		      const char *reason)
{
	Memd__Error error = MEMD__ERROR__INIT;
	uint8_t packed[256];
	ssize_t length;

	remote_refused(&server->conns, peer, reason);
	error.code = EAGAIN;
	error.text = (char *)reason;
	length = wire_pack(MEMD__MESSAGE_TYPE__TYPE_ERROR, 0, &error.base, 0,
			   packed, sizeof(packed));
	ASSERT(length > 0);
	channel_turn_away(fd, server->tls, packed, (size_t)length);
}

static void accept_remote(struct server *server, int fd,
			  const struct sockaddr *address, socklen_t length)
{
	const char *reason;
	struct peer peer;
	int err;

	remote_peer_init(&peer, address, length);
	reason = find_refusal(server, &peer);
	if (reason != NULL) {
		turn_away(server, fd, &peer, reason);
		return;
	}
	if (server->conns.remote_newcomers >= REMOTE_NEWCOMERS_MAX)
		close_oldest_remote(server);
	err = conn_create_remote(&server->conns, fd, server->tls, &peer);
	if (server->tls != NULL)
		pause_tcp_listeners(server);
	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "accept-failed", "error=\"%s\"",
			  strerror(-err));
}

static void accept_some(struct server *server, const struct listener *listener)
{
	int most = listener->is_tcp ? ACCEPTS_PER_TURN_TCP : ACCEPTS_PER_TURN;

	for (int i = 0; i < most; i++) {
		struct sockaddr_storage address;
		socklen_t length = sizeof(address);
		int fd;

		if (!server_has_descriptors(server, 0)) {
			pause_listening(server, "too many open files");
			return;
		}
		fd = accept4(listener->fd, (struct sockaddr *)&address,
			     &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			server->is_paused = false;
			if (listener->is_tcp)
				accept_remote(server, fd,
					      (struct sockaddr *)&address,
					      length);
			else
				accept_local(server, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			pause_listening(server, strerror(errno));
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

void newcomers_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;
	struct conns *all = &listener->server->conns;

	(void)fd;
	(void)what;
	accept_some(listener->server, listener);
	all->ops->settle(all->ctx);
}
