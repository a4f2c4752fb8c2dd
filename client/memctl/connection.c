/* SPDX-License-Identifier: MIT */
/* Connecting, and one message at a time each way.  Every length is checked
 * before anything is allocated.  Descriptors that somebody might send along
 * are never received: no control buffer is offered. */
#include "client/memctl/connection.h"

#include "client/memctl/text.h"
#include "common/clock.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Largest request memctl sends, header included. */
enum { REQUEST_BYTES_MAX = 1024 };

struct connection {
	int fd;
	uint32_t timeout_ms;
	uint64_t last_request_id;
	char server[WIRE_NAME_BYTES_MAX + 1];
	char address[128];		/* for messages */
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
};

/* ---------------------------------------------------------------- failures */

static int PRINTF_LIKE(4, 5)
fail(struct failure *failure, enum failure_kind kind, int code,
     const char *format, ...)
{
	va_list args;

	failure->kind = kind;
	failure->code = code;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	text_clean(failure->text);
	return -code;
}

static int fail_connect(struct failure *failure, const char *address, int code)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return fail(failure, FAILURE_CONNECT, code,
			    "no memd at %s: start it with `systemctl start "
			    "memd`, or pass --socket", address);
	case ECONNREFUSED:
		return fail(failure, FAILURE_CONNECT, code,
			    "nobody listens at %s: start memd with `systemctl "
			    "start memd`, or pass --socket", address);
	case EACCES:
	case EPERM:
		return fail(failure, FAILURE_CONNECT, code,
			    "not allowed to connect to %s: ask as root or as a "
			    "member of the group that owns it", address);
	case EAGAIN:
		return fail(failure, FAILURE_CONNECT, ETIMEDOUT,
			    "memd at %s accepts no connections: see its log, "
			    "or pass a longer --timeout", address);
	default:
		return fail(failure, FAILURE_CONNECT, code,
			    "cannot connect to %s: %s: pass --socket", address,
			    strerror(code));
	}
}

static int fail_io(const struct connection *c, struct failure *failure,
		   int code)
{
	if (code == ETIMEDOUT)
		return fail(failure, FAILURE_BROKEN, code,
			    "memd at %s did not answer within %u ms: see its "
			    "log, or pass a longer --timeout", c->address,
			    c->timeout_ms);
	if (code == ECONNRESET || code == EPIPE)
		return fail(failure, FAILURE_BROKEN, code,
			    "memd at %s closed the connection: see its log",
			    c->address);
	if (code == ENOMEM)
		return fail(failure, FAILURE_BROKEN, code,
			    "not enough memory for memd's answer: free some "
			    "and repeat");
	return fail(failure, FAILURE_BROKEN, code,
		    "lost memd at %s: %s: repeat, and see its log", c->address,
		    strerror(code));
}

static int fail_protocol(const struct connection *c, struct failure *failure,
			 const char *what)
{
	return fail(failure, FAILURE_BROKEN, EPROTO,
		    "%s at %s: is that memd? check --socket", what, c->address);
}

/* ----------------------------------------------------------------- address */

const char *connection_address(const char *address)
{
	const char *from_env;

	if (address != NULL)
		return address;
	from_env = getenv("MEMD_SOCKET");
	if (from_env != NULL && from_env[0] != '\0')
		return from_env;
	return CONNECTION_ADDRESS_DEFAULT;
}

static int parse_address(const char *address, struct sockaddr_un *ret_sun,
			 socklen_t *ret_length, struct failure *failure)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = address;
	size_t length;

	if (strstr(address, "://") != NULL)
		return fail(failure, FAILURE_ADDRESS, EINVAL,
			    "%s: memctl speaks to the memd of its own host: "
			    "pass the path of its Unix socket", address);
	if (strncmp(path, "unix:", 5) == 0)
		path += 5;
	length = strlen(path);
	if (length == 0 || strcmp(path, "@") == 0)
		return fail(failure, FAILURE_ADDRESS, EINVAL,
			    "'%s' is no address: pass a socket's path, or "
			    "@name for an abstract one", address);
	if (length >= sizeof(sun.sun_path))
		return fail(failure, FAILURE_ADDRESS, ENAMETOOLONG,
			    "socket path of %zu bytes is longer than %zu: use "
			    "a shorter one", length, sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, path, length);
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				  length);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	else
		++*ret_length;	/* a path carries its NUL */
	*ret_sun = sun;
	return 0;
}

