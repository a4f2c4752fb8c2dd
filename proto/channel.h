/* SPDX-License-Identifier: MIT */
/* A connected stream socket, plain or with TLS 1.3 on it: non-blocking, with
 * the same calls for both and for both ends.  The only place that knows
 * OpenSSL.
 *
 *              channel_handshake()          any error
 *   HANDSHAKE ─────────────────────▶ OPEN ─────────────▶ BROKEN
 *       └───────────────── refused ────────────────────────▲
 *
 * TLS here is always mutual: a client without a certificate of our CA gets no
 * byte, and a server proves that it has the name that was connected to.  No
 * version below 1.3, no renegotiation, no session tickets, no early data.
 *
 * Threads: a channel belongs to one; a context may be used by several. */
#ifndef MEMD_PROTO_CHANNEL_H
#define MEMD_PROTO_CHANNEL_H

#include "common/checks.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Files, PEM.  NULL or empty `crl`: none is looked at. */
struct channel_tls_files {
	const char *ca;			/* whom to believe */
	const char *certificate;	/* ours, with intermediate ones */
	const char *key;		/* of ours */
	const char *crl;		/* revoked ones, of all its CAs */
};

/* Certificates, key and rules, read once; a channel keeps the context it was
 * opened with, so a new one can take its place while connections go on. */
struct channel_context;

/* Returns 0, or -ENOENT, -EACCES, -EINVAL, -ENOMEM with one line in ret_reason
 * that names the file and what to do. */
int channel_context_create(const struct channel_tls_files *files,
			   bool is_server, struct channel_context **ret_context,
			   char *ret_reason, size_t reason_size) MUST_CHECK;

/* Until when a context's files are good: of our own certificate and those with
 * it the first that ends; of the CAs the one that has signed it, or else the
 * last; of the lists of revoked ones the first. */
enum { CHANNEL_ENDS = 3 };

struct channel_end {
	const char *setting;	/* "tls_certificate", "tls_ca", "tls_crl" */
	char name[CHANNEL_NAME_BYTES];	/* common name, of a list its CA's; as
					 * in channel_peer_name() */
	int64_t from_s, until_s;	/* since 1970; INT64_MAX: for ever */
};

/* Returns how many: without a list there is one less. */
unsigned channel_context_ends(const struct channel_context *context,
			      struct channel_end ret_ends[CHANNEL_ENDS]);

/* The user who owns the key's file, and so can read it besides us. */
uid_t channel_context_key_owner(const struct channel_context *context);

/* Drops the caller's hold; NULL is allowed. */
void channel_context_destroy(struct channel_context *context);

/* Close `fd`, which a server has just accepted, and say only that there is no
 * room for it: with a context by an alert of TLS, as a handshake would cost too
 * much; else by these bytes. */
void channel_turn_away(int fd, const struct channel_context *context,
		       const void *bytes, size_t length);

enum channel_state { CHANNEL_HANDSHAKE, CHANNEL_OPEN, CHANNEL_BROKEN };

struct channel {
	enum channel_state state;
	int fd;			/* owned; non-blocking */
	void *ssl;		/* NULL: plain */
	bool wants_write;	/* what it waits for, other than to read */
	char reason[CHANNEL_REASON_BYTES];	/* BROKEN: why */
};

/* Take `fd`, a connected (or connecting) non-blocking socket; closed on failure
 * too.  context NULL: plain, and open at once.  name: the host that the
 * server's certificate must be for (a DNS name or an IP address); NULL for a
 * server's end.  Returns 0, -ENOMEM, or -EINVAL (TLS: a name that is empty or
 * starts with a dot, so that it would be no or many hosts'). */
int channel_open(struct channel *ch, int fd, struct channel_context *context,
		 const char *name) MUST_CHECK;

/* Says goodbye, if it can at once, and closes. */
void channel_close(struct channel *ch);

/* Go on with the handshake.  Returns 0 (open), -EAGAIN (call again when the
 * socket is readable, or, with wants_write, writable), or -EPROTO, -EACCES (the
 * other's certificate is not good), -EBUSY (the other has no room now),
 * -ECONNRESET with a reason. */
int channel_handshake(struct channel *ch) MUST_CHECK;

/* As recv(2) and send(2), length > 0: the bytes moved, 0 (recv: the other has
 * ended, in order), -EAGAIN (see channel_handshake), or -errno with a reason;
 * then it is broken.  A send that said -EAGAIN is to be tried again with the
 * same bytes, which may have moved.  After a recv that said -EAGAIN the socket
 * may still be readable: poll it level-triggered.  Before the handshake is over
 * they go on with it.  A client learns from these that the server does not want
 * its certificate: in TLS 1.3 that comes after its own handshake. */
ssize_t channel_recv(struct channel *ch, void *to, size_t length) MUST_CHECK;
ssize_t channel_send(struct channel *ch, const void *from, size_t length)
	MUST_CHECK;

/* The same for bytes that lie in `count` > 0 places, none of them empty; it
 * may take only some of them, and of TLS no more than the first's. */
ssize_t channel_sendv(struct channel *ch, struct iovec *iov, size_t count)
	MUST_CHECK;

/* Bytes that channel_recv() gives although the socket is not readable. */
bool channel_has_input(const struct channel *ch);

/* The name in the other's certificate (its common name); "" if it has none, or
 * several, or not a plain text, and for plain channels and those not open. */
void channel_peer_name(const struct channel *ch,
		       char ret_name[CHANNEL_NAME_BYTES]);

/* Would the other's certificate still be good with another context: is it
 * revoked, or its CA not believed any more?  That it has expired since the
 * handshake is no reason.  For an open channel; plain ones, and context NULL,
 * are good.  Returns 0, or -EACCES, -ENOMEM with a line in ret_reason. */
int channel_verify(const struct channel *ch,
		   const struct channel_context *context,
		   char ret_reason[CHANNEL_REASON_BYTES]) MUST_CHECK;

#endif
