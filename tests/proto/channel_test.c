/* SPDX-License-Identifier: MIT */
/* Proves that channels, plain and with TLS, over socket pairs and TCP, carry
 * every byte both ways at once, unchanged and in order, through full sockets
 * and retries from another address; that ends in order are told from ends that
 * are not; and that nobody gets a SIGPIPE. */
#include "proto/channel.h"
#include "tests/proto/channel_pair.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { STREAM_BYTES = 2 << 20, PIECE_BYTES = 70000, PATIENCE_MS = 20000 };

static void open_kind(struct pair *p, bool is_tls, bool is_tcp)
{
	if (is_tls)
		pair_open_good(p, is_tcp);
	else
		pair_open(p, is_tcp, NULL, NULL, NULL);
}

/* One direction. */
struct stream {
	struct channel *from, *to;
	unsigned seed;
	size_t sent, received;
	size_t piece_bytes;		/* on its way, again after -EAGAIN */
	unsigned odd;			/* which of the buffers */
	unsigned retries;
};

static size_t any_length(struct stream *s)
{
	size_t length = 1 + pattern_byte(s->seed, s->sent + s->received) *
			(size_t)(PIECE_BYTES / 256);

	return MIN(length, STREAM_BYTES - s->sent);
}

/* Sends from another buffer each time. */
static bool stream_send(struct stream *s)
{
	static uint8_t buffers[2][PIECE_BYTES];
	uint8_t *buffer = buffers[s->odd++ % 2];
	ssize_t n;

	if (s->sent == STREAM_BYTES)
		return false;
	if (s->piece_bytes == 0)
		s->piece_bytes = any_length(s);
	for (size_t i = 0; i < s->piece_bytes; i++)
		buffer[i] = pattern_byte(s->seed, s->sent + i);
	n = channel_send(s->from, buffer, s->piece_bytes);
	memset(buffer, 0, s->piece_bytes);
	if (n == -EAGAIN) {
		assert_true(s->from->wants_write);
		s->retries++;
		return false;
	}
	if (n <= 0)
		fail_msg("%s", s->from->reason);
	s->sent += (size_t)n;
	s->piece_bytes = 0;
	return true;
}

static bool stream_recv(struct stream *s)
{
	static uint8_t buffer[PIECE_BYTES];
	size_t length = 1 + pattern_byte(s->seed + 7, s->received) * 270u;
	ssize_t n = channel_recv(s->to, buffer, length);

	if (n == -EAGAIN) {
		assert_false(channel_has_input(s->to));
		return false;
	}
	if (n <= 0)
		fail_msg("%s", s->to->reason);
	for (size_t i = 0; i < (size_t)n; i++) {
		if (buffer[i] != pattern_byte(s->seed, s->received + i))
			fail_msg("byte %zu is wrong", s->received + i);
	}
	s->received += (size_t)n;
	return true;
}

/* The half of a record may have moved meanwhile: to write may do, too. */
static void await_sockets(const struct pair *p)
{
	struct pollfd fds[2] = {
		{ .fd = p->server.fd, .events = POLLIN | POLLOUT },
		{ .fd = p->client.fd, .events = POLLIN | POLLOUT },
	};

	assert_true(poll(fds, 2, PATIENCE_MS) > 0);
}

/* Both directions, taking turns that change. */
static void move_streams(struct pair *p, bool has_new_keys,
			 unsigned *ret_retries)
{
	struct stream up = { .from = &p->client, .to = &p->server, .seed = 1 };
	struct stream down = { .from = &p->server, .to = &p->client,
			       .seed = 2 };

	for (unsigned round = 0; up.received < STREAM_BYTES ||
				 down.received < STREAM_BYTES; round++) {
		bool moved = stream_send(&up);

		if (has_new_keys && round % 16 == 3)
			SSL_key_update(p->server.ssl,
				       SSL_KEY_UPDATE_REQUESTED);
		moved |= stream_send(&down);
		if (pattern_byte(3, round) < 100)
			moved |= stream_recv(&up);
		moved |= stream_recv(&down);
		if (pattern_byte(4, round) < 200)
			moved |= stream_recv(&up);
		else
			moved = true;
		if (!moved)
			await_sockets(p);
	}
	assert_int_equal(up.received, up.sent);
	assert_int_equal(down.received, down.sent);
	*ret_retries = MIN(up.retries, down.retries);
}

