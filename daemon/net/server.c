/* SPDX-License-Identifier: MIT */
#include "daemon/net/server.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/findings/findings.h"
#include "daemon/net/conn_open.h"
#include "daemon/net/conn_input.h"
#include "daemon/net/conn_output.h"
#include "daemon/net/listener.h"
#include "daemon/net/remote.h"
#include "daemon/net/tcp_listener.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
	ACCEPTS_PER_TURN = 1,		/* some 10 us each */
	ACCEPTS_PER_TURN_TCP = 1,	/* TLS makes each dear */
	NEWCOMERS_MAX = 1024,		/* without a handshake yet, */
	NEWCOMERS_OF_UID_MAX = 512,
	REMOTE_NEWCOMERS_MAX = 1024,	/* the same from other hosts, apart */
	RESERVE_FOR_LOCAL = 64,		/* descriptors they leave alone */
	PAUSE_MS = 100,			/* when descriptors have run out */
	HANDSHAKE_REST_US = 3000,	/* between TLS newcomers */
	BURIED_PER_TURN = 16,		/* see session_let_go() */
};

void server_init(struct server *server)
{
	*server = (struct server){ .lock_fd = -1 };
	conns_init(&server->conns);
	server->descriptor_limit = system_descriptor_limit();
}

/* ---- newcomers */

bool server_has_descriptors(const struct server *server, uint64_t reserve)
{
	const struct conns *all = &server->conns;
	uint64_t used = DESCRIPTORS_OWN +
			all->ops->descriptors(all->ctx);

	for (size_t i = 0; i < CONN_STATES; i++)
		used += all->count[i];
	return used + reserve < server->descriptor_limit;
}

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

/* A TLS handshake takes about a millisecond, and anybody can ask for one
 * without an effort of his own: no more of them than leave most of the time to
 * those who are here. */
