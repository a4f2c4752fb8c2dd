/* SPDX-License-Identifier: MIT */
/* Proves that memctl's connection gets all that came in one record of TLS,
 * though its socket is not readable any more; that the largest answer comes
 * whole; and that its deadline counts in the handshake as well.  Who is
 * believed, and what memctl prints, is memctl_tcp.bats' business. */
#include "client/memctl/connection.h"
#include "tests/proto/certs.h"
#include "tests/proto/channel_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000, EVENTS = 3 };

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

/* A memd for one connection, in a thread. */
struct server {
	int listener;
	pthread_t thread;
	struct channel_context *tls;
	void (*serve)(struct channel *ch);
	char address[512];
};

/* ---- the server's end; it must not use cmocka's assertions */

static void await(const struct channel *ch)
{
	struct pollfd pfd = { .fd = ch->fd,
			      .events = ch->wants_write ? POLLOUT : POLLIN };

	ASSERT(poll(&pfd, 1, PATIENCE_MS) == 1);
}

static void send_all(struct channel *ch, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = channel_send(ch, bytes, length);

		if (n == -EAGAIN) {
			await(ch);
			continue;
		}
		ASSERT(n > 0);
		bytes += n;
		length -= (size_t)n;
	}
}

static void receive_all(struct channel *ch, uint8_t *to, size_t length)
{
	while (length > 0) {
		ssize_t n = channel_recv(ch, to, length);

		if (n == -EAGAIN) {
			await(ch);
			continue;
		}
		ASSERT(n > 0);
		to += n;
		length -= (size_t)n;
	}
}

/* Returns the request's id. */
static uint64_t take_request(struct channel *ch)
{
	uint8_t raw[WIRE_HEADER_BYTES], body[512];
	struct wire_header h;

	receive_all(ch, raw, sizeof(raw));
	ASSERT(wire_header_unpack(raw, sizeof(body), &h) == 0);
	receive_all(ch, body, h.body_bytes);
	return h.request_id;
}

static size_t pack(uint16_t type, uint64_t id, const ProtobufCMessage *message,
		   uint8_t *to, size_t to_bytes)
{
	ssize_t length = wire_pack(type, id, message, 0, to, to_bytes);

	ASSERT(length > 0);
	return (size_t)length;
}

static void answer_hello(struct channel *ch)
{
	static uint8_t token[16];
	Memd__HelloReply reply = MEMD__HELLO_REPLY__INIT;
	uint8_t raw[256];

	reply.version_major = WIRE_VERSION_MAJOR;
	reply.token.data = token;
	reply.token.len = sizeof(token);
	send_all(ch, raw, pack(T(HELLO_REPLY), take_request(ch), &reply.base,
			       raw, sizeof(raw)));
}

static void *run_server(void *arg)
{
	struct server *server = arg;
	int fd = accept(server->listener, NULL, NULL);
	struct channel ch;
	ssize_t n;
	char byte;

	ASSERT(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	ASSERT(channel_open(&ch, fd, server->tls, NULL) == 0);
	answer_hello(&ch);
	server->serve(&ch);
	while ((n = channel_recv(&ch, &byte, 1)) == -EAGAIN)
		await(&ch);
	ASSERT(n == 0);		/* memctl's goodbye */
	channel_close(&ch);
	return NULL;
}

/* ---- and its life */

static void listen_anywhere(struct server *server)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(sin);

	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server->listener >= 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&sin,
			      sizeof(sin)), 0);
	assert_int_equal(listen(server->listener, 4), 0);
	assert_int_equal(getsockname(server->listener,
				     (struct sockaddr *)&sin, &length), 0);
	snprintf(server->address, sizeof(server->address),
		 "tcp://127.0.0.1:%u?ca=%s&certificate=%s&key=%s",
		 ntohs(sin.sin_port), certs_path("ca.pem"),
		 certs_path("alice.pem"), certs_path("alice.key"));
}

static struct connection *start(struct server *server,
				void (*serve)(struct channel *ch))
{
	struct connection *c = NULL;
	struct failure failure;

	listen_anywhere(server);
	server->serve = serve;
	server->tls = context_of("server", "ca.pem", NULL, true);
	assert_int_equal(pthread_create(&server->thread, NULL, run_server,
					server), 0);
	if (connection_open(server->address, PATIENCE_MS, &c, &failure) != 0)
		fail_msg("%s", failure.text);
	return c;
}

