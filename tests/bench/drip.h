/* SPDX-License-Identifier: MIT */
/* What connections that only drip cost an honest client on another host: the
 * crowd that drips, and the client. */
#ifndef MEMD_BENCH_DRIP_H
#define MEMD_BENCH_DRIP_H

#include "common/checks.h"
#include "tests/bench/remote.h"
#include <sys/types.h>

enum { DRIPPERS = 900 };

enum drip_kind {
	DRIP_HELLO,		/* of Hello, without TLS */
	DRIP_MESSAGE,		/* Hello, and then of another message */
	DRIP_TLS,		/* of the TLS handshake */
};

/* ---- the crowd: DRIPPERS connections from 127.0.1.1 and so on, 60 from each
 * address, that send a byte each second.  Who is refused or cut off comes
 * again after a second. */

struct drip_crowd {
	pid_t pid;
	struct drip_crowd_counts *counts;	/* shared with it */
};

/* Start it; they come within spread_ms, at even distances.  0 or -errno. */
int drip_crowd_start(struct drip_crowd *crowd, enum drip_kind kind,
		     uint16_t port, unsigned spread_ms) MUST_CHECK;
void drip_crowd_stop(struct drip_crowd *crowd);

/* How many connections it has now, and how often it was refused or cut off. */
void drip_crowd_look(const struct drip_crowd *crowd, unsigned *ret_there,
		     unsigned *ret_ended);

/* ---- the honest client: a swap store there, read slot by slot, one request
 * at a time */

struct channel_context;
struct drip_client;

/* tls NULL: plain.  Its bytes are there, not here, when this returns.  0 or
 * -1, said why on stderr. */
int drip_client_create(const char *address, struct channel_context *tls,
		       struct drip_client **ret_client) MUST_CHECK;
void drip_client_destroy(struct drip_client *client);

/* Read `count` slots at random; every byte is compared.  0 or -1, said why on
 * stderr. */
int drip_client_read(struct drip_client *client, size_t count,
		     struct remote_result *ret_result) MUST_CHECK;

/* Can another client come in now? */
bool drip_client_comes_in(const char *address, struct channel_context *tls);

#endif
