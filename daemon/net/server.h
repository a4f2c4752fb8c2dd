/* SPDX-License-Identifier: MIT */
/* All connections, the sockets where they come in, and what is done to all of
 * them. */
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

/* The certificates in use, the listener's or the store's, which are made of the
 * same files; NULL: none. */
static inline const struct channel_context *
server_certificates(const struct server *server,
		    const struct channel_context *of_store)
{
	return server->tls != NULL ? server->tls : of_store;
}

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
