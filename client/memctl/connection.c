/* SPDX-License-Identifier: MIT */
/* One message at a time each way.  Every length is checked before anything is
 * allocated. */
#include "client/memctl/connection.h"

#include "client/memctl/socket.h"
#include "client/memctl/tcp.h"
#include "client/memctl/text.h"
#include "client/memctl/unix.h"
#include "client/address.h"
#include <errno.h>
#include <string.h>

/* Largest request memctl sends, header included: Replay with 1024 ranges of 14
 * bytes and a name. */
enum { REQUEST_BYTES_MAX = 16 * 1024 };

struct connection {
	struct channel channel;
	uint32_t timeout_ms;
	uint64_t last_request_id;
	char server[WIRE_NAME_BYTES_MAX + 1];
	char address[CONNECTION_SHOWN_BYTES];	/* for messages */
	uint8_t *body;			/* of the message last read */
	size_t body_size;		/* allocated */
};

static const struct {
	uint16_t request, reply;
	const ProtobufCMessageDescriptor *descriptor;	/* NULL: no body */
} questions[ASK_QUESTIONS] = {
	[ASK_STATUS] = { MEMD__MESSAGE_TYPE__TYPE_STATUS,
			 MEMD__MESSAGE_TYPE__TYPE_STATUS_REPLY,
			 &memd__status_reply__descriptor },
	[ASK_SESSIONS] = { MEMD__MESSAGE_TYPE__TYPE_SESSIONS,
			   MEMD__MESSAGE_TYPE__TYPE_SESSIONS_REPLY,
			   &memd__sessions_reply__descriptor },
	[ASK_SEGMENTS] = { MEMD__MESSAGE_TYPE__TYPE_SEGMENTS,
			   MEMD__MESSAGE_TYPE__TYPE_SEGMENTS_REPLY,
			   &memd__segments_reply__descriptor },
	[ASK_MAPS] = { MEMD__MESSAGE_TYPE__TYPE_MAPS,
		       MEMD__MESSAGE_TYPE__TYPE_SEGMENTS_REPLY,
		       &memd__segments_reply__descriptor },
	[ASK_COUNTERS] = { MEMD__MESSAGE_TYPE__TYPE_COUNTERS,
			   MEMD__MESSAGE_TYPE__TYPE_COUNTERS_REPLY,
			   &memd__counters_reply__descriptor },
	[ASK_FAULT_STATS] = { MEMD__MESSAGE_TYPE__TYPE_FAULT_STATS,
			      MEMD__MESSAGE_TYPE__TYPE_FAULT_STATS_REPLY,
			      &memd__fault_stats_reply__descriptor },
	[ASK_TRACE] = { MEMD__MESSAGE_TYPE__TYPE_TRACE,
			MEMD__MESSAGE_TYPE__TYPE_OK, NULL },
	[ASK_EVICT] = { MEMD__MESSAGE_TYPE__TYPE_EVICT,
			MEMD__MESSAGE_TYPE__TYPE_EVICT_REPLY,
			&memd__evict_reply__descriptor },
	[ASK_LIMIT_SET] = { MEMD__MESSAGE_TYPE__TYPE_LIMIT_SET,
			    MEMD__MESSAGE_TYPE__TYPE_OK, NULL },
	[ASK_LIMITS] = { MEMD__MESSAGE_TYPE__TYPE_LIMITS,
			 MEMD__MESSAGE_TYPE__TYPE_LIMITS_REPLY,
			 &memd__limits_reply__descriptor },
	[ASK_CONFIG] = { MEMD__MESSAGE_TYPE__TYPE_CONFIG,
			 MEMD__MESSAGE_TYPE__TYPE_CONFIG_REPLY,
			 &memd__config_reply__descriptor },
	[ASK_REPLAY] = { MEMD__MESSAGE_TYPE__TYPE_REPLAY,
			 MEMD__MESSAGE_TYPE__TYPE_REPLAY_REPLY,
			 &memd__replay_reply__descriptor },
	[ASK_DISCONNECT] = { MEMD__MESSAGE_TYPE__TYPE_DISCONNECT,
			     MEMD__MESSAGE_TYPE__TYPE_DISCONNECT_REPLY,
			     &memd__disconnect_reply__descriptor },
	[ASK_UNLINK] = { MEMD__MESSAGE_TYPE__TYPE_SEGMENT_UNLINK,
			 MEMD__MESSAGE_TYPE__TYPE_SEGMENT_UNLINK_REPLY,
			 &memd__segment_unlink_reply__descriptor },
	[ASK_STORE_DROP] = { MEMD__MESSAGE_TYPE__TYPE_STORE_DROP,
			     MEMD__MESSAGE_TYPE__TYPE_OK, NULL },
	[ASK_STORES] = { MEMD__MESSAGE_TYPE__TYPE_STORES,
			 MEMD__MESSAGE_TYPE__TYPE_STORES_REPLY,
			 &memd__stores_reply__descriptor },
};