static void stop(struct server *server, struct connection *c)
{
	connection_close(c);
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	channel_context_destroy(server->tls);
	close(server->listener);
}

/* ---- tests */

/* The Ok and all events at once: one record. */
static void serve_events_at_once(struct channel *ch)
{
	Memd__TraceEvents events = MEMD__TRACE_EVENTS__INIT;
	uint8_t raw[1024];
	size_t length = pack(T(OK), take_request(ch), NULL, raw, sizeof(raw));

	events.has_dropped = true;
	for (events.dropped = 1; events.dropped <= EVENTS; events.dropped++)
		length += pack(T(TRACE_EVENTS), 0, &events.base, raw + length,
			       sizeof(raw) - length);
	send_all(ch, raw, length);
}

static void what_tls_holds_is_told(void **state)
{
	Memd__TraceRequest request = MEMD__TRACE_REQUEST__INIT;
	Memd__TraceEvents *events = NULL;
	ProtobufCMessage *ok;
	struct server server;
	struct failure failure;
	struct connection *c = start(&server, serve_events_at_once);
	struct pollfd pfd = { .fd = connection_fd(c), .events = POLLIN };

	(void)state;
	assert_int_equal(connection_ask(c, ASK_TRACE, &request.base, &ok,
					&failure), 0);
	for (unsigned i = 1; i <= EVENTS; i++) {
		assert_int_equal(poll(&pfd, 1, 0), 0);
		assert_true(connection_has_input(c));
		assert_int_equal(connection_receive_trace(c, &events,
							  &failure), 0);
		assert_int_equal(events->dropped, i);
		memd__trace_events__free_unpacked(events, NULL);
	}
	assert_false(connection_has_input(c));
	stop(&server, c);
}

/* As many counters as an answer has room for. */
static void serve_the_largest(struct channel *ch)
{
	Memd__Counter counter = MEMD__COUNTER__INIT, *list[] = { &counter };
	Memd__CountersReply reply = MEMD__COUNTERS_REPLY__INIT;
	size_t size = WIRE_HEADER_BYTES + WIRE_REPLY_BYTES_MAX;
	uint8_t *raw = malloc(size);
	char *help = calloc(1, WIRE_REPLY_BYTES_MAX);

	ASSERT(raw != NULL && help != NULL);
	memset(help, 'x', WIRE_REPLY_BYTES_MAX - 64);
	counter.name = (char *)"n";
	counter.help = help;
	reply.n_counter = 1;
	reply.counter = list;
	send_all(ch, raw, pack(T(COUNTERS_REPLY), take_request(ch),
			       &reply.base, raw, size));
	free(help);
	free(raw);
}

static void largest_answer_arrives_whole(void **state)
{
	struct server server;
	struct connection *c = start(&server, serve_the_largest);
	ProtobufCMessage *reply = NULL;
	struct failure failure;
	const char *help;

	(void)state;
	assert_int_equal(connection_ask(c, ASK_COUNTERS, NULL, &reply,
					&failure), 0);
	help = ((Memd__CountersReply *)reply)->counter[0]->help;
	assert_int_equal(strlen(help), WIRE_REPLY_BYTES_MAX - 64);
	assert_int_equal(strspn(help, "x"), strlen(help));
	protobuf_c_message_free_unpacked(reply, NULL);
	stop(&server, c);
}

/* The kernel takes the connection; nobody ever says anything on it. */
static void handshake_has_a_deadline(void **state)
{
	struct connection *c = NULL;
	struct failure failure = { 0 };
	struct server server = { 0 };

	(void)state;
	listen_anywhere(&server);
	assert_int_equal(connection_open(server.address, 100, &c, &failure),
			 -ETIMEDOUT);
	assert_int_equal(failure.kind, FAILURE_BROKEN);
	assert_non_null(strstr(failure.text, "did not answer within 100 ms"));
	assert_null(strstr(failure.text, "alice"));
	assert_null(c);
	close(server.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_tls_holds_is_told),
		cmocka_unit_test(largest_answer_arrives_whole),
		cmocka_unit_test(handshake_has_a_deadline),
	};

	return cmocka_run_group_tests(tests, world_create, world_remove);
}
