/* SPDX-License-Identifier: MIT */
/* A connection to memd: see connection.h.  One message at a time in each
 * direction.  Every length is checked before anything is allocated. */
#include "client/memctl/connection.h"

#include "client/memctl/socket.h"
#include "client/memctl/tcp.h"
#include "client/memctl/text.h"
#include "client/memctl/unix.h"
#include "client/link/address.h"
#include <errno.h>
#include <string.h>

/* The largest request of memctl, with header: a Replay with 1024 ranges of 14
 * bytes and a name. */
enum { REQUEST_BYTES_MAX = 16 * 1024 };

struct connection {
	struct channel channel;
	uint32_t timeout_ms;
	uint64_t last_request_id;
	char server[WIRE_NAME_BYTES_MAX + 1];
	char address[CONNECTION_SHOWN_BYTES];	/* for messages */
	uint8_t *body;			/* of the message read last */
	size_t body_size;		/* allocated bytes */
	struct failure *failure;	/* of the current call; borrowed */
};

#define TYPE(name) MEMD__MESSAGE_TYPE__TYPE_##name

#define ASKS(name, type, reply_type, reply_message)			\
	[ASK_##name] = { TYPE(type), TYPE(reply_type),			\
			 &memd__##reply_message##__descriptor }

static const struct connection_exchange {
	uint16_t request, reply;
	/* NULL: the reply has no body */
	const ProtobufCMessageDescriptor *descriptor;
} connection_questions[ASK_QUESTIONS] = {
	ASKS(STATUS, STATUS, STATUS_REPLY, status_reply),
	ASKS(SESSIONS, SESSIONS, SESSIONS_REPLY, sessions_reply),
	ASKS(SEGMENTS, SEGMENTS, SEGMENTS_REPLY, segments_reply),
	ASKS(MAPS, MAPS, SEGMENTS_REPLY, segments_reply),
	ASKS(COUNTERS, COUNTERS, COUNTERS_REPLY, counters_reply),
	ASKS(FAULT_STATS, FAULT_STATS, FAULT_STATS_REPLY, fault_stats_reply),
	ASKS(EVICT, EVICT, EVICT_REPLY, evict_reply),
	ASKS(LIMITS, LIMITS, LIMITS_REPLY, limits_reply),
	ASKS(CONFIG, CONFIG, CONFIG_REPLY, config_reply),
	ASKS(REPLAY, REPLAY, REPLAY_REPLY, replay_reply),
	ASKS(DISCONNECT, DISCONNECT, DISCONNECT_REPLY, disconnect_reply),
	ASKS(UNLINK, SEGMENT_UNLINK, SEGMENT_UNLINK_REPLY,
	     segment_unlink_reply),
	ASKS(GUESTS, GUESTS, GUESTS_REPLY, guests_reply),
	[ASK_TRACE] = { TYPE(TRACE), TYPE(OK), NULL },
	[ASK_LIMIT_SET] = { TYPE(LIMIT_SET), TYPE(OK), NULL },
	[ASK_GUEST_DROP] = { TYPE(GUEST_DROP), TYPE(OK), NULL },
};

/* ---------------------------------------------------------------- failures */

static bool connection_is_plain_tcp(const struct connection *c)
{
	return c->channel.ssl == NULL && address_is_tcp(c->address);
}

static int connection_fail(const struct connection *c, int err)
{
	bool is_gone = err == -ECONNRESET || err == -EPIPE;

	if (c->channel.ssl != NULL && c->channel.state == CHANNEL_BROKEN)
		failure_set_tls(c->failure, c->address, c->channel.reason,
				true, -err);
	else if (is_gone && connection_is_plain_tcp(c) && c->server[0] == '\0')
		failure_set(c->failure, FAILURE_BROKEN, -err, "memd at %s "
			    "closed the connection: does it want TLS (tls_ca, "
			    "tls_certificate and tls_key)? See its log",
			    c->address);
	else
		failure_set_io(c->failure, c->address, c->timeout_ms, -err);
	return err;
}

static int connection_mistrust(const struct connection *c, const char *what)
{
	failure_set_protocol(c->failure, c->address, what);
	return -EPROTO;
}

/* memd has answered with an Error; its text is shown to the user. */
static int connection_refuse(const struct connection *c,
			     const struct wire_header *h)
{
	Memd__Error *error = memd__error__unpack(NULL, h->body_bytes, c->body);
	int code = EPROTO;

	if (error == NULL)
		return connection_mistrust(c, "an answer makes no sense");
	if (error->code > 0 && error->code < 4096)
		code = (int)error->code;
	failure_set(c->failure, FAILURE_ANSWER, code, "%s",
		    error->text[0] != '\0' ? error->text : strerror(code));
	memd__error__free_unpacked(error, NULL);
	return -code;
}

/* ---------------------------------------------------------------- messages */

static int connection_reserve(struct connection *c, size_t size)
{
	uint8_t *body;

	if (size <= c->body_size)
		return 0;
	body = realloc(c->body, size);
	if (body == NULL)
		return -ENOMEM;
	c->body = body;
	c->body_size = size;
	return 0;
}

/* Read the next message into c->body. */
static int connection_receive(struct connection *c, uint64_t until_ns,
			      struct wire_header *ret_h)
{
	uint8_t raw[WIRE_HEADER_BYTES];
	struct wire_header h;
	int err = socket_receive_all(&c->channel, raw, sizeof(raw), until_ns);

	if (err < 0)
		return connection_fail(c, err);
	err = wire_header_unpack(raw, WIRE_REPLY_BYTES_MAX, &h);
	if (err == -EMSGSIZE)
		return connection_mistrust(c, "a message too long came");
	if (err != 0 || h.payload_bytes != 0)	/* the peer may speak TLS */
		return connection_mistrust(c, connection_is_plain_tcp(c) ?
			"not the memd protocol, unless in TLS (add tls_ca, "
			"tls_certificate and tls_key)" :
			"not the memd protocol");
	err = connection_reserve(c, h.body_bytes);
	if (err == 0)
		err = socket_receive_all(&c->channel, c->body, h.body_bytes,
					 until_ns);
	if (err < 0)
		return connection_fail(c, err);
	*ret_h = h;
	return 0;
}

/* An Error has id 0 if memd turns a connection away before it has read a
 * request. */
static bool connection_is_error(const struct wire_header *h, uint64_t id)
{
	return h->type == TYPE(ERROR) &&
	       (h->request_id == id || h->request_id == 0);
}

/* Read messages until the answer to request `id` is in c->body. */
static int connection_receive_answer(struct connection *c, uint64_t id,
				     uint64_t until_ns,
				     struct wire_header *ret_h)
{
	struct wire_header h = { 0 };

	do {
		int err = connection_receive(c, until_ns, &h);

		if (err != 0)
			return err;
		if (connection_is_error(&h, id))
			return connection_refuse(c, &h);
		if (h.version_major != WIRE_VERSION_MAJOR) {
			failure_set(c->failure, FAILURE_BROKEN,
				    EPROTONOSUPPORT, "memd at %s speaks "
				    "protocol %u, memctl %d: install the same "
				    "release of both", c->address,
				    h.version_major, WIRE_VERSION_MAJOR);
			return -EPROTONOSUPPORT;
		}
	} while (h.request_id != id);
	*ret_h = h;
	return 0;
}

/* Send a request, wait for the answer, and unpack it. */
static int connection_exchange(struct connection *c,
			       const struct connection_exchange *ex,
			       const ProtobufCMessage *request,
			       ProtobufCMessage **ret_reply)
{
	uint8_t raw[REQUEST_BYTES_MAX];
	uint64_t id = ++c->last_request_id;
	uint64_t until_ns = socket_deadline_ns(c->timeout_ms);
	struct wire_header h = { 0 };
	ProtobufCMessage *reply = NULL;
	ssize_t length = wire_pack(ex->request, id, request, 0, raw,
				   sizeof(raw));
	int err;

	ASSERT(length > 0);	/* REQUEST_BYTES_MAX is enough */
	/* A memd that turns the connection away says why before it closes.  So
	 * read its answer even if sending has failed, unless the reason is
	 * known already. */
	err = socket_send_all(&c->channel, raw, (size_t)length, until_ns);
	if (err != 0 && (c->channel.ssl != NULL ||
			 (err != -EPIPE && err != -ECONNRESET)))
		return connection_fail(c, err);
	err = connection_receive_answer(c, id, until_ns, &h);
	if (err != 0)
		return err;
	if (h.type != ex->reply)
		return connection_mistrust(c, "an answer to something else");
	if (ex->descriptor != NULL) {
		reply = protobuf_c_message_unpack(ex->descriptor, NULL,
						  h.body_bytes, c->body);
		if (reply == NULL)
			return connection_mistrust(c, "an answer makes no "
						   "sense");
	}
	*ret_reply = reply;
	return 0;
}

/* --------------------------------------------------------------- interface */

static int connection_say_hello(struct connection *c)
{
	static const struct connection_exchange ex = {
		TYPE(HELLO), TYPE(HELLO_REPLY), &memd__hello_reply__descriptor,
	};
	Memd__Hello hello = MEMD__HELLO__INIT;
	ProtobufCMessage *message = NULL;
	const Memd__HelloReply *reply;
	int err;

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.command = (char *)"memctl";
	hello.has_admin_only = hello.admin_only = 1;
	err = connection_exchange(c, &ex, &hello.base, &message);
	if (err != 0)
		return err;
	reply = (const Memd__HelloReply *)message;
	snprintf(c->server, sizeof(c->server), "%s",
		 reply->server != NULL ? reply->server : "memd");
	text_clean(c->server);
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

const char *connection_address(const char *address)
{
	bool is_old;

	if (address == NULL)
		address = address_from_environment(&is_old);
	return address != NULL ? address : CONNECTION_ADDRESS_DEFAULT;
}

void connection_show_address(const char *address,
			     char ret_shown[CONNECTION_SHOWN_BYTES])
{
	address = connection_address(address);
	if (address_is_tcp(address))
		tcp_address_show(address, ret_shown, CONNECTION_SHOWN_BYTES);
	else
		snprintf(ret_shown, CONNECTION_SHOWN_BYTES, "%s", address);
}

/* Warn once for each run. */
static void connection_warn_if_old(const char *address)
{
	static bool is_said;
	bool is_old = false;

	if (address == NULL)
		(void)address_from_environment(&is_old);
	if (is_old && !is_said)
		fprintf(stderr, "memctl: %s\n", ADDRESS_IS_OLD);
	is_said |= is_old;
}

int connection_open(const char *address, uint32_t timeout_ms,
		    struct connection **ret_c, struct failure *ret_failure)
{
	struct connection *c = calloc(1, sizeof(*c));
	int err;

	connection_warn_if_old(address);
	address = connection_address(address);
	if (c == NULL) {
		failure_set_connect(ret_failure, address, ENOMEM);
		return -ENOMEM;
	}
	c->timeout_ms = timeout_ms;
	c->failure = ret_failure;
	connection_show_address(address, c->address);
	err = address_is_tcp(address) ?
		tcp_open(address, timeout_ms, &c->channel, ret_failure) :
		unix_open(address, timeout_ms, &c->channel, ret_failure);
	if (err != 0) {
		free(c);
		return err;
	}
	err = connection_say_hello(c);
	if (err != 0)
		connection_close(c);
	else
		*ret_c = c;
	return err;
}

void connection_close(struct connection *c)
{
	if (c == NULL)
		return;
	channel_close(&c->channel);
	free(c->body);
	free(c);
}

const char *connection_server(const struct connection *c)
{
	return c->server;
}

int connection_fd(const struct connection *c)
{
	return c->channel.fd;
}

bool connection_has_input(const struct connection *c)
{
	return channel_has_input(&c->channel);
}

int connection_ask(struct connection *c, enum connection_question question,
		   const ProtobufCMessage *request,
		   ProtobufCMessage **ret_reply, struct failure *ret_failure)
{
	ASSERT(question < ASK_QUESTIONS);
	c->failure = ret_failure;
	return connection_exchange(c, &connection_questions[question], request,
				   ret_reply);
}

int connection_receive_trace(struct connection *c,
			     Memd__TraceEvents **ret_events,
			     struct failure *ret_failure)
{
	Memd__TraceEvents *events = NULL;
	struct wire_header h = { 0 };
	int err;

	c->failure = ret_failure;
	err = connection_receive(c, socket_deadline_ns(c->timeout_ms), &h);
	if (err != 0)
		return err;
	if (connection_is_error(&h, 0))
		return connection_refuse(c, &h);
	if (h.type == TYPE(TRACE_EVENTS)) {
		events = memd__trace_events__unpack(NULL, h.body_bytes,
						    c->body);
		if (events == NULL)
			return connection_mistrust(c, "an answer makes no "
						   "sense");
	}
	*ret_events = events;
	return 0;
}
