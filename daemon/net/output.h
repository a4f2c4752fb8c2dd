/* SPDX-License-Identifier: MIT */
/* Bytes that wait to be sent on a stream socket, and descriptors that are sent
 * with certain bytes.  Several messages are sent in one system call. */
#ifndef MEMD_NET_OUTPUT_H
#define MEMD_NET_OUTPUT_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel;

/* At most this many descriptors are not received yet.  A client asks for fewer
 * than half of them: two for each call in progress, and two for each segment
 * that it attaches again at a time after an outage.  Swap files are sent while
 * fewer than an eighth are on their way.  (The kernel counts more for each
 * buffer than is known for certain, so some that were received count, too.) */
enum { OUTPUT_FDS_MAX = 256 };

/* At most this many go with one byte. */
enum { OUTPUT_FDS_TOGETHER = 2 };

struct output {
	uint8_t *bytes;
	size_t head, tail, size;	/* bytes in [head, tail) are to be
					 * sent */
	struct {
		size_t at;		/* sent with bytes[at] */
		int fd;			/* owned */
	} fds[OUTPUT_FDS_MAX];
	unsigned fd_count;
	/* Descriptors that were sent and may not have been received: a ring of
	 * the numbers of the sends that they went with. */
	uint64_t sent_with[OUTPUT_FDS_MAX];
	unsigned first_unread, fds_unread;
	uint64_t sends;
	bool was_used;			/* since the last output_trim() */
};

/* Output starts without a buffer.  output_fini() frees it and closes its
 * descriptors. */
void output_init(struct output *out);
void output_fini(struct output *out);

static inline size_t output_length(const struct output *out)
{
	return out->tail - out->head;
}

/* Return room for `length` more bytes at the end, or NULL (out of memory).
 * After writing there, call output_commit() with the number of bytes
 * written. */
void *output_reserve(struct output *out, size_t length);
void output_commit(struct output *out, size_t length);

/* Send `fd` with the first byte that is written after this call, behind those
 * that go with the same byte.  `fd` is duplicated.  Returns 0, -errno of dup,
 * or -EAGAIN: the peer has not received OUTPUT_FDS_MAX descriptors.  Linux
 * counts descriptors in flight against the sender, so a peer that never reads
 * must not use up the limit of all. */
int output_attach_fd(struct output *out, int socket, int fd) MUST_CHECK;

/* Send as much as the socket takes; output_length() tells what is left.
 * Returns 0 or -errno.  Adds to *ret_sent the bytes sent, and to *ret_calls the
 * system calls. */
int output_send(struct output *out, int socket, uint64_t *ret_sent,
		uint64_t *ret_calls) MUST_CHECK;

/* The same through a channel, plain or TLS.  Descriptors cannot be sent. */
int output_send_channel(struct output *out, struct channel *channel,
			uint64_t *ret_sent, uint64_t *ret_calls) MUST_CHECK;

/* The same, and after the queued bytes `length` > 0 bytes from `bytes`.  Only
 * the bytes that the socket does not take are copied.  Also returns -ENOMEM,
 * and -EFAULT where the kernel could not read the bytes.  After -EFAULT a part
 * may have been sent, so the connection must be closed. */
int output_send_payload(struct output *out, struct channel *channel,
			const void *bytes, size_t length, uint64_t *ret_sent,
			uint64_t *ret_calls) MUST_CHECK;

/* Whether all of these bytes can be read.  They cannot if their memory has
 * failed, or if a page of their file is gone.  Costs a system call that touches
 * every page. */
bool output_can_read(const void *bytes, size_t length) MUST_CHECK;

/* Free the buffer if it is empty, large, and not used since the last call.
 * Called periodically. */
void output_trim(struct output *out);

#endif
