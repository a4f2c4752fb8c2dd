/* SPDX-License-Identifier: MIT */
#include "daemon/net/server.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/net/conn_input.h"
#include "daemon/daemon.h"
#include "daemon/net/listener.h"
#include "daemon/net/remote.h"
#include "daemon/serve/session.h"
#include "daemon/system/system.h"
#include "daemon/net/tcp_listener.h"
#include <errno.h>
#include <stdatomic.h>
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
	BURIED_PER_TURN = 16,		/* segments; and connections, each of */
	BURY_COST = 8,			/* which costs as much as some */
};

void server_init(struct server *server)
{
	*server = (struct server){ .lock_fd = -1, .next_session = 1 };
	for (size_t i = 0; i < CONN_STATES; i++)
		TAILQ_INIT(&server->conns[i]);
	TAILQ_INIT(&server->dirty);
	TAILQ_INIT(&server->repeating);
	TAILQ_INIT(&server->sessions);
	server->descriptor_limit = system_descriptor_limit();
}

/* ---- newcomers */

bool server_has_descriptors(const struct daemon *d, uint64_t reserve)
{
	const struct server *server = &d->server;
	uint64_t used = SERVER_DESCRIPTORS_OWN + d->segments.count +
			d->segments.dying_count +
			keeper_descriptors(&d->keeper);

	for (size_t i = 0; i < CONN_STATES; i++)
		used += server->conn_count[i];
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

static void pause_listening(struct daemon *d, const char *why)
{
	struct timeval delay = { .tv_usec = PAUSE_MS * 1000 };

	if (!d->server.is_paused)
		log_event(LOG_LEVEL_WARNING, "accept-paused",
			  "reason=\"%s\" cure=\"raise LimitNOFILE, or lower "
			  "max_sessions and max_segments\"", why);
	d->server.is_paused = true;
	set_listening(&d->server, false);
	(void)event_add(&d->server.resume, &delay);
}

/* A TLS handshake takes about a millisecond, and anybody can ask for one
 * without an effort of his own: no more of them than leave most of the time to
 * those who are here. */
static void rest_from_newcomers(struct daemon *d)
{
	struct timeval delay = { .tv_usec = HANDSHAKE_REST_US };

	for (unsigned i = 0; i < d->server.listener_count; i++)
		if (d->server.listeners[i].is_tcp)
			(void)event_del(&d->server.listeners[i].event);
	(void)event_add(&d->server.rest, &delay);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	if (d->server.is_paused)
		return;
	for (unsigned i = 0; i < d->server.listener_count; i++)
		if (d->server.listeners[i].is_tcp)
			(void)event_add(&d->server.listeners[i].event, NULL);
}

/* A name service has been asked: it may have answered.  To identify one costs
 * tens of microseconds, so they are tried a few at a time. */
enum { REPEAT_MS = 20, REPEAT_NEXT_MS = 5, REPEATS_AT_ONCE = 16 };

void server_forget_repeat(struct server *server, struct conn *c)
{
	if (c->is_repeating)
		TAILQ_REMOVE(&server->repeating, c, repeat_link);
	c->is_repeating = false;
}

static void repeat_in(struct server *server, unsigned delay_ms)
{
	struct timeval delay = { .tv_usec = (suseconds_t)delay_ms * 1000 };

	(void)event_add(&server->repeat, &delay);
}

static void on_repeat(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct server *server = &d->server;
	struct conn *last = TAILQ_LAST(&server->repeating, conn_list), *c;
	unsigned left = REPEATS_AT_ONCE;

	(void)fd;
	(void)what;
	/* Those that must wait on come behind the last one. */
	for (c = NULL; c != last && left > 0; left--) {
		c = TAILQ_FIRST(&server->repeating);
		if (c == NULL)
			break;
		server_forget_repeat(server, c);
		conn_release(c);
	}
	if (!TAILQ_EMPTY(&server->repeating))
		repeat_in(server, c == last ? REPEAT_MS : REPEAT_NEXT_MS);
	daemon_settle(d);
}

void server_repeat(struct daemon *d, struct conn *c)
{
	c->must_repeat = true;
	conn_hold(c);
	if (!c->is_repeating)
		TAILQ_INSERT_TAIL(&d->server.repeating, c, repeat_link);
	c->is_repeating = true;
	if (!event_pending(&d->server.repeat, EV_TIMEOUT, NULL))
		repeat_in(&d->server, REPEAT_MS);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	set_listening(&d->server, true);
}

static uint32_t newcomers_of(const struct server *server, uid_t uid)
{
	const struct conn *c;
	uint32_t count = 0;

	TAILQ_FOREACH(c, &server->conns[CONN_NEW], link)
		count += !c->peer.is_remote && c->peer.uid == uid;
	return count;
}

/* One who floods us with connections is cut off, not everybody. */
static bool is_crowded(const struct server *server, int fd)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);

	uint32_t count = server->conn_count[CONN_NEW] -
			 server->remote_newcomers;

	if (count < NEWCOMERS_OF_UID_MAX)
		return false;
	if (count >= NEWCOMERS_MAX)
		return true;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) != 0 ||
	       newcomers_of(server, cred.uid) >= NEWCOMERS_OF_UID_MAX;
}

