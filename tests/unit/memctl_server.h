/* SPDX-License-Identifier: MIT */
/* A memd for one connection of memctl's, in a thread of the test: it answers
 * Hello, and then does what the test wants.  Not a program that memctl can be
 * run against: that is memctl_fake_server. */
#ifndef MEMD_TESTS_MEMCTL_SERVER_H
#define MEMD_TESTS_MEMCTL_SERVER_H

#include "client/memctl/connection.h"
#include "proto/channel.h"
#include "proto/wire.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

struct memctl_server {
	int listener;
	pthread_t thread;
	char address[512];		/* as memctl wants it */
	struct channel_context *tls;	/* borrowed; NULL: plain */
	/* NULL: nothing.  Must not use cmocka's assertions, nor must the
	 * functions that it calls. */
	void (*serve)(struct channel *ch);
	bool is_rude;			/* serves without reading the Hello,
					 * and leaves without a goodbye */
};

/* Fill listener and address: an abstract name, or a port of 127.0.0.1, that the
 * kernel chooses.  One connection and no more waits there. */
void memctl_server_listen(struct memctl_server *ms);
void memctl_server_listen_tcp(struct memctl_server *ms);

/* Take one connection there. */
void memctl_server_start(struct memctl_server *ms);

/* When it has ended, which the connection must have. */
void memctl_server_stop(struct memctl_server *ms);

/* For `serve`.  Returns the request's id. */
uint64_t memctl_server_take_request(struct channel *ch);
size_t memctl_server_pack(uint16_t type, uint64_t id,
			  const ProtobufCMessage *message, uint8_t *to,
			  size_t to_bytes);
/* `piece` bytes at once.  Returns false when memctl has given up. */
bool memctl_server_send(struct channel *ch, const uint8_t *bytes,
			size_t length, size_t piece);

/* `serve` for ASK_COUNTERS: an answer as long as one may be; and whether that
 * arrives. */
void memctl_server_serve_largest(struct channel *ch);
void memctl_server_check_largest(struct connection *c);

#endif
