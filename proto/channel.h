/* SPDX-License-Identifier: MIT */
/* A connected stream socket, plain or with TLS 1.3: non-blocking, with the same
 * calls for both kinds and for both ends.  Only the channel files know OpenSSL.
 *
 *              channel_handshake()          any error
 *   HANDSHAKE ─────────────────────▶ OPEN ─────────────▶ BROKEN
 *       └───────────────── refused ────────────────────────▲
 *
 * TLS is always mutual: a client without a certificate of the server's CA gets
 * no byte, and a server proves that it has the name that was connected to.  No
 * version below 1.3, no renegotiation, no session tickets, no early data.
 *
 * Threads: a channel belongs to one thread; a context may be used by
 * several. */
#ifndef MEMD_PROTO_CHANNEL_H
#define MEMD_PROTO_CHANNEL_H

#include "common/checks.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* PEM files.  `crl` may be NULL or empty: no list of revoked certificates. */
struct channel_tls_files {
	const char *ca;			/* certificates of trusted CAs */
	const char *certificate;	/* own, with intermediate ones */
	const char *key;		/* of the own certificate */
	const char *crl;		/* revoked ones, for all CAs */
};

/* Certificates, key and rules, read once.  A channel keeps the context that it
 * was opened with, so a new context can replace an old one while connections go
 * on. */
struct channel_context;

/* Returns 0; or -ENOENT, -EACCES, -EINVAL or -ENOMEM, with one line in
 * ret_reason that names the file and says what to do. */
int channel_context_create(const struct channel_tls_files *files,
			   bool is_server, struct channel_context **ret_context,
			   char *ret_reason, size_t reason_size) MUST_CHECK;

/* The validity of a context's files.  tls_certificate: the first end among the
 * own certificate and those with it.  tls_ca: the CA that has signed it, or
 * else the one that is valid longest.  tls_crl: the first end among the
 * lists. */
enum { CHANNEL_ENDS = 3 };

struct channel_end {
	const char *setting;	/* "tls_certificate", "tls_ca", "tls_crl" */
	/* Common name, of a list its CA's; as in channel_peer_name(). */
	char name[CHANNEL_NAME_BYTES];
	/* Seconds since 1970; INT64_MAX: no end. */
	int64_t from_s, until_s;
};

/* Returns how many there are: one less if there is no list. */
unsigned channel_context_ends(const struct channel_context *context,
			      struct channel_end ret_ends[CHANNEL_ENDS]);

/* The user who owns the key's file, and so can read it too. */
uid_t channel_context_key_owner(const struct channel_context *context);

/* Release the caller's reference; channels may still use the context.  NULL is
 * allowed. */
void channel_context_destroy(struct channel_context *context);

/* Close `fd`, which a server has just accepted, and tell the client only that
 * there is no room.  With a context, send a TLS alert, because a handshake
 * would cost too much; otherwise send `bytes`. */
void channel_turn_away(int fd, const struct channel_context *context,
		       const void *bytes, size_t length);

enum channel_state { CHANNEL_HANDSHAKE, CHANNEL_OPEN, CHANNEL_BROKEN };

struct channel {
	enum channel_state state;
	int fd;			/* owned; non-blocking */
	void *ssl;		/* NULL: plain */
	bool wants_write;	/* it waits until it can write */
	char reason[CHANNEL_REASON_BYTES];	/* BROKEN: the reason */
};

/* Open a channel on `fd`, a connected (or connecting) non-blocking socket.
 * `fd` is taken, and closed on failure too.  context NULL: plain, and open at
 * once.  name: the host for which the server's certificate must be valid (a DNS
 * name or an IP address); NULL at the server's end.  Returns 0, -ENOMEM, or
 * -EINVAL (TLS: the name is empty or starts with a dot, so it would mean no
 * host or many). */
int channel_open(struct channel *ch, int fd, struct channel_context *context,
		 const char *name) MUST_CHECK;

/* Send a goodbye, if this is possible at once, and close. */
void channel_close(struct channel *ch);

/* Go on with the handshake.  Returns 0 (open), or -EAGAIN (call again when the
 * socket is readable, or, with wants_write, writable).  Or, with a reason:
 * -EPROTO, -EACCES (the certificate of the other side is not good), -EBUSY (the
 * other side has no room now), -ECONNRESET. */
int channel_handshake(struct channel *ch) MUST_CHECK;

/* As recv(2) and send(2), length > 0.  Return the number of bytes moved, 0
 * (recv: the other side has ended, in order), -EAGAIN (see
 * channel_handshake()), or -errno with a reason; the channel is broken then.
 * After a send with -EAGAIN, send the same bytes again; they may be at another
 * address.  After a recv with -EAGAIN the socket may still be readable: poll it
 * level-triggered.  Before the handshake is over, these calls go on with it.  A
 * client learns from them that the server refuses its certificate: in TLS 1.3
 * this comes after the client's handshake. */
ssize_t channel_recv(struct channel *ch, void *to, size_t length) MUST_CHECK;
ssize_t channel_send(struct channel *ch, const void *from, size_t length)
	MUST_CHECK;

/* As channel_send(), for bytes in `count` > 0 places, none of them empty.  It
 * may take only some of them; with TLS at most those of the first place. */
ssize_t channel_sendv(struct channel *ch, struct iovec *iov, size_t count)
	MUST_CHECK;

/* True if channel_recv() has bytes although the socket is not readable. */
bool channel_has_input(const struct channel *ch);

/* The common name in the certificate of the other side.  "" if it has none,
 * several, or no plain text, and for plain channels and channels that are not
 * open. */
void channel_peer_name(const struct channel *ch,
		       char ret_name[CHANNEL_NAME_BYTES]);

/* Check the certificate of the other side with another context: it may be
 * revoked, or its CA not trusted any more.  If it has expired since the
 * handshake, it is still good.  For an open channel.  Plain channels, and
 * context NULL, are good.  Returns 0, or -EACCES or -ENOMEM with a line in
 * ret_reason. */
int channel_verify(const struct channel *ch,
		   const struct channel_context *context,
		   char ret_reason[CHANNEL_REASON_BYTES]) MUST_CHECK;

#endif