static void welcome(struct daemon *d, int fd)
{
	int err;

	if (is_crowded(&d->server, fd)) {
		d->stats.sessions_refused++;
		close(fd);
		return;
	}
	err = conn_create(d, fd);
	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "accept-failed", "error=\"%s\"",
			  strerror(-err));
}

/* NULL: come in. */
static const char *why_not(const struct daemon *d, const struct peer *peer)
{
	if (!server_has_descriptors(d, RESERVE_FOR_LOCAL))
		return "too many open files; raise LimitNOFILE";
	if (addresses_count(&d->server.addresses, peer->network) >=
	    d->config.address_connections)
		return "as many connections from one address as "
		       "address_connections allows";
	return NULL;
}

/* Who has had the most time to say Hello makes room for who comes, so that
 * keeping others out takes as many newcomers in a moment as could be here, and
 * not in all of handshake_timeout. */
static void close_oldest_remote(struct daemon *d)
{
	struct conn *c;

	TAILQ_FOREACH(c, &d->server.conns[CONN_NEW], link) {
		if (!c->peer.is_remote)
			continue;
		remote_refused(d, &c->peer, "too many connections that have "
			       "not said Hello");
		conn_close(c, "did not say Hello before too many others came");
		return;
	}
}

static void turn_away(struct daemon *d, int fd, const struct peer *peer,
		      const char *reason)
{
	Memd__Error error = MEMD__ERROR__INIT;
	uint8_t packed[256];
	ssize_t length;

	remote_refused(d, peer, reason);
	error.code = EAGAIN;
	error.text = (char *)reason;
	length = wire_pack(MEMD__MESSAGE_TYPE__TYPE_ERROR, 0, &error.base, 0,
			   packed, sizeof(packed));
	ASSERT(length > 0);
	channel_turn_away(fd, d->server.tls, packed, (size_t)length);
}

static void welcome_remote(struct daemon *d, int fd,
			   const struct sockaddr *address, socklen_t length)
{
	const char *reason;
	struct peer peer;
	int err;

	remote_peer_init(&peer, address, length);
	reason = why_not(d, &peer);
	if (reason != NULL) {
		turn_away(d, fd, &peer, reason);
		return;
	}
	if (d->server.remote_newcomers >= REMOTE_NEWCOMERS_MAX)
		close_oldest_remote(d);
	err = conn_create_remote(d, fd, d->server.tls, &peer);
	if (d->server.tls != NULL)
		rest_from_newcomers(d);
	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "accept-failed", "error=\"%s\"",
			  strerror(-err));
}