/* ---------------------------------------------------------------- messages */

static bool is_plain_tcp(const struct connection *c)
{
	return c->channel.ssl == NULL && address_is_tcp(c->address);
}

static int fail_io(const struct connection *c, struct failure *failure,
		   int err)
{
	bool is_gone = err == -ECONNRESET || err == -EPIPE;

	if (c->channel.ssl != NULL && c->channel.state == CHANNEL_BROKEN)
		failure_set_tls(failure, c->address, c->channel.reason, true,
				-err);
	else if (is_gone && is_plain_tcp(c) && c->server[0] == '\0')
		failure_set(failure, FAILURE_BROKEN, -err, "memd at %s closed "
			    "the connection: does it want TLS (ca, "
			    "certificate and key)? See its log", c->address);
	else
		failure_set_io(failure, c->address, c->timeout_ms, -err);
	return err;
}

static int fail_protocol(const struct connection *c, struct failure *failure,
			 const char *what)
{
	failure_set_protocol(failure, c->address, what);
	return -EPROTO;
}

/* Perhaps TLS answers, which we do not speak there. */
static int fail_no_memd(const struct connection *c, struct failure *failure)
{
	return fail_protocol(c, failure, is_plain_tcp(c) ?
			     "not the memd protocol, unless in TLS (add ca, "
			     "certificate and key)" : "not the memd protocol");
}

static int reserve_body(struct connection *c, size_t size)
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
static int receive_message(struct connection *c, uint64_t until_ns,
			   struct wire_header *ret_h, struct failure *failure)
{
	uint8_t raw[WIRE_HEADER_BYTES];
	struct wire_header h;
	int err = socket_receive_all(&c->channel, raw, sizeof(raw), until_ns);

	if (err < 0)
		return fail_io(c, failure, err);
	err = wire_header_unpack(raw, WIRE_REPLY_BYTES_MAX, &h);
	if (err == -EMSGSIZE)
		return fail_protocol(c, failure, "a message too long came");
	if (err != 0 || h.payload_bytes != 0)
		return fail_no_memd(c, failure);
	err = reserve_body(c, h.body_bytes);
	if (err == 0)
		err = socket_receive_all(&c->channel, c->body, h.body_bytes,
					 until_ns);
	if (err < 0)
		return fail_io(c, failure, err);
	*ret_h = h;
	return 0;
}

/* memd answered with an Error: its text is made for people. */
static int fail_answer(const struct connection *c, const struct wire_header *h,
		       struct failure *failure)
{
	Memd__Error *error = memd__error__unpack(NULL, h->body_bytes, c->body);
	int code = EPROTO;

	if (error == NULL)
		return fail_protocol(c, failure, "an answer makes no sense");
	if (error->code > 0 && error->code < 4096)
		code = (int)error->code;
	failure_set(failure, FAILURE_ANSWER, code, "%s",
		    error->text[0] != '\0' ? error->text : strerror(code));
	memd__error__free_unpacked(error, NULL);
	return -code;
}

/* An Error may come with id 0 when memd turns a connection away before it has
 * read anything. */
static bool is_error_for(const struct wire_header *h, uint64_t id)
{
	return h->type == MEMD__MESSAGE_TYPE__TYPE_ERROR &&
	       (h->request_id == id || h->request_id == 0);
}

/* Read until the answer to request `id` is in c->body. */
static int receive_answer(struct connection *c, uint64_t id, uint64_t until_ns,
			  struct wire_header *ret_h, struct failure *failure)
{
	struct wire_header h = { 0 };

