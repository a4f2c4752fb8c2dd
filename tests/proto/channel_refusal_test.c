/* SPDX-License-Identifier: MIT */
/* Proves that with TLS no byte passes to or from one who is not who it should
 * be, or whose handshake is not whole: each bad certificate, name, version,
 * revocation; text in the clear in either direction; streams cut at every
 * byte, with a wrong byte, or of random bytes.  And that both ends then have
 * a reason that names the fault. */
#include "proto/channel.h"
#include "proto/wire.h"
#include "tests/proto/certs.h"
#include "tests/proto/channel_pair.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static const char secret[] = "what nobody else may see";

static const struct refusal {
	const char *server, *client;	/* certificates */
	const char *server_ca, *client_ca;
	const char *server_crl, *client_crl;
	const char *name;		/* that the client wants */
	const char *server_says;	/* as in the reasons */
	const char *client_says;
} refusals[] = {
	/* clients that a server refuses */
	{ "server", "stranger", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "certificate: unknown CA", "certificate: unknown CA" },
	{ "server", "twin", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "unknown CA (with the name", "refuses" },
	{ "server", "old", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "certificate has expired", "certificate has expired" },
	{ "server", "early", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "not yet valid", "bad certificate" },
	{ "server", "bob", "ca.pem", "ca.pem", "crl.pem", NULL, "localhost",
	  "certificate is revoked", "certificate is revoked" },
	{ "server", "alice", "ca.pem", "ca.pem", "crl_old.pem", NULL,
	  "localhost", "(CRL) has expired", "has expired" },
	{ "server", "server", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "not for this use", "not for this use" },
	/* servers that a client refuses */
	{ "stranger", "alice", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "certificate: unknown CA", "certificate: unknown CA" },
	{ "twin", "alice", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "refuses", "unknown CA (with the name" },
	{ "old_server", "alice", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "certificate has expired", "certificate has expired" },
	{ "early_server", "alice", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "bad certificate", "not yet valid" },
	{ "bob", "alice", "ca.pem", "ca.pem", NULL, "crl.pem", "localhost",
	  "certificate is revoked", "certificate is revoked" },
	{ "alice", "alice", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "not for this use", "not for this use" },
	{ "server", "alice", "ca.pem", "ca.pem", NULL, NULL, "example.org",
	  "bad certificate", "host name mismatch" },
	{ "server", "alice", "ca.pem", "ca.pem", NULL, NULL, "a.b.example.org",
	  "bad certificate", "host name mismatch" },
	{ "server", "alice", "ca.pem", "ca.pem", NULL, NULL,
	  "pager.example.net", "bad certificate", "host name mismatch" },
	{ "server", "alice", "ca.pem", "ca.pem", NULL, NULL, "the server",
	  "bad certificate", "host name mismatch" },
	{ "named", "alice", "ca.pem", "ca.pem", NULL, NULL, "localhost",
	  "bad certificate", "host name mismatch" },
	{ "server", "alice", "ca.pem", "ca.pem", NULL, NULL, "127.0.0.2",
	  "bad certificate", "IP address mismatch" },
	{ "server", "alice", "ca.pem", "ca.pem", NULL, NULL, "::2",
	  "bad certificate", "IP address mismatch" },
	/* each believes only the other's CA */
	{ "stranger", "alice", "stranger_ca.pem", "stranger_ca.pem", NULL, NULL,
	  "localhost", "certificate: unknown CA", "certificate: unknown CA" },
	/* a list of another CA says nothing of this one */
	{ "stranger", "alice", "ca.pem", "stranger_ca.pem", NULL, "crl.pem",
	  "localhost", "refuses", "has none of the certificate's CA" },
};

/* Neither end gives or takes what is ours.  A socket that is not shut down
 * hides nothing: the wait ends when the other has closed. */
static void assert_nothing_passes(struct channel *ch)
{
	char bytes[64];
	ssize_t n = await_recv(ch, bytes, sizeof(bytes));

	if (n >= 0)
		fail_msg("got %zd bytes", n);
	assert_int_not_equal(n, -EAGAIN);
	assert_int_equal(ch->state, CHANNEL_BROKEN);
	assert_true(channel_send(ch, secret, sizeof(secret)) < 0);
	assert_false(channel_has_input(ch));
	assert_null(strchr(ch->reason, '\n'));
}

static void assert_says(const char *who, const struct channel *ch,
			const char *text)
{
	if (strstr(ch->reason, text) == NULL)
		fail_msg("%s says \"%s\", not \"%s\"", who, ch->reason, text);
}

static void try_refusal(const struct refusal *r, bool is_tcp)
{
	struct channel_context *server = context_of(r->server, r->server_ca,
						    r->server_crl, true);
	struct channel_context *client = context_of(r->client, r->client_ca,
						    r->client_crl, false);
	struct pair p;
	int server_err, client_err;

	pair_open(&p, is_tcp, server, client, r->name);
	pair_shake(&p, &server_err, &client_err);
	assert_true(server_err == -EACCES || client_err == -EACCES);
	/* The client may be of good faith still, and send. */
	if (client_err == 0)
		assert_true(channel_send(&p.client, secret, sizeof(secret)) >
			    0);
	assert_nothing_passes(&p.server);
	assert_says("server", &p.server, r->server_says);
	channel_close(&p.server);
	assert_nothing_passes(&p.client);
	assert_says("client", &p.client, r->client_says);
	pair_close(&p);
	channel_context_destroy(server);
	channel_context_destroy(client);
}

