/* SPDX-License-Identifier: MIT */
/* Proves that memctl's connection gets all that came in one record of TLS,
 * though its socket is not readable any more; that the largest answer comes
 * whole; and that its deadline counts in the handshake as well.  Who is
 * believed, and what memctl prints, is memctl_tcp.bats' business. */
#include "tests/proto/certs.h"
#include "tests/proto/channel_pair.h"
#include "tests/unit/memctl_server.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000, EVENTS = 3 };

static void listen_tls(struct memctl_server *server)
{
	size_t length;

	memctl_server_listen_tcp(server);
	length = strlen(server->address);
	snprintf(server->address + length, sizeof(server->address) - length,
		 "?tls_ca=%s&tls_certificate=%s&tls_key=%s",
		 certs_path("ca.pem"), certs_path("alice.pem"),
		 certs_path("alice.key"));
}

static struct connection *start(struct memctl_server *server)
{
	struct connection *c = NULL;
	struct failure failure;

	listen_tls(server);
	server->tls = context_of("server", "ca.pem", NULL, true);
	memctl_server_start(server);
	if (connection_open(server->address, PATIENCE_MS, &c, &failure) != 0)
		fail_msg("%s", failure.text);
	return c;
}

static void stop(struct memctl_server *server, struct connection *c)
{
	connection_close(c);
	memctl_server_stop(server);
	channel_context_destroy(server->tls);
}

/* ---- tests */

/* The Ok and all events at once: one record. */
static void serve_events_at_once(struct channel *ch)
{
	Memd__TraceEvents events = MEMD__TRACE_EVENTS__INIT;
	uint8_t raw[1024];
	size_t length = memctl_server_pack(T(OK),
					   memctl_server_take_request(ch),
					   NULL, raw, sizeof(raw));

	events.has_dropped = true;
	for (events.dropped = 1; events.dropped <= EVENTS; events.dropped++)
		length += memctl_server_pack(T(TRACE_EVENTS), 0, &events.base,
					     raw + length,
					     sizeof(raw) - length);
	ASSERT(memctl_server_send(ch, raw, length, length));
}

static void what_tls_holds_is_told(void **state)
{
	Memd__TraceRequest request = MEMD__TRACE_REQUEST__INIT;
	Memd__TraceEvents *events = NULL;
	ProtobufCMessage *ok;
	struct memctl_server server = { .serve = serve_events_at_once };
	struct failure failure;
	struct connection *c = start(&server);
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

static void largest_answer_arrives_whole(void **state)
{
	struct memctl_server server = { .serve = memctl_server_serve_largest };
	struct connection *c = start(&server);

	(void)state;
	memctl_server_check_largest(c);
	stop(&server, c);
}

/* The kernel takes the connection; nobody ever says anything on it. */
static void handshake_has_a_deadline(void **state)
{
	struct connection *c = NULL;
	struct failure failure = { 0 };
	struct memctl_server server = { 0 };

	(void)state;
	listen_tls(&server);
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
