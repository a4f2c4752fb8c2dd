/* SPDX-License-Identifier: MIT */
/* What the files behind proto/channel.h share: OpenSSL's objects and how they
 * are made.  For channel*.c only. */
#ifndef MEMD_PROTO_CHANNEL_TLS_H
#define MEMD_PROTO_CHANNEL_TLS_H

#include "common/checks.h"
#include "proto/limits.h"
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* OpenSSL counts who holds `rules`: each channel's SSL does, so this may go
 * while channels live. */
struct channel_context {
	SSL_CTX *rules;
	uid_t key_owner;
};

/* A BIO over a socket that it does not own, which neither blocks nor raises
 * SIGPIPE, whatever the socket's flags are: the signals may belong to another
 * program.  NULL: no memory. */
BIO *channel_bio_create(int fd);

/* What OpenSSL's last call said in this thread's error queue, in one line;
 * is_open: after the handshake.  Empties the queue.  Returns -EACCES
 * (certificates), -EBUSY, -ECONNRESET or -EPROTO. */
int channel_reason_take(SSL *ssl, bool is_open,
			char ret_reason[CHANNEL_REASON_BYTES]) MUST_CHECK;

/* The other is gone, and said nothing.  Returns -ECONNRESET. */
int channel_reason_cut(bool is_open, char ret_reason[CHANNEL_REASON_BYTES])
	MUST_CHECK;

/* What is wrong with the other's certificate (X509_V_ERR_…). */
void channel_reason_certificate(SSL *ssl, long fault,
				char ret_reason[CHANNEL_REASON_BYTES]);

/* The one common name in it, as text without surprises; else it is left. */
void channel_common_name(const X509_NAME *subject,
			 char ret_name[CHANNEL_NAME_BYTES]);

/* The newest line of the error queue in OpenSSL's words; empties the queue. */
const char *channel_reason_words(void);

#endif
