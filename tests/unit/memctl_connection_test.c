/* SPDX-License-Identifier: MIT */
/* Proves that memctl's connection finds its answer among other messages, in
 * pieces of any size and up to the largest allowed; that its deadline is one
 * for the whole call, however the peer spreads its bytes, and whether it is
 * here or, by TCP, elsewhere; and that a refusal is read even when the peer has
 * closed before our request.  Output and exit
 * codes are memctl_output.bats' business. */
#include "tests/unit/memctl_server.h"

#include "common/checks.h"
#include "common/clock.h"
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static void start(struct memctl_server *server)
{
	memctl_server_listen(server);
	memctl_server_start(server);
}

/* ------------------------------------------------------------------ answers */

static size_t pack_evicted(uint64_t id, uint64_t bytes, uint8_t *to,
			   size_t to_bytes)
{
	Memd__EvictReply reply = MEMD__EVICT_REPLY__INIT;

	reply.evicted_bytes = bytes;
	return memctl_server_pack(T(EVICT_REPLY), id, &reply.base, to,
				  to_bytes);
}

/* A message without a request, an answer to a request never made, an Error
 * for another request, then the answer; byte by byte. */
static void serve_in_disorder(struct channel *ch)
{
	Memd__Age age = MEMD__AGE__INIT;
	Memd__Error error = MEMD__ERROR__INIT;
	uint64_t id = memctl_server_take_request(ch);
	uint8_t raw[1024];
	size_t length;

	error.code = EIO;
	error.text = (char *)"not yours";
	length = memctl_server_pack(T(AGE), 0, &age.base, raw, sizeof(raw));
	length += pack_evicted(id + 77, 1, raw + length, sizeof(raw) - length);
	length += memctl_server_pack(T(ERROR), id + 78, &error.base,
				     raw + length, sizeof(raw) - length);
	length += pack_evicted(id, 12345, raw + length, sizeof(raw) - length);
	(void)memctl_server_send(ch, raw, length, 1);
}

static void test_answer_is_found_among_other_messages(void **state)
{
	struct memctl_server server = { .serve = serve_in_disorder };
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
	memctl_server_stop(&server);
}

static void test_largest_answer_arrives_whole(void **state)
{
	struct memctl_server server = { .serve = memctl_server_serve_largest };
	struct connection *c;
	struct failure failure;

	(void)state;
	start(&server);
	assert_int_equal(connection_open(server.address, 60000, &c, &failure),
			 0);
	memctl_server_check_largest(c);
	connection_close(c);
	memctl_server_stop(&server);
}

/* Messages of no interest, for as long as somebody listens. */
static void serve_other_things_for_ever(struct channel *ch)
{
	Memd__Age age = MEMD__AGE__INIT;
	uint8_t raw[64];
	size_t length = memctl_server_pack(T(AGE), 0, &age.base, raw,
					   sizeof(raw));

	while (memctl_server_send(ch, raw, length, length))
		;
}

static void test_a_babbling_peer_cannot_prolong_the_wait(void **state)
{
	struct memctl_server server = { .serve = serve_other_things_for_ever };
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
	memctl_server_stop(&server);
}

/* Says why and closes, with the Hello unread: what the client sends meets a
 * closed socket. */
static void serve_refusal(struct channel *ch)
{
	Memd__Error error = MEMD__ERROR__INIT;
	uint8_t raw[256];
	size_t length;

	error.code = EAGAIN;
	error.text = (char *)"full: raise max_sessions";
	length = memctl_server_pack(T(ERROR), 0, &error.base, raw, sizeof(raw));
	(void)memctl_server_send(ch, raw, length, length);
}

static void test_refusal_before_the_request_is_read(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct memctl_server server = { .serve = serve_refusal,
						.is_rude = true };
		struct connection *c = NULL;
		struct failure failure;

		start(&server);
		assert_int_equal(connection_open(server.address, 60000, &c,
						 &failure), -EAGAIN);
		assert_int_equal(failure.kind, FAILURE_ANSWER);
		assert_string_equal(failure.text, "full: raise max_sessions");
		assert_null(c);
		memctl_server_stop(&server);
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
	struct memctl_server server = { 0 };
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
	memctl_server_stop(&server);
}

/* A host that does not even take connections: the queue of its listener is
 * full, so that the kernel answers nobody any more. */
static void test_connecting_to_a_host_has_a_deadline(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct memctl_server server = { 0 };
	socklen_t length = sizeof(sin);
	struct connection *c = NULL;
	struct failure failure = { 0 };
	int queue[4];

	(void)state;
	memctl_server_listen_tcp(&server);
	assert_int_equal(getsockname(server.listener, (struct sockaddr *)&sin,
				     &length), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(queue); i++) {
		queue[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
				  SOCK_CLOEXEC, 0);
		assert_true(queue[i] >= 0);
		(void)connect(queue[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	assert_int_equal(connection_open(server.address, 100, &c, &failure),
			 -ETIMEDOUT);
	assert_int_equal(failure.kind, FAILURE_CONNECT);
	assert_non_null(strstr(failure.text, "within 100 ms: is the host up"));
	assert_null(c);
	for (unsigned i = 0; i < ARRAY_SIZE(queue); i++)
		close(queue[i]);
	close(server.listener);
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