	do {
		int err = receive_message(c, until_ns, &h, failure);

		if (err != 0)
			return err;
		if (is_error_for(&h, id))
			return fail_answer(c, &h, failure);
		if (h.version_major != WIRE_VERSION_MAJOR) {
			failure_set(failure, FAILURE_BROKEN, EPROTONOSUPPORT,
				    "memd at %s speaks protocol %u, memctl "
				    "%d: install the same release of both",
				    c->address, h.version_major,
				    WIRE_VERSION_MAJOR);
			return -EPROTONOSUPPORT;
		}
	} while (h.request_id != id);
	*ret_h = h;
	return 0;
}

/* Send a request, await its answer, unpack that. */
static int exchange(struct connection *c, uint16_t type,
		    const ProtobufCMessage *request, uint16_t reply_type,
		    const ProtobufCMessageDescriptor *descriptor,
		    ProtobufCMessage **ret_reply, struct failure *failure)
{
	uint8_t raw[REQUEST_BYTES_MAX];
	uint64_t id = ++c->last_request_id;
	uint64_t until_ns = socket_deadline_ns(c->timeout_ms);
	struct wire_header h = { 0 };
	ProtobufCMessage *reply = NULL;
	ssize_t length = wire_pack(type, id, request, 0, raw, sizeof(raw));
	int err;

	ASSERT(length > 0);	/* they are built to fit */
	/* Whoever turns us away says why before closing: read it even when
	 * sending failed, where that has not been told already. */
	err = socket_send_all(&c->channel, raw, (size_t)length, until_ns);
	if (err != 0 && (c->channel.ssl != NULL ||
			 (err != -EPIPE && err != -ECONNRESET)))
		return fail_io(c, failure, err);
	err = receive_answer(c, id, until_ns, &h, failure);
	if (err != 0)
		return err;
	if (h.type != reply_type)
		return fail_protocol(c, failure, "an answer to something else");
	if (descriptor != NULL) {
		reply = protobuf_c_message_unpack(descriptor, NULL,
						  h.body_bytes, c->body);
		if (reply == NULL)
			return fail_protocol(c, failure,
					     "an answer makes no sense");
	}
	*ret_reply = reply;
	return 0;
}

/* --------------------------------------------------------------- interface */

static int say_hello(struct connection *c, struct failure *failure)
{
	Memd__Hello hello = MEMD__HELLO__INIT;
	ProtobufCMessage *message = NULL;
	const Memd__HelloReply *reply;
	int err;

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.command = (char *)"memctl";
	hello.has_admin_only = 1;
	hello.admin_only = 1;
	err = exchange(c, MEMD__MESSAGE_TYPE__TYPE_HELLO, &hello.base,
		       MEMD__MESSAGE_TYPE__TYPE_HELLO_REPLY,
		       &memd__hello_reply__descriptor, &message, failure);
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

/* Once, however often a command looks. */
static void warn_if_old(const char *address)
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

	warn_if_old(address);
	address = connection_address(address);
	if (c == NULL) {
		failure_set_connect(ret_failure, address, ENOMEM);
		return -ENOMEM;
	}
	c->timeout_ms = timeout_ms;
	connection_show_address(address, c->address);
	err = address_is_tcp(address) ?
		tcp_open(address, timeout_ms, &c->channel, ret_failure) :
		unix_open(address, timeout_ms, &c->channel, ret_failure);
	if (err != 0) {
		free(c);
		return err;
	}
	err = say_hello(c, ret_failure);
	if (err != 0) {
		connection_close(c);
		return err;
	}
	*ret_c = c;
	return 0;
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
	return exchange(c, questions[question].request, request,
			questions[question].reply,
			questions[question].descriptor, ret_reply, ret_failure);
}

int connection_receive_trace(struct connection *c,
			     Memd__TraceEvents **ret_events,
			     struct failure *ret_failure)
{
	Memd__TraceEvents *events = NULL;
	struct wire_header h = { 0 };
	int err = receive_message(c, socket_deadline_ns(c->timeout_ms), &h,
				  ret_failure);

	if (err != 0)
		return err;
	if (is_error_for(&h, 0))
		return fail_answer(c, &h, ret_failure);
	if (h.type == MEMD__MESSAGE_TYPE__TYPE_TRACE_EVENTS) {
		events = memd__trace_events__unpack(NULL, h.body_bytes,
						    c->body);
		if (events == NULL)
			return fail_protocol(c, ret_failure,
					     "an answer makes no sense");
	}
	*ret_events = events;
	return 0;
}
