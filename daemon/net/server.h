/* SPDX-License-Identifier: MIT */
/* The server: all connections, the listening sockets, and the operations on all
 * connections. */
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
	bool is_activated;		/* systemd passed the sockets */
	char path[108];			/* of our own Unix socket; empty:
					 * none */
	dev_t socket_dev;		/* identity of the socket file that we
					 * bound: only that file is removed at
					 * the end */
	ino_t socket_ino;
	int lock_fd;			/* holds the lock of `path`; -1: none */
	struct event resume, rest;	/* end of a pause in accepting: all
					 * sockets, TCP sockets only */
	bool is_paused;
	bool is_embedded;		/* memd runs inside one program and
					 * serves only that program */
	struct conns conns;
	uint64_t descriptor_limit;
	struct channel_context *tls;	/* owned; NULL: no TLS */
};

/* Set the initial values.  The caller then fills in `conns`: config, stats,
 * base, ops, ctx. */
void server_init(struct server *server);

/* The certificates in use: those of the listening sockets, else those of the
 * store.  Both are read from the same files.  NULL: no TLS. */
static inline const struct channel_context *
server_certificates(const struct server *server,
		    const struct channel_context *of_store)
{
	return server->tls != NULL ? server->tls : of_store;
}

/* Send the queued messages of all connections, as far as their sockets take
 * them. */
void server_flush(struct server *server);

/* Free DEAD connections, a few for each call.  Call only from the turn of the
 * loop.  Returns whether there were DEAD connections before the call. */
bool server_bury(struct server *server);

/* Close connections that have not finished a handshake or a message in time. */
void server_close_overdue(struct server *server);

/* Free output buffers that have not been used since the last call.  Called
 * periodically. */
void server_trim(struct server *server);

/* Whether one more long-lived descriptor can be opened and `reserve`
 * descriptors are left after it. */
bool server_has_descriptors(const struct server *server, uint64_t reserve);

#endif
