/* SPDX-License-Identifier: MIT */
/* Proves that memctl's connection finds its answer among other messages, in
 * pieces of any size and up to the largest allowed; that its deadline is one
 * for the whole call, however the peer spreads its bytes, and whether it is
 * here or, by TCP, elsewhere; and that a refusal is read even when the peer has
 * closed before our request.  Output and exit
 * codes are memctl_output.bats' business. */
#include "client/memctl/connection.h"

#include "common/clock.h"
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

/* A server for one connection, in a thread; `serve` runs once the Hello has
 * been answered, or, when it is rude, at once. */
struct server {
	int listener;
	pthread_t thread;
	void (*serve)(int fd);
	bool is_rude;			/* does not even read the Hello */
	char address[64];
};

static void read_all(int fd, void *to, size_t length)
{
	for (uint8_t *p = to; length > 0;) {
		ssize_t n = read(fd, p, length);

		ASSERT(n > 0);
		p += n;
		length -= (size_t)n;
	}
}

/* Reads one request; returns its id. */
static uint64_t take_request(int fd)
{
	uint8_t raw[WIRE_HEADER_BYTES], body[4096];
	struct wire_header h;

	read_all(fd, raw, sizeof(raw));
	ASSERT(wire_header_unpack(raw, sizeof(body), &h) == 0);
	read_all(fd, body, h.body_bytes);
	return h.request_id;
}

static size_t pack(uint16_t type, uint64_t id, const ProtobufCMessage *message,
		   uint8_t *to, size_t to_bytes)
{
	ssize_t length = wire_pack(type, id, message, 0, to, to_bytes);

	ASSERT(length > 0);
	return (size_t)length;
}

static void send_bytes(int fd, const uint8_t *bytes, size_t length,
		       size_t piece)
{
	for (size_t at = 0; at < length; at += piece) {
		ssize_t n = send(fd, bytes + at, MIN(piece, length - at),
				 MSG_NOSIGNAL);

		if (n <= 0)
			return;		/* memctl has given up */
		ASSERT((size_t)n == MIN(piece, length - at));
	}
}

static size_t pack_hello(uint64_t id, uint8_t *to, size_t to_bytes)
{
	static uint8_t token[16];
	Memd__HelloReply reply = MEMD__HELLO_REPLY__INIT;

	reply.version_major = WIRE_VERSION_MAJOR;
	reply.token.data = token;
	reply.token.len = sizeof(token);
	reply.server = (char *)"memd\n1";
	return pack(MEMD__MESSAGE_TYPE__TYPE_HELLO_REPLY, id, &reply.base, to,
		    to_bytes);
}

static void *run_server(void *arg)
{
	const struct server *server = arg;
	int fd = accept(server->listener, NULL, NULL);
	uint8_t raw[256];

	ASSERT(fd >= 0);
	if (!server->is_rude)
		send_bytes(fd, raw, pack_hello(take_request(fd), raw,
					       sizeof(raw)), 1);
	if (server->serve != NULL)
		server->serve(fd);
	close(fd);
	return NULL;
}

static void start(struct server *server)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(sun);
	size_t name_bytes;

	/* Binding without a name makes the kernel choose an abstract one. */
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server->listener >= 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&sun,
			      sizeof(sun.sun_family)), 0);
	assert_int_equal(listen(server->listener, 1), 0);
	assert_int_equal(getsockname(server->listener,
				     (struct sockaddr *)&sun, &length), 0);
	name_bytes = length - offsetof(struct sockaddr_un, sun_path);
	assert_true(name_bytes < sizeof(server->address));
	memcpy(server->address, sun.sun_path, name_bytes);
	server->address[0] = '@';
	server->address[name_bytes] = '\0';
	assert_int_equal(pthread_create(&server->thread, NULL, run_server,
					server), 0);
}

static void stop(struct server *server)
{
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	close(server->listener);
}

/* ------------------------------------------------------------------ answers */

static size_t pack_evicted(uint64_t id, uint64_t bytes, uint8_t *to,
			   size_t to_bytes)
{
	Memd__EvictReply reply = MEMD__EVICT_REPLY__INIT;

	reply.evicted_bytes = bytes;
	return pack(MEMD__MESSAGE_TYPE__TYPE_EVICT_REPLY, id, &reply.base, to,
		    to_bytes);
}

