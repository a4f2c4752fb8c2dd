/* SPDX-License-Identifier: MIT */
/* memd's protocol by hand, on a blocking socket: what every test that plays a
 * client, and every one that plays a memd, has to do.  Asserts nothing, as some
 * of them run outside of cmocka; what is right to say is the callers'
 * business. */
#ifndef MEMD_TESTS_WIRE_PEER_H
#define MEMD_TESTS_WIRE_PEER_H

#include "proto/memd.pb-c.h"
#include "proto/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

/* One message from the other end. */
struct answer {
	struct wire_header header;
	uint8_t *body;		/* owned; the payload follows it */
	int fd;			/* owned; -1: none came with it */
	int bell;		/* the second one that came; as fd */
};

void answer_free(struct answer *a);

enum { WIRE_PEER_FDS_MAX = 8 };

/* From now on each wait at `fd` ends after a minute, with -EAGAIN. */
int wire_peer_limit_waits(int fd) MUST_CHECK;

/* All return 0 or -errno; -ECONNRESET or -EPIPE: the other end is gone. */
int wire_peer_send_bytes(int fd, const void *bytes, size_t length) MUST_CHECK;
int wire_peer_send_fds(int fd, const void *bytes, size_t length,
		       const int *fds, size_t fd_count) MUST_CHECK;
int wire_peer_send(int fd, uint16_t type, uint64_t id,
		   const ProtobufCMessage *message) MUST_CHECK;

/* With an error nothing is to be freed.  Besides those above: -ECONNABORTED,
 * the end before all of the body had come, and -EPROTO, no header, or three
 * descriptors. */
int wire_peer_receive(int fd, struct answer *ret_answer) MUST_CHECK;

/* A Hello of this version.  command NULL: none. */
Memd__Hello wire_peer_hello(const char *command);

/* A listener there: "@NAME", or a path.  -1: errno says why. */
int wire_peer_listen(const char *address);
/* On a port of 127.0.0.1 that the kernel chooses. */
int wire_peer_listen_tcp(int backlog, uint16_t *ret_port);

#endif