static void rest_from_newcomers(struct server *server)
{
	struct timeval delay = { .tv_usec = HANDSHAKE_REST_US };

	for (unsigned i = 0; i < server->listener_count; i++)
		if (server->listeners[i].is_tcp)
			(void)event_del(&server->listeners[i].event);
	(void)event_add(&server->rest, &delay);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
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

static void on_resume(evutil_socket_t fd, short what, void *arg)
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

/* One who floods us with connections is cut off, not everybody. */
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

static void welcome(struct server *server, int fd)
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

/* NULL: come in. */
static const char *why_not(const struct server *server,
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

/* The newcomer that has had the most time to say Hello makes room for the next
 * one.  So an attacker keeps others out only by filling all places at once, and
 * not by filling them slowly within handshake_timeout. */
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

static void welcome_remote(struct server *server, int fd,
			   const struct sockaddr *address, socklen_t length)
{
	const char *reason;
	struct peer peer;
	int err;

	remote_peer_init(&peer, address, length);
	reason = why_not(server, &peer);
	if (reason != NULL) {
		turn_away(server, fd, &peer, reason);
		return;
	}
	if (server->conns.remote_newcomers >= REMOTE_NEWCOMERS_MAX)
		close_oldest_remote(server);
	err = conn_create_remote(&server->conns, fd, server->tls, &peer);
	if (server->tls != NULL)
		rest_from_newcomers(server);
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
				welcome_remote(server, fd,
					       (struct sockaddr *)&address,
					       length);
			else
				welcome(server, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			pause_listening(server, strerror(errno));
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void on_newcomer(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;
	struct conns *all = &listener->server->conns;

	(void)fd;
	(void)what;
	accept_some(listener->server, listener);
	all->ops->settle(all->ctx);
}

/* ---- listening */

static int add_listener(struct server *server, int fd, bool is_tcp)
{
	struct listener *l = &server->listeners[server->listener_count];

	*l = (struct listener){ .server = server, .fd = fd, .is_tcp = is_tcp };
	if (event_assign(&l->event, server->conns.base, fd,
			 EV_READ | EV_PERSIST, on_newcomer, l) != 0)
		return -EINVAL;
	(void)event_priority_set(&l->event, PRIORITY_ADMIN);
	server->listener_count++;
	return event_add(&l->event, NULL) != 0 ? -ENOMEM : 0;
}

static int take_passed(struct server *server, int count, char *ret_reason,
		       size_t reason_size)
{
	int err = 0;

	for (int i = 0; i < count && err == 0; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (i >= LISTENERS_MAX ||
		    sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
			snprintf(ret_reason, reason_size,
				 "systemd passed descriptor %d, which is not "
				 "a listening Unix stream socket (of at most "
				 "%d); mend memd.socket", fd, LISTENERS_MAX);
			return -EINVAL;
		}
		err = evutil_make_socket_nonblocking(fd) != 0 ? -EIO :
			add_listener(server, fd, false);
	}
	if (err != 0)
		snprintf(ret_reason, reason_size, "listen: %s",
			 strerror(-err));
	return err;
}

static int open_own(struct server *server, char *ret_reason, size_t reason_size)
{
	struct stat st;
	int err, fd = listener_open(server->conns.config, &server->lock_fd,
				    ret_reason, reason_size);

	if (fd < 0)
		return fd;
	if (server->conns.config->socket[0] == '/')
		snprintf(server->path, sizeof(server->path), "%.107s",
			 server->conns.config->socket);
	if (server->path[0] != '\0' && lstat(server->path, &st) == 0) {
		server->socket_dev = st.st_dev;
		server->socket_ino = st.st_ino;
	}
	err = add_listener(server, fd, false);
	if (err != 0)
		snprintf(ret_reason, reason_size, "listen: %s",
			 strerror(-err));
	return err;
}

static int listen_local(struct server *server, char *ret_reason,
			size_t reason_size)
{
	int count = server->is_embedded ? 0 : sd_listen_fds(1);

	if (count < 0) {
		snprintf(ret_reason, reason_size, "LISTEN_FDS: %s",
			 strerror(-count));
		return count;
	}
	server->is_activated = count > 0;
	return count > 0 ? take_passed(server, count, ret_reason, reason_size) :
			   open_own(server, ret_reason, reason_size);
}

int server_add_tcp_listener(struct server *server, int fd)
{
	char text[128];

	if (server->listener_count == LISTENERS_MAX) {
		close(fd);
		return -EMFILE;
	}
	tcp_listener_describe(fd, text, sizeof(text));
	log_event(LOG_LEVEL_NOTICE, "listening-tcp", "%s tls=%s", text,
		  server->tls != NULL ? "yes" : "no");
	if (server->tls == NULL && !tcp_listener_is_loopback(fd))
		log_event(LOG_LEVEL_WARNING, "insecure-tcp",
			  "%s reason=\"whoever reaches this address can use "
			  "memory here, and read along\"", text);
	return add_listener(server, fd, true);
}

/* A memd inside of a program is for that alone. */
static int load_tls(struct server *server, char *ret_reason,
		    size_t reason_size)
{
	const struct config *config = server->conns.config;

	if (config->listen_tcp[0] == '\0' || server->is_embedded)
		return 0;
	return tcp_listener_load_tls(config, &server->tls, ret_reason,
				     reason_size);
}

int server_listen(struct server *server, char *ret_reason, size_t reason_size)
{
	struct event_base *base = server->conns.base;
	int err;

	if (conns_watch(&server->conns) != 0 ||
	    event_assign(&server->resume, base, -1, 0, on_resume, server) !=
		    0 ||
	    event_assign(&server->rest, base, -1, 0, on_rested, server) != 0)
		return -EINVAL;
	(void)event_priority_set(&server->resume, PRIORITY_ADMIN);
	(void)event_priority_set(&server->rest, PRIORITY_ADMIN);
	err = listen_local(server, ret_reason, reason_size);
	return err != 0 ? err : load_tls(server, ret_reason, reason_size);
}

static bool needs_tls(const struct server *server)
{
	for (unsigned i = 0; i < server->listener_count; i++)
		if (server->listeners[i].is_tcp &&
		    !tcp_listener_is_loopback(server->listeners[i].fd))
			return true;
	return false;
}

int server_load_tls(const struct server *server, const struct config *config,
		    struct channel_context **ret_tls, char *ret_reason,
		    size_t reason_size)
{
	int err;

	*ret_tls = NULL;
	if (config->listen_tcp[0] == '\0' || server->is_embedded)
		return 0;
	err = tcp_listener_load_tls(config, ret_tls, ret_reason, reason_size);
	if (err != 0 || *ret_tls != NULL || server->tls == NULL ||
	    !needs_tls(server) || strcmp(config->insecure_tcp, "yes") == 0)
		return err;
	snprintf(ret_reason, reason_size, "without certificates only loopback "
		 "addresses may be listened on; set tls_ca, tls_certificate "
		 "and tls_key");
	return -EACCES;
}

void server_use_tls(struct server *server, struct channel_context *tls)
{
	channel_context_destroy(server->tls);
	server->tls = tls;
}

void server_stop_listening(struct server *server)
{
	struct stat st;

	if (server->listener_count > 0) {
		(void)event_del(&server->resume);
		(void)event_del(&server->rest);
		(void)event_del(&server->conns.repeat);
	}
	for (unsigned i = 0; i < server->listener_count; i++) {
		(void)event_del(&server->listeners[i].event);
		close(server->listeners[i].fd);
	}
	server->listener_count = 0;
	if (server->path[0] != '\0' && lstat(server->path, &st) == 0 &&
	    st.st_dev == server->socket_dev && st.st_ino == server->socket_ino)
		(void)unlink(server->path);
	if (server->lock_fd >= 0)
		listener_unlock(server->path, server->lock_fd);
	server->path[0] = '\0';
	server->lock_fd = -1;
	channel_context_destroy(server->tls);
	server->tls = NULL;
}

/* ---- those who are here */

void server_flush(struct server *server)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&server->conns.dirty)) != NULL) {
		TAILQ_REMOVE(&server->conns.dirty, c, dirty_link);
		c->is_dirty = false;
		conn_flush(c);
	}
}

