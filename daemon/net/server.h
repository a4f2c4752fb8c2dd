/* SPDX-License-Identifier: MIT */
/* Where connections come in, and what is done to all of them. */
#ifndef MEMD_NET_SERVER_H
#define MEMD_NET_SERVER_H

#include "common/checks.h"
#include "daemon/net/conn.h"
#include <sys/types.h>

struct server;

enum {
	LISTENERS_MAX = 8,
};

struct listener {
	struct server *server;
	int fd;
	bool is_tcp;
	struct event event;
};

struct server {
	struct listener listeners[LISTENERS_MAX];
	unsigned listener_count;
	bool is_activated;		/* the sockets are systemd's */
	char path[108];			/* of our own socket; empty: none */
	dev_t socket_dev;		/* what we bound, to remove only that */
	ino_t socket_ino;
	int lock_fd;			/* -1: none */
	struct event resume, rest;	/* listening again after a pause */
	bool is_paused;
	bool is_embedded;		/* for one program alone */
	struct conns conns;
	uint64_t descriptor_limit;
	struct channel_context *tls;	/* owned; NULL: plain */
};

/* The caller fills in what `conns` needs of the rest. */
void server_init(struct server *server);

/* Listen: on the sockets systemd passed, else on the one of the
 * configuration.  On failure -errno and a line in ret_reason. */
int server_listen(struct server *server, char *ret_reason, size_t reason_size)
	MUST_CHECK;

/* Listen there for other hosts, too.  Takes fd.  Returns 0 or -errno. */
int server_add_tcp_listener(struct server *server, int fd) MUST_CHECK;

/* Read the certificates that the listening sockets are to have with another
 * configuration; *ret_tls NULL: none.  Returns 0, or -errno with a line in
 * ret_reason. */
int server_load_tls(const struct server *server, const struct config *config,
		    struct channel_context **ret_tls, char *ret_reason,
		    size_t reason_size) MUST_CHECK;

/* Take `tls`: from now on newcomers from other hosts see these. */
void server_use_tls(struct server *server, struct channel_context *tls);

/* The certificates in use, the listener's or the store's, which are made of the
 * same files; NULL: none. */
static inline const struct channel_context *
server_certificates(const struct server *server,
		    const struct channel_context *of_store)
{
	return server->tls != NULL ? server->tls : of_store;
}

/* No more newcomers; our socket is removed.  May be called again. */
void server_stop_listening(struct server *server);

/* Send what is queued on all connections. */
void server_flush(struct server *server);

/* Let go of DEAD connections, a few at a time.  The turn only.  Returns whether
 * there were any. */
bool server_bury(struct server *server);

/* Close those that took too long over a handshake or a message. */
void server_close_overdue(struct server *server);

/* Called now and then: gives back memory of connections that do not use it. */
void server_trim(struct server *server);

/* Whether there is a descriptor left for one more thing that lasts. */
bool server_has_descriptors(const struct server *server, uint64_t reserve);

#endif
