/* SPDX-License-Identifier: MIT */
/* The socket below TLS, for OpenSSL.  OpenSSL's own socket BIO calls write(2),
 * which raises SIGPIPE when the other side is gone. */
#include "proto/channel_tls.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

static BIO_METHOD *method;

static int fd_of(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static bool bio_is_passing(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static int socket_write(BIO *bio, const char *from, size_t length,
			size_t *ret_count)
{
	ssize_t n = send(fd_of(bio), from, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && bio_is_passing())
		BIO_set_retry_write(bio);
	*ret_count = n < 0 ? 0 : (size_t)n;
	return n >= 0;
}

static int socket_read(BIO *bio, char *to, size_t length, size_t *ret_count)
{
	ssize_t n = recv(fd_of(bio), to, length, MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n < 0 && bio_is_passing())
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	*ret_count = n < 0 ? 0 : (size_t)n;
	return n > 0;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

/* Kept until the process ends, because BIOs point to it. */
static void make_method(void)
{
	BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() |
					BIO_TYPE_SOURCE_SINK, "memd socket");

	if (made == NULL)
		return;
	if (BIO_meth_set_write_ex(made, socket_write) == 1 &&
	    BIO_meth_set_read_ex(made, socket_read) == 1 &&
	    BIO_meth_set_ctrl(made, socket_control) == 1)
		method = made;
	else
		BIO_meth_free(made);
}

BIO *channel_bio_create(int fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	pthread_once(&once, make_method);
	if (method == NULL)
		return NULL;
	bio = BIO_new(method);
	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	return bio;
}
