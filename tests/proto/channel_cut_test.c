/* SPDX-License-Identifier: MIT */
/* Proves that a TLS stream that is cut anywhere, changed anywhere, or made of
 * random bytes, ends with an error and a reason, and that what was delivered
 * before is whole records of what was sent: all of it or nothing here.
 *
 * Everything is in one thread; a relay between the two ends does the harm. */
#include "proto/channel.h"
#include "tests/proto/channel_pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

enum { FLIPS = 250, GARBAGES = 200 };

static const char secret[] = "what the other end wants";

static struct channel_context *server_context, *client_context;

/* fds[0] is at the server's side of it, fds[1] at the client's. */
struct relay {
	int fds[2];
	bool is_down;		/* the harmed bytes: server to client */
	size_t cut_at;		/* that many bytes pass; SIZE_MAX: all */
	size_t flip_at;		/* this one is changed; SIZE_MAX: none */
	size_t seen;		/* in that direction */
	bool was_harmful;
};

static struct pair ends;

static void relay_open(struct relay *r)
{
	int server_fds[2], client_fds[2];

	sockets_connect(false, server_fds);
	sockets_connect(false, client_fds);
	assert_int_equal(channel_open(&ends.server, server_fds[0],
				      server_context, NULL), 0);
	assert_int_equal(channel_open(&ends.client, client_fds[0],
				      client_context, "localhost"), 0);
	r->fds[0] = server_fds[1];
	r->fds[1] = client_fds[1];
}

static void relay_close(struct relay *r)
{
	pair_close(&ends);
	close(r->fds[0]);
	close(r->fds[1]);
}

/* Do the harm to `length` bytes; returns how many pass. */
static size_t harm(struct relay *r, uint8_t *bytes, size_t length)
{
	size_t passes = MIN(length, r->cut_at - MIN(r->cut_at, r->seen));

	if (r->flip_at >= r->seen && r->flip_at - r->seen < length) {
		bytes[r->flip_at - r->seen] ^= 0x10;
		r->was_harmful = true;
	}
	r->seen += length;
	r->was_harmful |= passes < length;
	return passes;
}

/* Move what is there; true: something was. */
static bool relay_move(struct relay *r, bool is_down)
{
	int from = r->fds[is_down ? 0 : 1], to = r->fds[is_down ? 1 : 0];
	uint8_t bytes[4096];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);
	size_t passes;

	if (n <= 0)
		return false;
	passes = (size_t)n;
	if (is_down == r->is_down)
		passes = harm(r, bytes, (size_t)n);
	/* To one who has gone, or was cut off, nothing goes. */
	if (passes > 0)
		(void)!send(to, bytes, passes, MSG_NOSIGNAL);
	if (passes < (size_t)n)
		shutdown(to, SHUT_WR);
	return true;
}

/* The ends greet, and each sends the secret once as soon as it may; until
 * nothing moves. */
static void converse(struct relay *r)
{
	bool has_sent[2] = { false, false };
	bool moves = true;

	while (moves) {
		if (channel_handshake(&ends.client) == 0 && !has_sent[0])
			has_sent[0] = channel_send(&ends.client, secret,
						   sizeof(secret)) > 0;
		if (channel_handshake(&ends.server) == 0 && !has_sent[1])
			has_sent[1] = channel_send(&ends.server, secret,
						   sizeof(secret)) > 0;
		moves = relay_move(r, false);
		moves |= relay_move(r, true);
	}
}

/* Returns whether the secret arrived at the end, whole. */
static bool take_secret(struct channel *ch)
{
	char bytes[sizeof(secret) + 1];
	ssize_t n = channel_recv(ch, bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	assert_int_equal(n, sizeof(secret));
	assert_memory_equal(bytes, secret, sizeof(secret));
	return true;
}

static void assert_broken(struct channel *ch)
{
	char byte;

	assert_true(channel_recv(ch, &byte, 1) < 0);
	assert_int_equal(ch->state, CHANNEL_BROKEN);
	assert_true(ch->reason[0] != '\0');
	assert_null(strchr(ch->reason, '\n'));
	assert_false(channel_has_input(ch));
}

static void cut_everywhere(bool is_down)
{
	struct relay r;
	struct channel *victim = is_down ? &ends.client : &ends.server;
	bool has_secret;
	size_t at = 0;

	do {
		r = (struct relay){ .is_down = is_down, .cut_at = at++,
				    .flip_at = SIZE_MAX };
		relay_open(&r);
		converse(&r);
		has_secret = take_secret(victim);
		assert_int_equal(has_secret, !r.was_harmful);
		if (r.was_harmful)
			assert_broken(victim);
		relay_close(&r);
	} while (r.was_harmful);
	/* Certificates were in it. */
	assert_true(at > 500);
}

static void a_server_survives_a_cut_at_every_byte(void **state)
{
	(void)state;
	cut_everywhere(false);
}

static void a_client_survives_a_cut_at_every_byte(void **state)
{
	(void)state;
	cut_everywhere(true);
}

/* A changed byte breaks it, or does not matter (a version that nobody looks
 * at, a session id that only is sent back). */
static void changed_bytes_never_change_what_arrives(void **state)
{
	unsigned broken = 0;

	(void)state;
	for (unsigned i = 0; i < FLIPS; i++) {
		struct relay r = { .is_down = i % 2, .cut_at = SIZE_MAX,
				   .flip_at = i * 3 };
		struct channel *victim = i % 2 ? &ends.client : &ends.server;

		relay_open(&r);
		converse(&r);
		if (!take_secret(victim) && r.was_harmful)
			broken++;
		relay_close(&r);
	}
	assert_true(broken > FLIPS / 2);
}

/* What looks like a record at its start gets further. */
static size_t make_garbage(unsigned seed, uint8_t to[4096])
{
	static const uint8_t start[] = { 22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3 };
	size_t length = 1 + pattern_byte(seed, 0) * 16u % 4095;
	size_t true_bytes = seed % (sizeof(start) + 1);

	for (size_t i = 0; i < length; i++)
		to[i] = pattern_byte(seed, i + 1);
	memcpy(to, start, MIN(true_bytes, length));
	return length;
}

static void random_bytes_are_refused(void **state)
{
	uint8_t bytes[4096];
	struct channel ch;
	int fds[2];

	(void)state;
	for (unsigned i = 0; i < GARBAGES; i++) {
		bool is_server = i % 2 == 0;
		size_t length = make_garbage(i / 2, bytes);

		sockets_connect(false, fds);
		assert_int_equal(channel_open(&ch, fds[0], is_server ?
				 server_context : client_context,
				 "localhost"), 0);
		assert_int_equal(send(fds[1], bytes, length, 0), length);
		shutdown(fds[1], SHUT_WR);
		assert_true(channel_handshake(&ch) < 0);
		assert_broken(&ch);
		assert_true(channel_send(&ch, secret, sizeof(secret)) < 0);
		channel_close(&ch);
		close(fds[1]);
	}
}

static int create(void **state)
{
	world_create(state);
	server_context = context_of("server", "ca.pem", "crl_none.pem", true);
	client_context = context_of("alice", "ca.pem", NULL, false);
	return 0;
}

static int cleanup(void **state)
{
	channel_context_destroy(server_context);
	channel_context_destroy(client_context);
	return world_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_survives_a_cut_at_every_byte),
		cmocka_unit_test(a_client_survives_a_cut_at_every_byte),
		cmocka_unit_test(changed_bytes_never_change_what_arrives),
		cmocka_unit_test(random_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, create, cleanup);
}
