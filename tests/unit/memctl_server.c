/* SPDX-License-Identifier: MIT */
#include "tests/unit/memctl_server.h"

#include "common/checks.h"
#include "tests/integration/wire_peer.h"
#include "tests/proto/channel_pair.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- bytes */

bool memctl_server_send(struct channel *ch, const uint8_t *bytes,
			size_t length, size_t piece)
{
	for (size_t at = 0; at < length; at += piece)
		if (!channel_send_all(ch, bytes + at, MIN(piece, length - at)))
			return false;
	return true;
}

/* ---- messages */

uint64_t memctl_server_take_request(struct channel *ch)
{
	uint8_t raw[WIRE_HEADER_BYTES], body[4096];
	struct wire_header h;

	ASSERT(channel_receive_all(ch, raw, sizeof(raw)));
	ASSERT(wire_header_unpack(raw, sizeof(body), &h) == 0);
	ASSERT(channel_receive_all(ch, body, h.body_bytes));
	return h.request_id;
}

size_t memctl_server_pack(uint16_t type, uint64_t id,
			  const ProtobufCMessage *message, uint8_t *to,
			  size_t to_bytes)
{
	ssize_t length = wire_pack(type, id, message, 0, to, to_bytes);

	ASSERT(length > 0);
	return (size_t)length;
}

static void answer_hello(struct channel *ch)
{
	Memd__HelloReply reply = MEMD__HELLO_REPLY__INIT;
	uint8_t raw[256];
	size_t length;

	reply.version_major = WIRE_VERSION_MAJOR;
	reply.server = (char *)"memd\n1";
	length = memctl_server_pack(T(HELLO_REPLY),
				    memctl_server_take_request(ch),
				    &reply.base, raw, sizeof(raw));
	(void)memctl_server_send(ch, raw, length, 1);
}

/* One counter with a text so long that the body has WIRE_REPLY_BYTES_MAX. */
void memctl_server_serve_largest(struct channel *ch)
{
	Memd__Counter counter = MEMD__COUNTER__INIT, *list[] = { &counter };
	Memd__CountersReply reply = MEMD__COUNTERS_REPLY__INIT;
	size_t size = WIRE_HEADER_BYTES + WIRE_REPLY_BYTES_MAX, length;
	uint8_t *raw = malloc(size);
	char *help = malloc(WIRE_REPLY_BYTES_MAX);

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
	length = memctl_server_pack(T(COUNTERS_REPLY),
				    memctl_server_take_request(ch),
				    &reply.base, raw, size);
	ASSERT(memctl_server_send(ch, raw, length, length));
	free(help);
	free(raw);
}

void memctl_server_check_largest(struct connection *c)
{
	ProtobufCMessage *reply = NULL;
	struct failure failure;
	const char *help;

	assert_int_equal(connection_ask(c, ASK_COUNTERS, NULL, &reply,
					&failure), 0);
	assert_int_equal(protobuf_c_message_get_packed_size(reply),
			 WIRE_REPLY_BYTES_MAX);
	help = ((Memd__CountersReply *)reply)->counter[0]->help;
	assert_true(strlen(help) > WIRE_REPLY_BYTES_MAX - 64);
	assert_int_equal(strspn(help, "x"), strlen(help));
	protobuf_c_message_free_unpacked(reply, NULL);
}

/* ---- its life */

void memctl_server_listen(struct memctl_server *ms)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(sun);
	size_t name_bytes;

	/* Binding without a name makes the kernel choose an abstract one. */
	ms->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(ms->listener >= 0);
	assert_int_equal(bind(ms->listener, (struct sockaddr *)&sun,
			      sizeof(sun.sun_family)), 0);
	assert_int_equal(listen(ms->listener, 1), 0);
	assert_int_equal(getsockname(ms->listener, (struct sockaddr *)&sun,
				     &length), 0);
	name_bytes = length - offsetof(struct sockaddr_un, sun_path);
	memcpy(ms->address, sun.sun_path, name_bytes);
	ms->address[0] = '@';
	ms->address[name_bytes] = '\0';
}

void memctl_server_listen_tcp(struct memctl_server *ms)
{
	uint16_t port = 0;

	ms->listener = wire_peer_listen_tcp(0, &port);
	assert_true(ms->listener >= 0);
	snprintf(ms->address, sizeof(ms->address), "tcp://127.0.0.1:%u", port);
}

/* Until memctl's goodbye; where it left more unread than that, a reset. */
static void await_end(struct channel *ch)
{
	uint8_t byte;
	ssize_t n;

	while ((n = channel_recv(ch, &byte, 1)) == -EAGAIN)
		ASSERT(channel_await(ch));
	ASSERT(n == 0 || ch->ssl == NULL);
}

static void *run(void *arg)
{
	const struct memctl_server *ms = arg;
	int fd = accept(ms->listener, NULL, NULL);
	struct channel ch;

	ASSERT(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	ASSERT(channel_open(&ch, fd, ms->tls, NULL) == 0);
	if (!ms->is_rude)
		answer_hello(&ch);
	if (ms->serve != NULL)
		ms->serve(&ch);
	if (!ms->is_rude)
		await_end(&ch);
	channel_close(&ch);
	return NULL;
}

void memctl_server_start(struct memctl_server *ms)
{
	assert_int_equal(pthread_create(&ms->thread, NULL, run, ms), 0);
}

void memctl_server_stop(struct memctl_server *ms)
{
	assert_int_equal(pthread_join(ms->thread, NULL), 0);
	close(ms->listener);
}
