/* SPDX-License-Identifier: MIT */
/* Moving bytes over sockets, plain or with TLS.  Each call of OpenSSL is made
 * between tls_begin() and tls_settle(), which looks at the error.  OpenSSL's
 * error queue belongs to the thread, and another user of OpenSSL in this
 * program may have left errors in it.
 *
 * OpenSSL reads no further than the record it wants (no read-ahead).  So it
 * holds exactly what SSL_pending() says, and a poll of the socket tells of
 * everything else.  The poll must be level-triggered: a record without data
 * (new keys) makes channel_recv() return -EAGAIN although there may be more. */
#include "proto/channel.h"

#include "proto/channel_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* read before closing, see channel_swallow() */
enum { SWALLOW_BYTES = 4096, SWALLOW_ROUNDS = 16 };

static int channel_fail(struct channel *ch, int error, const char *what)
{
	ch->state = CHANNEL_BROKEN;
	snprintf(ch->reason, sizeof(ch->reason), "%s: %s", what,
		 strerror(error));
	return -error;
}

static void tls_begin(struct channel *ch)
{
	ch->wants_write = false;
	ERR_clear_error();
	errno = 0;
}

/* An OpenSSL call gave `result`, which is no success.  Returns 0 (the other
 * side has ended in order), -EAGAIN, or the error that has broken the
 * channel. */
static int tls_settle(struct channel *ch, int result, const char *what)
{
	bool is_open = ch->state == CHANNEL_OPEN;
	int error = errno;

	switch (SSL_get_error(ch->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		ch->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SSL:
		ch->state = CHANNEL_BROKEN;
		return channel_reason_take(ch->ssl, is_open, ch->reason);
	default:
		ERR_clear_error();
		if (error != 0 && (is_open || error != ECONNRESET))
			return channel_fail(ch, error, what);
		ch->state = CHANNEL_BROKEN;
		return channel_reason_cut(is_open, ch->reason);
	}
}

/* ---- opening */

/* Set the host name that the server's certificate must have.  Refuse a name
 * that OpenSSL would take for several hosts or for none. */
static int expect_host(SSL *ssl, const char *host)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) == 1 ||
	    inet_pton(AF_INET6, host, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
						     host) == 1 ? 0 : -ENOMEM;
	if (host[0] == '\0' || host[0] == '.' || strlen(host) > 253)
		return -EINVAL;
	/* Look for the name in the names of hosts, not in the subject, where
	 * clients have their name. */
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (SSL_set1_host(ssl, host) != 1 ||
	    SSL_set_tlsext_host_name(ssl, host) != 1)
		return -ENOMEM;
	return 0;
}

static int start_tls(struct channel *ch, const struct channel_context *context,
		     const char *name)
{
	BIO *bio = channel_bio_create(ch->fd);
	SSL *ssl = SSL_new(context->rules);
	int err = -ENOMEM;

	if (bio == NULL || ssl == NULL)
		goto fail;
	if (SSL_is_server(ssl)) {
		SSL_set_accept_state(ssl);
		err = 0;
	} else {
		ASSERT(name != NULL);
		SSL_set_connect_state(ssl);
		err = expect_host(ssl, name);
	}
	if (err)
		goto fail;
	SSL_set_bio(ssl, bio, bio);
	ch->ssl = ssl;
	ch->state = CHANNEL_HANDSHAKE;
	return 0;
fail:
	SSL_free(ssl);
	BIO_free(bio);
	return err;
}

int channel_open(struct channel *ch, int fd, struct channel_context *context,
		 const char *name)
{
	int err;

	*ch = (struct channel){ .state = CHANNEL_OPEN, .fd = fd };
	if (context == NULL)
		return 0;
	ERR_clear_error();
	err = start_tls(ch, context, name);
	ERR_clear_error();
	if (err)
		channel_close(ch);
	return err;
}

static int tls_shake_hands(struct channel *ch)
{
	int result, err;

	tls_begin(ch);
	result = SSL_do_handshake(ch->ssl);
	if (result == 1) {
		ch->state = CHANNEL_OPEN;
		return 0;
	}
	err = tls_settle(ch, result, "handshake");
	return err != 0 ? err : channel_fail(ch, ECONNRESET, "handshake");
}

int channel_handshake(struct channel *ch)
{
	switch (ch->state) {
	case CHANNEL_OPEN:
		return 0;
	case CHANNEL_HANDSHAKE:
		return tls_shake_hands(ch);
	default:
		return -ECONNRESET;
	}
}

/* ---- bytes */

static ssize_t plain_recv(struct channel *ch, void *to, size_t length)
{
	ssize_t n = recv(ch->fd, to, length, MSG_DONTWAIT);

	ch->wants_write = false;
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	return channel_fail(ch, errno, "receive");
}

static ssize_t plain_sendv(struct channel *ch, struct iovec *iov, size_t count)
{
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n = sendmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	ch->wants_write = n < 0;
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	return channel_fail(ch, errno, "send");
}

static ssize_t tls_recv(struct channel *ch, void *to, size_t length)
{
	size_t moved;
	int result;

	tls_begin(ch);
	result = SSL_read_ex(ch->ssl, to, length, &moved);
	return result == 1 ? (ssize_t)moved : tls_settle(ch, result, "receive");
}