static void accept_some(struct daemon *d, const struct listener *listener)
{
	int most = listener->is_tcp ? ACCEPTS_PER_TURN_TCP : ACCEPTS_PER_TURN;

	for (int i = 0; i < most; i++) {
		struct sockaddr_storage address;
		socklen_t length = sizeof(address);
		int fd;

		if (!server_has_descriptors(d, 0)) {
			pause_listening(d, "too many open files");
			return;
		}
		fd = accept4(listener->fd, (struct sockaddr *)&address,
			     &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			d->server.is_paused = false;
			if (listener->is_tcp)
				welcome_remote(d, fd,
					       (struct sockaddr *)&address,
					       length);
			else
				welcome(d, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			pause_listening(d, strerror(errno));
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void on_newcomer(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	accept_some(listener->daemon, listener);
	if (atomic_load(&listener->daemon->must_stop) != 0 &&
	    !listener->daemon->is_stopping)
		daemon_stop(listener->daemon, "none");
	daemon_settle(listener->daemon);
}

/* ---- listening */

static int add_listener(struct daemon *d, int fd, bool is_tcp)
{
	struct listener *l = &d->server.listeners[d->server.listener_count];

	*l = (struct listener){ .daemon = d, .fd = fd, .is_tcp = is_tcp };
	if (event_assign(&l->event, d->base, fd, EV_READ | EV_PERSIST,
			 on_newcomer, l) != 0)
		return -EINVAL;
	(void)event_priority_set(&l->event, PRIORITY_ADMIN);
	d->server.listener_count++;
	return event_add(&l->event, NULL) != 0 ? -ENOMEM : 0;
}

static int take_passed(struct daemon *d, int count, char *ret_reason,
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
			add_listener(d, fd, false);
	}
	if (err != 0)
		snprintf(ret_reason, reason_size, "listen: %s",
			 strerror(-err));
	return err;
}

static int open_own(struct daemon *d, char *ret_reason, size_t reason_size)
{
	struct server *server = &d->server;
	struct stat st;
	int err, fd = listener_open(&d->config, &server->lock_fd, ret_reason,
				    reason_size);

	if (fd < 0)
		return fd;
	if (d->config.socket[0] == '/')
		snprintf(server->path, sizeof(server->path), "%.107s",
			 d->config.socket);
	if (server->path[0] != '\0' && lstat(server->path, &st) == 0) {
		server->socket_dev = st.st_dev;
		server->socket_ino = st.st_ino;
	}
	err = add_listener(d, fd, false);
	if (err != 0)
		snprintf(ret_reason, reason_size, "listen: %s",
			 strerror(-err));
	return err;
}

static int listen_local(struct daemon *d, char *ret_reason, size_t reason_size)
{
	int count = d->is_embedded ? 0 : sd_listen_fds(1);

	if (count < 0) {
		snprintf(ret_reason, reason_size, "LISTEN_FDS: %s",
			 strerror(-count));
		return count;
	}
	d->server.is_activated = count > 0;
	return count > 0 ? take_passed(d, count, ret_reason, reason_size) :
			   open_own(d, ret_reason, reason_size);
}

int server_add_tcp_listener(struct daemon *d, int fd)
{
	char text[128];

	if (d->server.listener_count == LISTENERS_MAX) {
		close(fd);
		return -EMFILE;
	}
	tcp_listener_describe(fd, text, sizeof(text));
	log_event(LOG_LEVEL_NOTICE, "listening-tcp", "%s tls=%s", text,
		  d->server.tls != NULL ? "yes" : "no");
	if (d->server.tls == NULL && !tcp_listener_is_loopback(fd))
		log_event(LOG_LEVEL_WARNING, "insecure-tcp",
			  "%s reason=\"whoever reaches this address can use "
			  "memory here, and read along\"", text);
	return add_listener(d, fd, true);
}

/* A memd inside of a program is for that alone. */
static int listen_tcp(struct daemon *d, char *ret_reason, size_t reason_size)
{
	int err;

	if (d->config.listen_tcp[0] == '\0' || d->is_embedded)
		return 0;
	err = tcp_listener_load_tls(&d->config, &d->server.tls, ret_reason,
				    reason_size);
	if (err != 0)
		return err;
	return tcp_opening_begin(d, ret_reason, reason_size);
}

int server_listen(struct daemon *d, char *ret_reason, size_t reason_size)
{
	int err;

	if (event_assign(&d->server.resume, d->base, -1, 0, on_resume,
			 d) != 0 ||
	    event_assign(&d->server.rest, d->base, -1, 0, on_rested, d) != 0 ||
	    event_assign(&d->server.repeat, d->base, -1, 0, on_repeat, d) != 0)
		return -EINVAL;
	err = line_init(&d->server.line, d);
	if (err != 0)
		return err;
	(void)event_priority_set(&d->server.resume, PRIORITY_ADMIN);
	(void)event_priority_set(&d->server.rest, PRIORITY_ADMIN);
	err = listen_local(d, ret_reason, reason_size);
	return err != 0 ? err : listen_tcp(d, ret_reason, reason_size);
}

static bool needs_tls(const struct server *server)
{
	for (unsigned i = 0; i < server->listener_count; i++)
		if (server->listeners[i].is_tcp &&
		    !tcp_listener_is_loopback(server->listeners[i].fd))
			return true;
	return false;
}

int server_load_tls(const struct daemon *d, const struct config *config,
		    struct channel_context **ret_tls, char *ret_reason,
		    size_t reason_size)
{
	int err;

	*ret_tls = NULL;
	if (config->listen_tcp[0] == '\0' || d->is_embedded)
		return 0;
	err = tcp_listener_load_tls(config, ret_tls, ret_reason, reason_size);
	if (err != 0 || *ret_tls != NULL || d->server.tls == NULL ||
	    !needs_tls(&d->server) || strcmp(config->insecure_tcp, "yes") == 0)
		return err;
	snprintf(ret_reason, reason_size, "without certificates only loopback "
		 "addresses may be listened on; set tls_ca, tls_certificate "
		 "and tls_key");
	return -EACCES;
}

void server_use_tls(struct daemon *d, struct channel_context *tls)
{
	channel_context_destroy(d->server.tls);
	d->server.tls = tls;
}

void server_stop_listening(struct server *server)
{
	struct stat st;

	tcp_opening_end(&server->opening);
	if (server->listener_count > 0) {
		(void)event_del(&server->resume);
		(void)event_del(&server->rest);
		(void)event_del(&server->repeat);
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

	while ((c = TAILQ_FIRST(&server->dirty)) != NULL) {
		TAILQ_REMOVE(&server->dirty, c, dirty_link);
		c->is_dirty = false;
		conn_flush(c);
	}
}

static void log_end(const struct conn *c)
{
	const struct session *s = c->session;

	if (s == NULL)
		log_event(LOG_LEVEL_INFO, "connection-close",
			  "pid=%d uid=%u%s%s reason=\"%s\"", c->peer.pid,
			  c->peer.uid, c->peer.is_remote ? " host=" : "",
			  c->peer.host, c->reason);
	else if (c == s->main)
		log_event(s->is_admin_only ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
			  "session-close",
			  "session=%u pid=%d uid=%u command=\"%s\" "
			  "faults=%llu reason=\"%s\"", s->id, c->peer.pid,
			  c->peer.uid, s->command,
			  (unsigned long long)session_fault_count(s),
			  c->reason);
	else
		log_event(LOG_LEVEL_DEBUG, "lane-close",
			  "session=%u pid=%d reason=\"%s\"", s->id,
			  c->peer.pid, c->reason);
}

/* Its own requests go on in the pager, but nobody waits for them. */
static void bury(struct conn *c, unsigned *budget)
{
	struct session *s = c->session;
	bool is_main = s != NULL && c == s->main;

	if (!is_main || !s->is_ending) {
		*budget -= MIN(*budget, (unsigned)BURY_COST);
		log_end(c);
		pending_orphan(c);
	}
	if (is_main && !session_destroy(s, budget))
		return;
	if (s != NULL && !is_main)
		session_remove_lane(s, c);
	conn_destroy(c);
}

bool server_bury(struct server *server)
{
	struct conn *c = TAILQ_FIRST(&server->conns[CONN_DEAD]);
	unsigned budget = BURIED_PER_TURN;
	bool had_any = c != NULL;

	for (; c != NULL && budget > 0;
	     c = TAILQ_FIRST(&server->conns[CONN_DEAD]))
		bury(c, &budget);
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
		c->daemon->stats.timeouts++;
		conn_refuse(c, 0, -ETIMEDOUT, "%s within %llu ms", what,
			    (unsigned long long)timeout_ms);
	}
}

void server_close_overdue(struct daemon *d)
{
	uint64_t now_ns = clock_now_ns();

	close_overdue(&d->server.conns[CONN_NEW], now_ns,
		      d->config.handshake_timeout, "did not say Hello");
	close_overdue(&d->server.conns[CONN_MAIN], now_ns,
		      d->config.message_timeout,
		      "did not send the rest of a message");
	close_overdue(&d->server.conns[CONN_LANE], now_ns,
		      d->config.message_timeout,
		      "did not send the rest of a message");
}

void server_trim(struct server *server)
{
	struct conn *c;

	for (size_t i = 0; i < CONN_DEAD; i++)
		TAILQ_FOREACH(c, &server->conns[i], link)
			output_trim(&c->out);
}

struct session *server_find_session(const struct server *server, uint32_t id)
{
	struct session *s;

	HASH_FIND(by_id, server->by_id, &id, sizeof(id), s);
	return s;
}

struct session *server_find_pid(const struct server *server, pid_t pid)
{
	struct session *s;

	TAILQ_FOREACH(s, &server->sessions, link)
		if (s->main->peer.pid == pid && !s->main->peer.is_remote)
			return s;
	return NULL;
}
