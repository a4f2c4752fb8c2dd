/* SPDX-License-Identifier: MIT */
#include "tests/proto/channel_pair.h"
#include "tests/proto/certs.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

/* A wait that ends only when something is broken. */
enum { PATIENCE_MS = 20000, ALL_MS = 60000, ROUNDS_MAX = 1000 };

static const struct wish wishes[] = {
	{ .file = "server", .name = "the server", .use = "serverAuth",
	  .hosts = "DNS:localhost,DNS:*.example.org,DNS:p*.example.net,"
		   "IP:127.0.0.1,IP:::1" },
	{ .file = "named", .name = "localhost" },
	{ .file = "alice", .name = "alice", .use = "clientAuth" },
	{ .file = "old", .name = "old", .from_s = -9 * CERTS_DAY,
	  .until_s = -CERTS_DAY },
	{ .file = "early", .name = "early", .from_s = CERTS_DAY,
	  .until_s = 9 * CERTS_DAY },
	{ .file = "old_server", .name = "old", .hosts = "DNS:localhost",
	  .from_s = -9 * CERTS_DAY, .until_s = -CERTS_DAY },
	{ .file = "early_server", .name = "early", .hosts = "DNS:localhost",
	  .from_s = CERTS_DAY, .until_s = 9 * CERTS_DAY },
	{ .file = "two", .name = "root", .other_name = "two" },
	{ .file = "odd", .name = "root\nodd" },
};

static void create_other(const char *name, const char *ca, const char *crl,
			 const char *file)
{
	struct authority other;

	authority_create(&other, name, ca);
	authority_issue(&other, &(struct wish){ .file = file, .name = "other",
						.hosts = "DNS:localhost" });
	authority_write_crl(&other, 0, -CERTS_DAY, CERTS_DAY, crl);
	authority_destroy(&other);
}

int world_create(void **state)
{
	struct authority ours;
	long bob;

	(void)state;
	certs_folder_create();
	authority_create(&ours, "ours", "ca");
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++)
		authority_issue(&ours, &wishes[i]);
	bob = authority_issue(&ours, &(struct wish){
		.file = "bob", .name = "bob", .hosts = "DNS:localhost" });
	authority_write_crl(&ours, bob, -CERTS_DAY, CERTS_DAY, "crl");
	authority_write_crl(&ours, 0, -CERTS_DAY, CERTS_DAY, "crl_none");
	authority_write_crl(&ours, 0, -9 * CERTS_DAY, -CERTS_DAY, "crl_old");
	authority_destroy(&ours);
	create_other("stranger", "stranger_ca", "stranger_crl", "stranger");
	create_other("ours", "twin_ca", "twin_crl", "twin");
	return 0;
}

int world_remove(void **state)
{
	(void)state;
	certs_folder_remove();
	return 0;
}

struct channel_context *context_of(const char *file, const char *ca,
				   const char *crl, bool is_server)
{
	struct channel_context *context;
	struct channel_tls_files files;
	char name[64], reason[CHANNEL_REASON_BYTES] = "";

	files.ca = certs_path(ca);
	files.crl = crl == NULL ? NULL : certs_path(crl);
	snprintf(name, sizeof(name), "%s.pem", file);
	files.certificate = certs_path(name);
	snprintf(name, sizeof(name), "%s.key", file);
	files.key = certs_path(name);
	if (channel_context_create(&files, is_server, &context, reason,
				   sizeof(reason)) != 0)
		fail_msg("%s: %s", file, reason);
	return context;
}

static void connect_tcp(int ret_fds[2])
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t at_bytes = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	assert_int_equal(bind(listener, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (void *)&at, &at_bytes), 0);
	ret_fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC |
					     SOCK_NONBLOCK, 0);
	/* Left connecting, which channels must be able to take. */
	if (connect(ret_fds[1], (void *)&at, sizeof(at)) != 0)
		assert_int_equal(errno, EINPROGRESS);
	ret_fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC |
						   SOCK_NONBLOCK);
	assert_true(ret_fds[0] >= 0);
	close(listener);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(ret_fds[i], IPPROTO_TCP,
					    TCP_NODELAY, &one, sizeof(one)), 0);
}

void sockets_connect(bool is_tcp, int ret_fds[2])
{
	if (is_tcp)
		connect_tcp(ret_fds);
	else
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM |
					    SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
					    ret_fds), 0);
}

void pair_open(struct pair *p, bool is_tcp, struct channel_context *server,
	       struct channel_context *client, const char *name)
{
	int fds[2];

	sockets_connect(is_tcp, fds);
	assert_int_equal(channel_open(&p->server, fds[0], server, NULL), 0);
	assert_int_equal(channel_open(&p->client, fds[1], client, name), 0);
}

void pair_close(struct pair *p)
{
	channel_close(&p->client);
	channel_close(&p->server);
}

void pair_open_good(struct pair *p, bool is_tcp)
{
	struct channel_context *server = context_of("server", "ca.pem", NULL,
						    true);
	struct channel_context *client = context_of("alice", "ca.pem", NULL,
						    false);
	int server_err, client_err;

	pair_open(p, is_tcp, server, client, "localhost");
	/* Channels go on without. */
	channel_context_destroy(server);
	channel_context_destroy(client);
	pair_shake(p, &server_err, &client_err);
	if (server_err != 0 || client_err != 0)
		fail_msg("server: %s, client: %s", p->server.reason,
			 p->client.reason);
}

static void await_either(const struct pair *p, int timeout_ms)
{
	struct pollfd fds[2] = {
		{ .fd = p->server.fd, .events = POLLIN },
		{ .fd = p->client.fd, .events = POLLIN },
	};

	poll(fds, 2, timeout_ms);
}

void pair_shake(struct pair *p, int *ret_server, int *ret_client)
{
	for (int i = 0; i < ROUNDS_MAX; i++) {
		*ret_client = channel_handshake(&p->client);
		*ret_server = channel_handshake(&p->server);
		if (*ret_client != -EAGAIN && *ret_server != -EAGAIN)
			return;
		/* One has ended, and the other may wait for what does not
		 * come: the callers close the first then. */
		await_either(p, *ret_client == *ret_server ? PATIENCE_MS : 1);
	}
}

ssize_t await_recv(struct channel *ch, void *to, size_t length)
{
	struct pollfd fd = { .fd = ch->fd, .events = POLLIN };
	ssize_t n;

	do {
		n = channel_recv(ch, to, length);
		if (n != -EAGAIN)
			return n;
	} while (poll(&fd, 1, PATIENCE_MS) > 0);
	return -EAGAIN;
}

bool channel_await(const struct channel *ch)
{
	struct pollfd pfd = { .fd = ch->fd,
			      .events = ch->wants_write ? POLLOUT : POLLIN };

	return poll(&pfd, 1, ALL_MS) == 1;
}

bool channel_send_all(struct channel *ch, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = channel_send(ch, at, length);

		if (n == -EAGAIN && channel_await(ch))
			continue;
		if (n < 0)
			return false;
		at += n;
		length -= (size_t)n;
	}
	return true;
}

bool channel_receive_all(struct channel *ch, void *to, size_t length)
{
	uint8_t *at = to;

	while (length > 0) {
		ssize_t n = channel_recv(ch, at, length);

		if (n == -EAGAIN && channel_await(ch))
			continue;
		if (n <= 0)
			return false;
		at += n;
		length -= (size_t)n;
	}
	return true;
}

uint8_t pattern_byte(unsigned seed, size_t at)
{
	uint64_t x = (at + 1) * UINT64_C(0x9e3779b97f4a7c15) + seed;

	x ^= x >> 29;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint8_t)(x >> 56);
}
