/* SPDX-License-Identifier: MIT */
#include "daemon/net/listening.h"
#include "daemon/net/tcp_opening.h"

#include "common/log.h"
#include "daemon/net/tcp_listener.h"
#include "swapstore/remote_lookup.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
	DELAY_MS_FIRST = 500,
	DELAY_MS_MAX = 2000,		/* for an address: a try is one
					 * bind(2) */
	DELAY_MS_MAX_NAME = 16000,	/* for a name: a try asks a name
					 * service */
	PATIENCE_MS = 3000,		/* for a name, while memd starts */
};

static int open_now(struct tcp_opening *to, const struct addrinfo *all,
		    char *reason, size_t size)
{
	int fds[TCP_LISTENERS_MAX], err = 0;
	int count = tcp_listener_open(to->config, all, fds, reason, size);

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		int failed = server_add_tcp_listener(to->server, fds[i]);

		err = err != 0 ? err : failed;
	}
	if (err != 0)
		snprintf(reason, size, "listen_tcp: %s", strerror(-err));
	return err;
}

/* Try again later.  Only the first failure is logged. */
static void wait_for_it(struct tcp_opening *to)
{
	uint64_t most_ms = tcp_listener_has_name(to->config) ?
				DELAY_MS_MAX_NAME : DELAY_MS_MAX;
	struct timeval delay;

	if (!to->is_waiting)
		log_event(LOG_LEVEL_WARNING, "listen-tcp-waits",
			  "reason=\"%s\" cure=\"none needed if it comes; memd "
			  "tries again\"", to->reason);
	to->is_waiting = true;
	delay.tv_sec = (time_t)(to->delay_ms / 1000);
	delay.tv_usec = (suseconds_t)(to->delay_ms % 1000 * 1000);
	(void)event_add(&to->retry, &delay);
	to->delay_ms = MIN(to->delay_ms * 2, most_ms);
}

static void tcp_opening_settle(struct tcp_opening *to)
{
	to->server->conns.ops->settle(to->server->conns.ctx);
}

static bool can_come(int err)
{
	return err == -EADDRNOTAVAIL || err == -ENODEV;
}

/* Listen on the addresses that were looked up; NULL: listen_tcp has no host
 * name. */
static int try_addresses(struct tcp_opening *to, const struct addrinfo *all)
{
	int err = open_now(to, all, to->reason, sizeof(to->reason));

	if (err == 0)
		to->is_waiting = false;
	else if (can_come(err) || to->is_waiting)
		wait_for_it(to);
	else
		return err;
	return 0;
}

/* The look-up has ended. */
static int try_name(struct tcp_opening *to)
{
	struct addrinfo *all;
	int err = remote_lookup_take(to->lookup, &all);

	remote_lookup_destroy(to->lookup);
	to->lookup = NULL;
	if (err != 0) {
		snprintf(to->reason, sizeof(to->reason), "listen_tcp: %s: %s",
			 to->config->listen_tcp, gai_strerror(err));
		wait_for_it(to);
		return 0;
	}
	err = try_addresses(to, all);
	freeaddrinfo(all);
	return err;
}

static void on_looked_up(evutil_socket_t fd, short what, void *arg)
{
	struct tcp_opening *to = arg;

	(void)fd;
	(void)what;
	/* An error that does not go away by itself is shown and retried as
	 * well. */
	if (try_name(to) != 0)
		wait_for_it(to);
	tcp_opening_settle(to);
}

/* Returns -errno if the look-up cannot be started. */
static int start_lookup(struct tcp_opening *to)
{
	int err = tcp_listener_look_up(to->config, &to->lookup);

	if (err != 0) {
		snprintf(to->reason, sizeof(to->reason), "listen_tcp: %s: %s",
			 to->config->listen_tcp, strerror(-err));
		return err;
	}
	if (event_assign(&to->looked_up, to->server->conns.base,
			 remote_lookup_event_fd(to->lookup), EV_READ,
			 on_looked_up, to) != 0 ||
	    event_add(&to->looked_up, NULL) != 0)
		return -ENOMEM;
	(void)event_priority_set(&to->looked_up, PRIORITY_ADMIN);
	return 0;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct tcp_opening *to = arg;

	(void)fd;
	(void)what;
	if (!tcp_listener_has_name(to->config))
		(void)try_addresses(to, NULL);
	else if (start_lookup(to) != 0)
		wait_for_it(to);
	tcp_opening_settle(to);
}

/* Wait a short time for the name.  So if the name service answers soon, the
 * sockets are open when memd reports that it is ready. */
static int begin_name(struct tcp_opening *to)
{
	struct pollfd pfd = { .events = POLLIN };
	int err = start_lookup(to);

	if (err != 0)
		return err;
	pfd.fd = remote_lookup_event_fd(to->lookup);
	if (poll(&pfd, 1, PATIENCE_MS) != 1) {
		snprintf(to->reason, sizeof(to->reason), "listen_tcp: %s: its "
			 "name is still being looked up",
			 to->config->listen_tcp);
		to->is_waiting = true;
		return 0;
	}
	(void)event_del(&to->looked_up);
	return try_name(to);
}

int tcp_opening_begin(struct tcp_opening *to, struct server *server,
		      char *ret_reason, size_t reason_size)
{
	int err;

	if (server->conns.config->listen_tcp[0] == '\0' ||
	    server->is_embedded)
		return 0;
	to->server = server;
	to->config = server->conns.config;
	if (event_assign(&to->retry, server->conns.base, -1, 0, on_retry,
			 to) != 0)
		return -EINVAL;
	(void)event_priority_set(&to->retry, PRIORITY_ADMIN);
	to->is_begun = true;
	to->delay_ms = DELAY_MS_FIRST;
	err = tcp_listener_has_name(to->config) ? begin_name(to) :
						  try_addresses(to, NULL);
	if (err != 0)
		snprintf(ret_reason, reason_size, "%s", to->reason);
	return err;
}

void tcp_opening_end(struct tcp_opening *to)
{
	if (to->is_begun)
		(void)event_del(&to->retry);
	if (to->lookup != NULL)
		(void)event_del(&to->looked_up);
	remote_lookup_destroy(to->lookup);
	to->lookup = NULL;
	to->is_begun = false;
	to->is_waiting = false;
}