/* A server that refuses a client's certificate sends an alert and closes.  For
 * the client the handshake was over, so it may be sending.  The alert is a
 * better reason than the failed send. */
static int read_pending_alert(struct channel *ch, int error)
{
	char byte;
	size_t moved;
	int result;

	tls_begin(ch);
	result = SSL_peek_ex(ch->ssl, &byte, 1, &moved);
	if (result != 1 &&
	    SSL_get_error(ch->ssl, result) == SSL_ERROR_SSL)
		return tls_settle(ch, result, "send");
	ERR_clear_error();
	return error;
}

static ssize_t tls_send(struct channel *ch, const void *from, size_t length)
{
	size_t moved;
	int result, err;

	tls_begin(ch);
	result = SSL_write_ex(ch->ssl, from, length, &moved);
	if (result == 1)
		return (ssize_t)moved;
	err = tls_settle(ch, result, "send");
	if (err == -EPIPE || err == -ECONNRESET)
		err = read_pending_alert(ch, err);
	return err != 0 ? err : channel_fail(ch, EPIPE, "send");
}

ssize_t channel_recv(struct channel *ch, void *to, size_t length)
{
	int err;

	if (ch->ssl == NULL)
		return plain_recv(ch, to, length);
	err = channel_handshake(ch);
	if (err || length == 0)
		return err;
	return tls_recv(ch, to, length);
}

ssize_t channel_send(struct channel *ch, const void *from, size_t length)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)from,
			     .iov_len = length };
	int err;

	if (ch->ssl == NULL)
		return plain_sendv(ch, &iov, 1);
	err = channel_handshake(ch);
	if (err || length == 0)
		return err;
	return tls_send(ch, from, length);
}

ssize_t channel_sendv(struct channel *ch, struct iovec *iov, size_t count)
{
	ASSERT(count > 0 && iov[0].iov_len > 0);
	if (ch->ssl == NULL)
		return plain_sendv(ch, iov, count);
	return channel_send(ch, iov[0].iov_base, iov[0].iov_len);
}

bool channel_has_input(const struct channel *ch)
{
	return ch->ssl != NULL && ch->state == CHANNEL_OPEN &&
	       SSL_pending(ch->ssl) > 0;
}

/* ---- name of the other side */

void channel_common_name(const X509_NAME *subject,
			 char ret_name[CHANNEL_NAME_BYTES])
{
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int length;

	if (at < 0 ||
	    X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return;
	length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(
				     X509_NAME_get_entry(subject, at)));
	if (length > 0 && length < CHANNEL_NAME_BYTES) {
		memcpy(ret_name, text, (size_t)length);
		ret_name[length] = '\0';
	}
	for (int i = 0; i < length && ret_name[0] != '\0'; i++) {
		if (text[i] < ' ' || text[i] == 0x7f)
			ret_name[0] = '\0';
	}
	OPENSSL_free(text);
}

void channel_peer_name(const struct channel *ch,
		       char ret_name[CHANNEL_NAME_BYTES])
{
	X509 *certificate;

	ret_name[0] = '\0';
	/* Before the end of the handshake, and after an error, the certificate
	 * is not proven.  OpenSSL does not tell these cases apart. */
	if (ch->ssl == NULL || !SSL_is_init_finished(ch->ssl))
		return;
	certificate = SSL_get0_peer_certificate(ch->ssl);
	if (certificate != NULL)
		channel_common_name(X509_get_subject_name(certificate),
				    ret_name);
	ERR_clear_error();
}

/* ---- closing */

/* Closing a TCP socket that has unread bytes resets the connection, and the
 * other side may never see what was sent before.  So read them first. */
static void channel_swallow(int fd)
{
	char bytes[SWALLOW_BYTES];

	shutdown(fd, SHUT_WR);
	for (int i = 0; i < SWALLOW_ROUNDS; i++) {
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			return;
	}
}

static void end_tls(struct channel *ch)
{
	ERR_clear_error();
	if (ch->state == CHANNEL_OPEN)
		SSL_shutdown(ch->ssl);
	SSL_free(ch->ssl);
	ERR_clear_error();
	ch->ssl = NULL;
	channel_swallow(ch->fd);
}

void channel_close(struct channel *ch)
{
	if (ch->ssl != NULL)
		end_tls(ch);
	if (ch->fd >= 0)
		close(ch->fd);
	ch->fd = -1;
	ch->state = CHANNEL_BROKEN;
}

/* Send a TLS record with a fatal alert.  internal_error is the only alert for
 * something that is not the client's fault; OpenSSL sends it for lack of
 * memory. */
void channel_turn_away(int fd, const struct channel_context *context,
		       const void *bytes, size_t length)
{
	static const uint8_t alert[] = { SSL3_RT_ALERT, 3, 3, 0, 2,
					 SSL3_AL_FATAL, SSL_AD_INTERNAL_ERROR };
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

	if (context != NULL)
		(void)!send(fd, alert, sizeof(alert), flags);
	else
		(void)!send(fd, bytes, length, flags);
	channel_swallow(fd);
	close(fd);
}
