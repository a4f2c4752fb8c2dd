/* SPDX-License-Identifier: MIT */
/* Bytes on their way out of a stream socket, with descriptors that travel
 * with a given byte.  Several messages leave in one system call. */
#ifndef MEMD_NET_OUTPUT_H
#define MEMD_NET_OUTPUT_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;

/* More than a client asks for at once: one for each of its calls, and as many
 * as it attaches again at a time after an outage. */
enum { OUTPUT_FDS_MAX = 64 };

struct output {
	uint8_t *bytes;
	size_t head, tail, size;	/* [head, tail) is to be sent */
	struct {
		size_t at;		/* index in bytes */
		int fd;			/* owned */
	} fds[OUTPUT_FDS_MAX];
	unsigned fd_count;
	/* Those that were sent, and perhaps not received: a ring of which send
	 * each went with. */
	uint64_t sent_with[OUTPUT_FDS_MAX];
	unsigned first_unread, fds_unread;
	uint64_t sends;
	bool was_used;			/* since the last output_trim() */
};

void output_init(struct output *out);
void output_fini(struct output *out);

static inline size_t output_length(const struct output *out)
{
	return out->tail - out->head;
}

/* Room for `length` more bytes at the end; output_commit() what was written
 * there.  NULL when out of memory. */
void *output_reserve(struct output *out, size_t length);
void output_commit(struct output *out, size_t length);

/* `fd` goes out with the first byte written after this.  Duplicated.
 * Returns 0, -errno of dup, or -EAGAIN: too many under way, which the peer
 * has not received.  Linux counts descriptors in flight against the sender,
 * so one peer that never reads must not use up what is there for all. */
int output_attach_fd(struct output *out, int socket, int fd) MUST_CHECK;

/* Send.  Returns 0 (all or as much as the socket takes: see output_length),
 * or -errno.  *ret_sent, *ret_calls count bytes and system calls. */
int output_send(struct output *out, int socket, uint64_t *ret_sent,
		uint64_t *ret_calls) MUST_CHECK;

/* The same through a channel, plain or TLS; without descriptors. */
int output_send_channel(struct output *out, struct channel *channel,
			uint64_t *ret_sent, uint64_t *ret_calls) MUST_CHECK;

/* The same, and after it `length` > 0 bytes, which are copied only as far as
 * the socket does not take them.  Also returns -ENOMEM, and -EFAULT where the
 * kernel could not read them: then some may have been sent, and the stream is
 * of no use any more. */
int output_send_payload(struct output *out, struct channel *channel,
			const void *bytes, size_t length, uint64_t *ret_sent,
			uint64_t *ret_calls) MUST_CHECK;

/* Would the kernel, and we, find all of these bytes?  Not where memory has
 * failed, or a page of a file is gone.  A system call, which touches every
 * page. */
bool output_can_read(const void *bytes, size_t length) MUST_CHECK;

/* Called now and then: gives memory back that was not used since. */
void output_trim(struct output *out);

#endif