/* A message without a request, an answer to a request never made, an Error
 * for another request, then the answer; byte by byte. */
static void serve_in_disorder(int fd)
{
	Memd__Age age = MEMD__AGE__INIT;
	Memd__Error error = MEMD__ERROR__INIT;
	uint64_t id = take_request(fd);
	uint8_t raw[1024];
	size_t length;

	error.code = EIO;
	error.text = (char *)"not yours";
	length = pack(MEMD__MESSAGE_TYPE__TYPE_AGE, 0, &age.base, raw,
		      sizeof(raw));
	length += pack_evicted(id + 77, 1, raw + length, sizeof(raw) - length);
	length += pack(MEMD__MESSAGE_TYPE__TYPE_ERROR, id + 78, &error.base,
		       raw + length, sizeof(raw) - length);
	length += pack_evicted(id, 12345, raw + length, sizeof(raw) - length);
	send_bytes(fd, raw, length, 1);
}

static void test_answer_is_found_among_other_messages(void **state)
{
	struct server server = { .serve = serve_in_disorder };
	Memd__EvictRequest request = MEMD__EVICT_REQUEST__INIT;
	ProtobufCMessage *reply;
	struct connection *c;
	struct failure failure;

	(void)state;
	start(&server);
	assert_int_equal(connection_open(server.address, 60000, &c, &failure),
			 0);
	assert_string_equal(connection_server(c), "memd?1");
	assert_int_equal(connection_ask(c, ASK_EVICT, &request.base, &reply,
					&failure), 0);
	assert_int_equal(((Memd__EvictReply *)reply)->evicted_bytes, 12345);
	protobuf_c_message_free_unpacked(reply, NULL);
	connection_close(c);
	stop(&server);
}

/* One counter with a text so long that the body has WIRE_REPLY_BYTES_MAX. */
static void serve_the_largest(int fd)
{
	Memd__Counter counter = MEMD__COUNTER__INIT, *list[] = { &counter };
	Memd__CountersReply reply = MEMD__COUNTERS_REPLY__INIT;
	size_t size = WIRE_HEADER_BYTES + WIRE_REPLY_BYTES_MAX, length;
	uint8_t *raw = malloc(size);
	char *help = malloc(WIRE_REPLY_BYTES_MAX);
	uint64_t id = take_request(fd);

	ASSERT(raw != NULL && help != NULL);
	memset(help, 'x', WIRE_REPLY_BYTES_MAX);
	help[WIRE_REPLY_BYTES_MAX - 1] = '\0';
	counter.name = (char *)"n";
	counter.help = help;
	reply.n_counter = 1;
	reply.counter = list;
	while (protobuf_c_message_get_packed_size(&reply.base) >
	       WIRE_REPLY_BYTES_MAX)
		help[strlen(help) - 1] = '\0';
	ASSERT(protobuf_c_message_get_packed_size(&reply.base) ==
	       WIRE_REPLY_BYTES_MAX);
	length = pack(MEMD__MESSAGE_TYPE__TYPE_COUNTERS_REPLY, id, &reply.base,
		      raw, size);
	send_bytes(fd, raw, length, length);
	free(help);
	free(raw);
}

static void test_largest_answer_arrives_whole(void **state)
{
	struct server server = { .serve = serve_the_largest };
	ProtobufCMessage *reply;
	const char *help;
	struct connection *c;
	struct failure failure;

	(void)state;
	start(&server);
	assert_int_equal(connection_open(server.address, 60000, &c, &failure),
			 0);
	assert_int_equal(connection_ask(c, ASK_COUNTERS, NULL, &reply,
					&failure), 0);
	help = ((Memd__CountersReply *)reply)->counter[0]->help;
	assert_true(strlen(help) > WIRE_REPLY_BYTES_MAX - 64);
	assert_int_equal(strspn(help, "x"), strlen(help));
	protobuf_c_message_free_unpacked(reply, NULL);
	connection_close(c);
	stop(&server);
}

/* Messages of no interest, for as long as somebody listens. */
static void serve_other_things_for_ever(int fd)
{
	Memd__Age age = MEMD__AGE__INIT;
	uint8_t raw[64];
	size_t length = pack(MEMD__MESSAGE_TYPE__TYPE_AGE, 0, &age.base, raw,
			     sizeof(raw));

	while (send(fd, raw, length, MSG_NOSIGNAL) == (ssize_t)length)
		;
}