static void bytes_move_both_ways(void **state)
{
	struct pair p;
	unsigned retries;
	int small = 8192;

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		open_kind(&p, kind & 1, kind & 2);
		setsockopt(p.server.fd, SOL_SOCKET, SO_SNDBUF, &small,
			   sizeof(small));
		setsockopt(p.client.fd, SOL_SOCKET, SO_SNDBUF, &small,
			   sizeof(small));
		move_streams(&p, false, &retries);
		/* The way was full at times; TCP's is as long as it likes. */
		assert_true(retries > 0 || (kind & 2));
		pair_close(&p);
	}
}

static void bytes_move_under_changing_keys(void **state)
{
	struct pair p;
	unsigned retries;
	int small = 8192;

	(void)state;
	pair_open_good(&p, false);
	setsockopt(p.server.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(p.client.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	move_streams(&p, true, &retries);
	assert_true(retries > 0);
	pair_close(&p);
}

static void what_tls_holds_is_told(void **state)
{
	struct pollfd fd = { .events = POLLIN };
	uint8_t bytes[10000] = { 0 };
	struct pair p;

	(void)state;
	pair_open_good(&p, false);
	assert_false(channel_has_input(&p.server));
	assert_int_equal(channel_send(&p.client, bytes, sizeof(bytes)),
			 sizeof(bytes));
	assert_int_equal(await_recv(&p.server, bytes, 100), 100);
	fd.fd = p.server.fd;
	assert_int_equal(poll(&fd, 1, 0), 0);
	assert_true(channel_has_input(&p.server));
	assert_int_equal(channel_recv(&p.server, bytes, sizeof(bytes)),
			 sizeof(bytes) - 100);
	assert_false(channel_has_input(&p.server));
	assert_int_equal(channel_recv(&p.server, bytes, 1), -EAGAIN);
	pair_close(&p);
}

static void an_end_in_order_is_zero(void **state)
{
	struct pair p;
	char byte;

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		open_kind(&p, kind & 1, kind & 2);
		channel_close(&p.client);
		assert_int_equal(await_recv(&p.server, &byte, 1), 0);
		assert_int_equal(channel_recv(&p.server, &byte, 1), 0);
		pair_close(&p);
	}
}

static void an_end_without_goodbye_is_an_error(void **state)
{
	struct pair p;
	char byte;

	(void)state;
	pair_open_good(&p, false);
	shutdown(p.client.fd, SHUT_WR);
	assert_int_equal(await_recv(&p.server, &byte, 1), -ECONNRESET);
	assert_non_null(strstr(p.server.reason, "without a goodbye"));
	assert_int_equal(p.server.state, CHANNEL_BROKEN);
	assert_int_equal(channel_send(&p.server, "x", 1), -ECONNRESET);
	pair_close(&p);
}

/* One who sends records without data for ever gets a turn like all others:
 * each call ends although there is more. */
static void records_without_data_hold_nobody(void **state)
{
	struct pollfd fd = { .events = POLLIN };
	unsigned turns = 0;
	struct pair p;
	char byte;

	(void)state;
	pair_open_good(&p, false);
	fd.fd = p.server.fd;
	for (int i = 0; i < 100; i++) {
		SSL_key_update(p.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(SSL_do_handshake(p.client.ssl), 1);
	}
	assert_int_equal(channel_send(&p.client, "x", 1), 1);
	while (channel_recv(&p.server, &byte, 1) == -EAGAIN) {
		assert_int_equal(poll(&fd, 1, 0), 1);
		turns++;
	}
	assert_int_equal(byte, 'x');
	assert_int_equal(turns, 100);
	pair_close(&p);
}

/* As a reset overtakes what was said before it, when that is lost once. */
static void closing_over_unread_input_resets_nothing(void **state)
{
	struct pollfd fd = { .events = POLLIN };
	uint8_t bytes[20000] = { 0 };
	struct pair p;
	ssize_t n;

	(void)state;
	pair_open_good(&p, true);
	assert_true(channel_send(&p.client, bytes, sizeof(bytes)) > 0);
	fd.fd = p.server.fd;
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	channel_close(&p.server);
	fd.fd = p.client.fd;
	do {
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		n = recv(p.client.fd, bytes, sizeof(bytes), 0);
	} while (n > 0);
	assert_int_equal(n, 0);
	pair_close(&p);
}

/* As a signal would end this program. */
static void sending_to_nobody_raises_no_signal(void **state)
{
	struct pair p;
	ssize_t n;

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		open_kind(&p, kind & 1, kind & 2);
		shutdown(p.server.fd, SHUT_RDWR);
		close(p.server.fd);
		p.server.fd = -1;
		for (int i = 0; i < 100; i++) {
			n = channel_send(&p.client, "data", 4);
			if (n < 0)
				break;
		}
		assert_true(n == -EPIPE || n == -ECONNRESET);
		assert_int_equal(p.client.state, CHANNEL_BROKEN);
		assert_true(p.client.reason[0] != '\0');
		pair_close(&p);
	}
}

static void names_are_those_of_the_certificates(void **state)
{
	char name[CHANNEL_NAME_BYTES] = "x";
	struct pair p;

	(void)state;
	pair_open(&p, false, NULL, NULL, NULL);
	channel_peer_name(&p.client, name);
	assert_string_equal(name, "");
	pair_close(&p);
	pair_open_good(&p, false);
	channel_peer_name(&p.server, name);
	assert_string_equal(name, "alice");
	channel_peer_name(&p.client, name);
	assert_string_equal(name, "the server");
	pair_close(&p);
}

/* Another user of OpenSSL in the same thread. */
static void errors_of_others_do_not_count(void **state)
{
	struct pair p;
	char byte;

	(void)state;
	pair_open_good(&p, false);
	ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
	assert_int_equal(channel_recv(&p.server, &byte, 1), -EAGAIN);
	ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
	assert_int_equal(channel_send(&p.server, "x", 1), 1);
	assert_int_equal(await_recv(&p.client, &byte, 1), 1);
	pair_close(&p);
	assert_int_equal(ERR_peek_error(), 0);
}

struct crew {
	struct channel_context *server, *client;
	unsigned failures;
};

/* Opens, greets, sends a byte each way, closes, several times. */
static void *use_contexts(void *arg)
{
	struct crew *crew = arg;

	for (int i = 0; i < 20; i++) {
		struct pair p;
		int errs[2];
		char byte = 'x';

		pair_open(&p, false, crew->server, crew->client, "localhost");
		pair_shake(&p, &errs[0], &errs[1]);
		if (errs[0] != 0 || errs[1] != 0 ||
		    channel_send(&p.client, &byte, 1) != 1 ||
		    await_recv(&p.server, &byte, 1) != 1 ||
		    channel_send(&p.server, &byte, 1) != 1 ||
		    await_recv(&p.client, &byte, 1) != 1)
			__atomic_add_fetch(&crew->failures, 1,
					   __ATOMIC_RELAXED);
		pair_close(&p);
	}
	return NULL;
}

static void threads_share_contexts(void **state)
{
	struct crew crew = {
		.server = context_of("server", "ca.pem", "crl.pem", true),
		.client = context_of("alice", "ca.pem", "crl.pem", false),
	};
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_contexts,
						&crew), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(crew.failures, 0);
	channel_context_destroy(crew.server);
	channel_context_destroy(crew.client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_move_both_ways),
		cmocka_unit_test(bytes_move_under_changing_keys),
		cmocka_unit_test(what_tls_holds_is_told),
		cmocka_unit_test(an_end_in_order_is_zero),
		cmocka_unit_test(an_end_without_goodbye_is_an_error),
		cmocka_unit_test(records_without_data_hold_nobody),
		cmocka_unit_test(closing_over_unread_input_resets_nothing),
		cmocka_unit_test(sending_to_nobody_raises_no_signal),
		cmocka_unit_test(names_are_those_of_the_certificates),
		cmocka_unit_test(errors_of_others_do_not_count),
		cmocka_unit_test(threads_share_contexts),
	};

	return cmocka_run_group_tests(tests, world_create, world_remove);
}