static void bad_certificates_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		try_refusal(&refusals[i], false);
		try_refusal(&refusals[i], true);
	}
}

/* The same with what is right, or the above would prove nothing. */
static void good_certificates_are_taken(void **state)
{
	static const struct refusal good[] = {
		{ .client = "alice", .name = "localhost" },
		{ .client = "alice", .name = "LOCALHOST" },
		{ .client = "alice", .name = "a.example.org" },
		{ .client = "alice", .name = "127.0.0.1" },
		{ .client = "alice", .name = "::1" },
		{ .client = "bob", .name = "localhost" },
		{ .client = "bob", .name = "localhost",
		  .server_crl = "crl_none.pem", .client_crl = "crl.pem" },
		{ .client = "alice", .name = "localhost",
		  .server_crl = "crl.pem" },
	};
	struct channel_context *server, *client;
	struct pair p;
	int errs[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		server = context_of("server", "ca.pem", good[i].server_crl,
				    true);
		client = context_of(good[i].client, "ca.pem",
				    good[i].client_crl, false);
		pair_open(&p, false, server, client, good[i].name);
		pair_shake(&p, &errs[0], &errs[1]);
		if (errs[0] != 0 || errs[1] != 0)
			fail_msg("%zu: %s %s", i, p.server.reason,
				 p.client.reason);
		pair_close(&p);
		channel_context_destroy(server);
		channel_context_destroy(client);
	}
}

/* As it sends while the server closes. */
static void a_refused_client_that_only_sends_hears_why(void **state)
{
	struct channel_context *server = context_of("server", "ca.pem",
						    "crl.pem", true);
	struct channel_context *client = context_of("bob", "ca.pem", NULL,
						    false);
	struct pair p;
	int server_err, client_err;
	ssize_t n = 0;

	(void)state;
	pair_open(&p, false, server, client, "localhost");
	pair_shake(&p, &server_err, &client_err);
	assert_int_equal(client_err, 0);
	assert_int_equal(server_err, -EACCES);
	channel_close(&p.server);
	for (int i = 0; i < 10 && n >= 0; i++)
		n = channel_send(&p.client, secret, sizeof(secret));
	assert_int_equal(n, -EACCES);
	assert_says("client", &p.client, "certificate is revoked");
	pair_close(&p);
	channel_context_destroy(server);
	channel_context_destroy(client);
}

static void names_for_many_hosts_are_refused(void **state)
{
	static const char *const names[] = { "", ".example.org", "." };
	struct channel_context *client = context_of("alice", "ca.pem", NULL,
						    false);
	struct channel ch;
	int fds[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		sockets_connect(false, fds);
		assert_int_equal(channel_open(&ch, fds[1], client, names[i]),
				 -EINVAL);
		assert_int_equal(ch.state, CHANNEL_BROKEN);
		/* It is closed: the other end reads the end. */
		assert_int_equal(recv(fds[0], &(char){ 0 }, 1, 0), 0);
		close(fds[0]);
	}
	channel_context_destroy(client);
}

/* Names with rights belong to one certificate, and are plain text. */
static void doubtful_names_are_no_names(void **state)
{
	static const char *const files[] = { "two", "odd" };
	struct channel_context *server = context_of("server", "ca.pem", NULL,
						    true);
	char name[CHANNEL_NAME_BYTES];
	struct channel_context *client;
	struct pair p;
	int errs[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		client = context_of(files[i], "ca.pem", NULL, false);
		pair_open(&p, false, server, client, "localhost");
		channel_peer_name(&p.server, name);
		assert_string_equal(name, "");
		pair_shake(&p, &errs[0], &errs[1]);
		assert_int_equal(errs[0], 0);
		channel_peer_name(&p.server, name);
		assert_string_equal(name, "");
		pair_close(&p);
		channel_context_destroy(client);
	}
	channel_context_destroy(server);
}

/* ---- the other end is not ours, but OpenSSL as anybody uses it */

struct stranger {
	SSL_CTX *rules;
	SSL *ssl;
};

static void stranger_open(struct stranger *s, int fd, bool is_server,
			  int version_max, const char *file)
{
	char name[64];

	s->rules = SSL_CTX_new(is_server ? TLS_server_method() :
					   TLS_client_method());
	assert_int_equal(SSL_CTX_set_max_proto_version(s->rules, version_max),
			 1);
	if (file != NULL) {
		snprintf(name, sizeof(name), "%s.pem", file);
		assert_int_equal(SSL_CTX_use_certificate_file(s->rules,
				 certs_path(name), SSL_FILETYPE_PEM), 1);
		snprintf(name, sizeof(name), "%s.key", file);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(s->rules,
				 certs_path(name), SSL_FILETYPE_PEM), 1);
	}
	s->ssl = SSL_new(s->rules);
	assert_int_equal(SSL_set_fd(s->ssl, fd), 1);
	if (is_server)
		SSL_set_accept_state(s->ssl);
	else
		SSL_set_connect_state(s->ssl);
}

