/* SPDX-License-Identifier: MIT */
/* Where connections come in, and the lists of who is connected. */
#ifndef MEMD_NET_SERVER_H
#define MEMD_NET_SERVER_H

#include "common/checks.h"
#include "daemon/net/addresses.h"
#include "daemon/net/conn.h"
#include "daemon/net/line.h"
#include "daemon/net/tcp_opening.h"
#include <sys/queue.h>
#include <sys/types.h>

struct config;
struct daemon;
struct session;

enum {
	LISTENERS_MAX = 8,
	SERVER_DESCRIPTORS_OF_SESSION = 4,	/* one of them its socket */
	SERVER_DESCRIPTORS_OWN = 64,	/* files, ring, pipes, logs … */
	SERVER_DESCRIPTORS_LEAST = 80,	/* and for the first programs */
};

struct listener {
	struct daemon *daemon;
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
	struct event repeat;		/* Hellos that wait for a look-up: */
	struct conn_list repeating;
	struct line line;		/* messages that wait for a turn */
	bool is_paused;

	struct conn_list conns[CONN_STATES];
	uint32_t conn_count[CONN_STATES];
	struct conn_list dirty;		/* with output to be sent */
	TAILQ_HEAD(, session) sessions;
	struct session *by_id;		/* uthash */
	uint32_t session_count;
	uint32_t remote_session_count;	/* of these on other hosts */
	uint32_t next_session;
	uint64_t descriptor_limit;

	/* Other hosts. */
	struct tcp_opening opening;
	struct channel_context *tls;	/* owned; NULL: plain */
	uint32_t remote_newcomers;	/* in NEW */
	bool must_look_again;		/* at those who are here: the user of
					 * one was being looked up */
	struct addresses addresses;	/* of those that are not DEAD */
	uint32_t refusals_unsaid;	/* since the last line in the log */
	uint64_t refusal_said_ns;
};

void server_init(struct server *server);

/* Listen: on the sockets systemd passed, else on the one of the
 * configuration.  On failure -errno and a line in ret_reason. */
int server_listen(struct daemon *d, char *ret_reason, size_t reason_size)
	MUST_CHECK;

/* Listen there for other hosts, too.  Takes fd.  Returns 0 or -errno. */
int server_add_tcp_listener(struct daemon *d, int fd) MUST_CHECK;

/* Read the certificates that the listening sockets are to have with another
 * configuration; *ret_tls NULL: none.  Returns 0, or -errno with a line in
 * ret_reason. */
int server_load_tls(const struct daemon *d, const struct config *config,
		    struct channel_context **ret_tls, char *ret_reason,
		    size_t reason_size) MUST_CHECK;

/* Take `tls`: from now on newcomers from other hosts see these. */
void server_use_tls(struct daemon *d, struct channel_context *tls);

/* The connection's message cannot be dealt with now: it is taken again, from
 * its first byte, in a moment.  For a handler of a NEW connection. */
void server_repeat(struct daemon *d, struct conn *c);
/* It will not be: it is closed. */
void server_forget_repeat(struct server *server, struct conn *c);

/* No more newcomers; our socket is removed.  May be called again. */
void server_stop_listening(struct server *server);

/* Send what is queued on all connections. */
void server_flush(struct server *server);

/* Let go of DEAD connections and their sessions, as far as one turn goes.  The
 * turn only.  Returns whether there were any. */
bool server_bury(struct server *server);

/* Close those that took too long over a handshake or a message. */
void server_close_overdue(struct daemon *d);

/* Called now and then: gives back memory of connections that do not use it. */
void server_trim(struct server *server);

/* Whether there is a descriptor left for one more thing that lasts. */
bool server_has_descriptors(const struct daemon *d, uint64_t reserve);

struct session *server_find_session(const struct server *server, uint32_t id);
struct session *server_find_pid(const struct server *server, pid_t pid);

#endif