/* ------------------------------------------------------------------- bytes */

static uint64_t deadline_ns(const struct connection *c)
{
	if (c->timeout_ms == 0)
		return UINT64_MAX;
	return clock_now_ns() + (uint64_t)c->timeout_ms * 1000000;
}

static int wait_for(int fd, short events, uint64_t until_ns)
{
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = events };
		int wait_ms = -1, n;

		if (until_ns != UINT64_MAX) {
			uint64_t now = clock_now_ns();

			if (now >= until_ns)
				return -ETIMEDOUT;
			/* A timeout_ms is 32 bits, but may exceed an int. */
			wait_ms = (int)MIN(DIV_ROUND_UP(until_ns - now,
							1000000), 1000000);
		}
		n = poll(&pfd, 1, wait_ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int send_all(const struct connection *c, const uint8_t *bytes,
		    size_t length, uint64_t until_ns)
{
	while (length > 0) {
		ssize_t n = send(c->fd, bytes, length,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) {
			int err = wait_for(c->fd, POLLOUT, until_ns);

			if (err != 0)
				return err;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int receive_all(const struct connection *c, uint8_t *bytes,
		       size_t length, uint64_t until_ns)
{
	while (length > 0) {
		ssize_t n = recv(c->fd, bytes, length, MSG_DONTWAIT);

		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		} else if (n == 0) {
			return -ECONNRESET;
		} else if (errno == EAGAIN) {
			int err = wait_for(c->fd, POLLIN, until_ns);

			if (err != 0)
				return err;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* ---------------------------------------------------------------- messages */

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
	int err = receive_all(c, raw, sizeof(raw), until_ns);

	if (err != 0)
		return fail_io(c, failure, -err);
	err = wire_header_unpack(raw, WIRE_REPLY_BYTES_MAX, &h);
	if (err == -EMSGSIZE)
		return fail_protocol(c, failure, "a message too long came");
	if (err != 0 || h.payload_bytes != 0)
		return fail_protocol(c, failure, "not the memd protocol");
	err = reserve_body(c, h.body_bytes);
	if (err == 0)
		err = receive_all(c, c->body, h.body_bytes, until_ns);
	if (err != 0)
		return fail_io(c, failure, -err);
	*ret_h = h;
	return 0;
}

static int unpack(const struct connection *c, const struct wire_header *h,
		  const ProtobufCMessageDescriptor *descriptor,
		  ProtobufCMessage **ret_message, struct failure *failure)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(
		descriptor, NULL, h->body_bytes, c->body);

	if (message == NULL)
		return fail_protocol(c, failure, "an answer makes no sense");
	*ret_message = message;
	return 0;
}

/* memd answered with an Error: its text is made for people. */
static int fail_answer(const struct connection *c, const struct wire_header *h,
		       struct failure *failure)
{
	ProtobufCMessage *message = NULL;
	const Memd__Error *error;
	int err = unpack(c, h, &memd__error__descriptor, &message, failure);

	if (err != 0)
		return err;
	error = (const Memd__Error *)message;
	err = fail(failure, FAILURE_ANSWER,
		   error->code == 0 || error->code > 4095 ? EPROTO :
		   (int)error->code, "%s",
		   error->text[0] != '\0' ? error->text :
		   strerror((int)error->code));
	protobuf_c_message_free_unpacked(message, NULL);
	return err;
}

/* An Error may come with id 0 when memd turns a connection away before it has
 * read anything. */
static bool is_error_for(const struct wire_header *h, uint64_t id)
{
	return h->type == MEMD__MESSAGE_TYPE__TYPE_ERROR &&
	       (h->request_id == id || h->request_id == 0);
}

/* Send a request and read until its answer has come. */
static int exchange(struct connection *c, uint16_t type,
		    const ProtobufCMessage *request, uint16_t reply_type,
		    const ProtobufCMessageDescriptor *descriptor,
		    ProtobufCMessage **ret_reply, struct failure *failure)
{
	uint8_t raw[REQUEST_BYTES_MAX];
	uint64_t id = ++c->last_request_id, until_ns = deadline_ns(c);
	struct wire_header h;
	ssize_t length = wire_pack(type, id, request, 0, raw, sizeof(raw));
	int sent, err;

	if (length < 0)
		return fail_io(c, failure, (int)-length);
	/* Whoever turns us away says why before closing: read it even when
	 * sending failed. */
	sent = send_all(c, raw, (size_t)length, until_ns);
	if (sent != 0 && sent != -EPIPE && sent != -ECONNRESET)
		return fail_io(c, failure, -sent);
	do {
		err = receive_message(c, until_ns, &h, failure);
		if (err != 0)
			return err;
		if (is_error_for(&h, id))
			return fail_answer(c, &h, failure);
		if (h.version_major != WIRE_VERSION_MAJOR)
			return fail(failure, FAILURE_BROKEN, EPROTONOSUPPORT,
				    "memd at %s speaks protocol %u, memctl "
				    "%u: install the same release of both",
				    c->address, h.version_major,
				    WIRE_VERSION_MAJOR);
	} while (h.request_id != id);
	if (h.type != reply_type)
		return fail_protocol(c, failure, "an answer to something else");
	*ret_reply = NULL;
	if (descriptor == NULL)
		return 0;
	return unpack(c, &h, descriptor, ret_reply, failure);
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

/* A Unix socket's connect() waits for room in the listener's queue, at most
 * SO_SNDTIMEO. */
static int connect_within(int fd, const struct sockaddr_un *sun,
			  socklen_t length, uint32_t timeout_ms)
{
	struct timeval tv = { .tv_sec = timeout_ms / 1000,
			      .tv_usec = timeout_ms % 1000 * 1000 };

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)sun, length) != 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int connection_open(const char *address, uint32_t timeout_ms,
		    struct connection **ret_c, struct failure *ret_failure)
{
	struct connection *c;
	struct sockaddr_un sun;
	socklen_t length = 0;
	int err;

	address = connection_address(address);
	err = parse_address(address, &sun, &length, ret_failure);
	if (err != 0)
		return err;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return fail(ret_failure, FAILURE_CONNECT, ENOMEM,
			    "not enough memory: free some and repeat");
	c->timeout_ms = timeout_ms;
	snprintf(c->address, sizeof(c->address), "%s", address);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		err = fail_connect(ret_failure, c->address, errno);
		goto fail;
	}
	err = connect_within(c->fd, &sun, length, timeout_ms);
	if (err != 0) {
		err = fail_connect(ret_failure, c->address, -err);
		goto fail;
	}
	err = say_hello(c, ret_failure);
	if (err != 0)
		goto fail;
	*ret_c = c;
	return 0;
fail:
	connection_close(c);
	return err;
}

void connection_close(struct connection *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		close(c->fd);
	free(c->body);
	free(c);
}

const char *connection_server(const struct connection *c)
{
	return c->server;
}

int connection_fd(const struct connection *c)
{
	return c->fd;
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
	ProtobufCMessage *message = NULL;
	struct wire_header h;
	int err = receive_message(c, deadline_ns(c), &h, ret_failure);

	if (err != 0)
		return err;
	if (is_error_for(&h, 0))
		return fail_answer(c, &h, ret_failure);
	if (h.type == MEMD__MESSAGE_TYPE__TYPE_TRACE_EVENTS)
		err = unpack(c, &h, &memd__trace_events__descriptor, &message,
			     ret_failure);
	if (err == 0)
		*ret_events = (Memd__TraceEvents *)message;
	return err;
}