bool server_bury(struct server *server)
{
	struct conns *all = &server->conns;
	struct conn *c = TAILQ_FIRST(&all->list[CONN_DEAD]);
	unsigned budget = BURIED_PER_TURN;
	bool had_any = c != NULL;

	for (; c != NULL && budget > 0; c = TAILQ_FIRST(&all->list[CONN_DEAD]))
		if (all->ops->let_go(all->ctx, c, &budget))
			conn_destroy(c);
	return had_any;
}

static void close_overdue(struct conn_list *list, uint64_t now_ns,
			  uint64_t timeout_ms, const char *what)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->since_ns == 0 ||
		    now_ns - c->since_ns < timeout_ms * 1000000)
			continue;
		c->all->stats->timeouts++;
		conn_refuse(c, 0, -ETIMEDOUT, "%s within %llu ms", what,
			    (unsigned long long)timeout_ms);
	}
}

void server_close_overdue(struct server *server)
{
	const struct config *config = server->conns.config;
	struct conn_list *list = server->conns.list;
	uint64_t now_ns = clock_now_ns();

	close_overdue(&list[CONN_NEW], now_ns, config->handshake_timeout,
		      "did not say Hello");
	close_overdue(&list[CONN_MAIN], now_ns, config->message_timeout,
		      "did not send the rest of a message");
	close_overdue(&list[CONN_LANE], now_ns, config->message_timeout,
		      "did not send the rest of a message");
}

void server_trim(struct server *server)
{
	struct conn *c;

	for (size_t i = 0; i < CONN_DEAD; i++)
		TAILQ_FOREACH(c, &server->conns.list[i], link)
			output_trim(&c->out);
}