static void stranger_close(struct stranger *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->rules);
}

/* Returns what our end says; bytes from the stranger go on until it fails. */
static int meet_stranger(struct channel *ours, struct stranger *s)
{
	int err = -EAGAIN, sent = 0;

	for (int i = 0; i < 20 && err == -EAGAIN; i++) {
		if (SSL_do_handshake(s->ssl) == 1 && sent <= 0)
			sent = SSL_write(s->ssl, secret, sizeof(secret));
		err = channel_handshake(ours);
	}
	return err;
}

static void clients_without_certificate_are_refused(void **state)
{
	struct channel_context *context = context_of("server", "ca.pem", NULL,
						     true);
	struct channel server;
	struct stranger s;
	char bytes[64];
	int fds[2];

	(void)state;
	sockets_connect(false, fds);
	assert_int_equal(channel_open(&server, fds[0], context, NULL), 0);
	stranger_open(&s, fds[1], false, TLS1_3_VERSION, NULL);
	assert_int_equal(meet_stranger(&server, &s), -EACCES);
	assert_says("server", &server, "no certificate");
	assert_nothing_passes(&server);
	/* Nor did it get one. */
	assert_true(SSL_read(s.ssl, bytes, sizeof(bytes)) <= 0);
	stranger_close(&s);
	channel_close(&server);
	close(fds[1]);
	channel_context_destroy(context);
}

/* What our client says of having none is the server's alert. */
static void old_versions_are_refused(void **state)
{
	struct channel_context *context;
	struct channel ours;
	struct stranger s;
	int fds[2];

	(void)state;
	for (int is_server = 0; is_server < 2; is_server++) {
		context = context_of(is_server ? "server" : "alice", "ca.pem",
				     NULL, is_server);
		sockets_connect(false, fds);
		assert_int_equal(channel_open(&ours, fds[0], context,
					      "localhost"), 0);
		stranger_open(&s, fds[1], !is_server, TLS1_2_VERSION,
			      is_server ? "alice" : "server");
		assert_int_equal(meet_stranger(&ours, &s), -EPROTO);
		assert_says("ours", &ours, "only TLS 1.3");
		assert_nothing_passes(&ours);
		stranger_close(&s);
		channel_close(&ours);
		close(fds[1]);
		channel_context_destroy(context);
	}
}

/* A hello of ours in the clear. */
static void text_in_the_clear_is_refused(void **state)
{
	static const struct wire_header hello = {
		.version_major = 1, .type = MEMD__MESSAGE_TYPE__TYPE_HELLO,
		.request_id = 1, .body_bytes = 100,
	};
	struct channel_context *context;
	uint8_t bytes[WIRE_HEADER_BYTES];
	struct channel ours;
	int fds[2];

	(void)state;
	wire_header_pack(&hello, bytes);
	for (int is_server = 0; is_server < 2; is_server++) {
		context = context_of("server", "ca.pem", NULL, is_server);
		sockets_connect(false, fds);
		assert_int_equal(channel_open(&ours, fds[0], context,
					      "localhost"), 0);
		assert_int_equal(send(fds[1], bytes, sizeof(bytes), 0),
				 sizeof(bytes));
		assert_int_equal(channel_handshake(&ours), -EPROTO);
		assert_says("ours", &ours, "the other side speaks no TLS");
		assert_nothing_passes(&ours);
		channel_close(&ours);
		close(fds[1]);
		channel_context_destroy(context);
	}
}

/* And the other way round: a plain end takes TLS for garbage. */
static void plain_ends_see_garbage_in_tls(void **state)
{
	struct channel_context *context = context_of("alice", "ca.pem", NULL,
						     false);
	uint8_t bytes[WIRE_HEADER_BYTES];
	struct wire_header h;
	struct pair p;

	(void)state;
	pair_open(&p, false, NULL, context, "localhost");
	assert_int_equal(channel_handshake(&p.client), -EAGAIN);
	assert_int_equal(await_recv(&p.server, bytes, sizeof(bytes)),
			 sizeof(bytes));
	assert_int_equal(wire_header_unpack(bytes, WIRE_BODY_BYTES_MAX, &h),
			 -EPROTO);
	channel_close(&p.server);
	assert_int_equal(channel_handshake(&p.client), -ECONNRESET);
	assert_says("client", &p.client, "does it speak TLS?");
	pair_close(&p);
	channel_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_certificates_are_refused),
		cmocka_unit_test(good_certificates_are_taken),
		cmocka_unit_test(a_refused_client_that_only_sends_hears_why),
		cmocka_unit_test(names_for_many_hosts_are_refused),
		cmocka_unit_test(doubtful_names_are_no_names),
		cmocka_unit_test(clients_without_certificate_are_refused),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(text_in_the_clear_is_refused),
		cmocka_unit_test(plain_ends_see_garbage_in_tls),
	};

	return cmocka_run_group_tests(tests, world_create, world_remove);
}