static void test_a_babbling_peer_cannot_prolong_the_wait(void **state)
{
	struct server server = { .serve = serve_other_things_for_ever };
	ProtobufCMessage *reply;
	struct connection *c;
	struct failure failure;
	uint64_t begin_ns;

	(void)state;
	start(&server);
	assert_int_equal(connection_open(server.address, 200, &c, &failure),
			 0);
	begin_ns = clock_now_ns();
	assert_int_equal(connection_ask(c, ASK_STATUS, NULL, &reply, &failure),
			 -ETIMEDOUT);
	/* Ended at all, and not before its time. */
	assert_true(clock_now_ns() - begin_ns >= 200000000);
	assert_int_equal(failure.kind, FAILURE_BROKEN);
	connection_close(c);
	stop(&server);
}

/* Says why and closes, with the Hello unread: what the client sends meets a
 * closed socket. */
static void serve_refusal(int fd)
{
	Memd__Error error = MEMD__ERROR__INIT;
	uint8_t raw[256];

	error.code = EAGAIN;
	error.text = (char *)"full: raise max_sessions";
	send_bytes(fd, raw, pack(MEMD__MESSAGE_TYPE__TYPE_ERROR, 0,
				 &error.base, raw, sizeof(raw)), sizeof(raw));
}

static void test_refusal_before_the_request_is_read(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct server server = { .serve = serve_refusal,
					 .is_rude = true };
		struct connection *c = NULL;
		struct failure failure;

		start(&server);
		assert_int_equal(connection_open(server.address, 60000, &c,
						 &failure), -EAGAIN);
		assert_int_equal(failure.kind, FAILURE_ANSWER);
		assert_string_equal(failure.text, "full: raise max_sessions");
		assert_null(c);
		stop(&server);
	}
}

/* Connects without waiting; returns the socket, or -1: no room in the queue. */
static int connect_at_once(const char *address)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t length = strlen(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(sun.sun_path + 1, address + 1, length - 1);
	if (connect(fd, (struct sockaddr *)&sun,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				length)) == 0)
		return fd;
	assert_int_equal(errno, EAGAIN);
	close(fd);
	return -1;
}

/* The server takes one connection and no more: its queue fills up. */
static void test_connecting_has_a_deadline(void **state)
{
	struct server server = { 0 };
	struct connection *c = NULL;
	struct failure failure = { 0 };
	int queue[8], queued = 0;

	(void)state;
	start(&server);
	assert_int_equal(connection_open(server.address, 60000, &c, &failure),
			 0);
	connection_close(c);
	c = NULL;
	while ((queue[queued] = connect_at_once(server.address)) >= 0)
		assert_true(++queued < 8);
	assert_int_equal(connection_open(server.address, 100, &c, &failure),
			 -ETIMEDOUT);
	assert_int_equal(failure.kind, FAILURE_CONNECT);
	assert_null(c);
	while (queued > 0)
		close(queue[--queued]);
	stop(&server);
}

/* A host that does not even take connections: the queue of its listener is
 * full, so that the kernel answers nobody any more. */
static void test_connecting_to_a_host_has_a_deadline(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(sin);
	struct connection *c = NULL;
	struct failure failure = { 0 };
	char address[64];
	int queue[4];

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof(sin)),
			 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin,
				     &length), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(queue); i++) {
		queue[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
				  SOCK_CLOEXEC, 0);
		assert_true(queue[i] >= 0);
		(void)connect(queue[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	snprintf(address, sizeof(address), "tcp://127.0.0.1:%u",
		 ntohs(sin.sin_port));
	assert_int_equal(connection_open(address, 100, &c, &failure),
			 -ETIMEDOUT);
	assert_int_equal(failure.kind, FAILURE_CONNECT);
	assert_non_null(strstr(failure.text, "within 100 ms: is the host up"));
	assert_null(c);
	for (unsigned i = 0; i < ARRAY_SIZE(queue); i++)
		close(queue[i]);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_is_found_among_other_messages),
		cmocka_unit_test(test_largest_answer_arrives_whole),
		cmocka_unit_test(test_a_babbling_peer_cannot_prolong_the_wait),
		cmocka_unit_test(test_refusal_before_the_request_is_read),
		cmocka_unit_test(test_connecting_has_a_deadline),
		cmocka_unit_test(test_connecting_to_a_host_has_a_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
