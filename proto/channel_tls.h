/* SPDX-License-Identifier: MIT */
/* OpenSSL's objects, shared by the channel files.  For channel*.c only. */
#ifndef MEMD_PROTO_CHANNEL_TLS_H
#define MEMD_PROTO_CHANNEL_TLS_H

#include "common/checks.h"
#include "proto/limits.h"
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* `rules` has a reference count: each channel's SSL holds one, so this struct
 * may go before its channels. */
struct channel_context {
	SSL_CTX *rules;
	uid_t key_owner;
};

/* A BIO over a socket, which it does not own.  It neither blocks nor raises
 * SIGPIPE, whatever the flags of the socket, because signals belong to the
 * program.  NULL: no memory. */
BIO *channel_bio_create(int fd);

/* Turn the last error in this thread's queue into one line, and empty the
 * queue.  is_open: after the handshake.  Returns -EACCES (certificates),
 * -EBUSY, -ECONNRESET or -EPROTO. */
int channel_reason_take(SSL *ssl, bool is_open,
			char ret_reason[CHANNEL_REASON_BYTES]) MUST_CHECK;

/* The other side has ended without a word.  Returns -ECONNRESET. */
int channel_reason_cut(bool is_open, char ret_reason[CHANNEL_REASON_BYTES])
	MUST_CHECK;

/* Say what is wrong with the certificate of the other side (X509_V_ERR_…). */
void channel_reason_certificate(SSL *ssl, long fault,
				char ret_reason[CHANNEL_REASON_BYTES]);

/* The common name in `subject`, if there is exactly one and it is printable;
 * else ret_name stays as it is. */
void channel_common_name(const X509_NAME *subject,
			 char ret_name[CHANNEL_NAME_BYTES]);

/* The newest error in the queue, in OpenSSL's words.  Empties the queue. */
const char *channel_reason_words(void);

#endif
