/* SPDX-License-Identifier: MIT */
#include "daemon/net/listening.h"

#include "common/log.h"
#include "daemon/net/conn_open.h"
#include "daemon/net/conn_input.h"
#include "daemon/net/listener.h"
#include "daemon/net/newcomers.h"
#include "daemon/net/remote.h"
#include "daemon/net/tcp_listener.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static int add_listener(struct server *server, int fd, bool is_tcp)
{
	struct listener *l = &server->listeners[server->listener_count];

	*l = (struct listener){ .server = server, .fd = fd, .is_tcp = is_tcp };
	if (event_assign(&l->event, server->conns.base, fd,
			 EV_READ | EV_PERSIST, newcomers_on_readable, l) != 0)
		return -EINVAL;
	(void)event_priority_set(&l->event, PRIORITY_ADMIN);
	if (event_add(&l->event, NULL) != 0)
		return -ENOMEM;
	server->listener_count++;
	return 0;
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
				 "%d); correct memd.socket", fd, LISTENERS_MAX);
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
	int err;

	if (server->listener_count == LISTENERS_MAX) {
		close(fd);
		return -EMFILE;
	}
	tcp_listener_describe(fd, text, sizeof(text));
	log_event(LOG_LEVEL_NOTICE, "listening-tcp", "%s tls=%s", text,
		  server->tls != NULL ? "yes" : "no");
	if (server->tls == NULL && !tcp_listener_is_loopback(fd))
		log_event(LOG_LEVEL_WARNING, "insecure-tcp",
			  "%s reason=\"anyone who reaches this address can use "
			  "memory here, and read the traffic\"", text);
	err = add_listener(server, fd, true);
	if (err != 0)
		close(fd);
	return err;
}

/* An embedded memd serves only its own program, so it has no TCP sockets. */
static int read_listening_tls(struct server *server, char *ret_reason,
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
	    event_assign(&server->resume, base, -1, 0, newcomers_on_resume,
			 server) != 0 ||
	    event_assign(&server->rest, base, -1, 0, newcomers_on_rested,
			 server) != 0)
		return -EINVAL;
	(void)event_priority_set(&server->resume, PRIORITY_ADMIN);
	(void)event_priority_set(&server->rest, PRIORITY_ADMIN);
	err = listen_local(server, ret_reason, reason_size);
	return err != 0 ? err : read_listening_tls(server, ret_reason,
						   reason_size);
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
