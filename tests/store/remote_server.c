/* SPDX-License-Identifier: MIT */
/* One thread, one connection at a time.  Requests take effect as they come in;
 * only the answers are held back, mixed up and spoilt.  What a slot contains
 * after a discard is not zeros here but rubbish, so that a client who reads it
 * is found out. */
#include "tests/store/remote_server.h"

#include "proto/wire.h"
#include "tests/store/storetest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWERS_MAX = 512, REQUEST_SLOTS_MAX = 512, TOKEN_BYTES = 16 };

#define TYPE(name) MEMD__MESSAGE_TYPE__TYPE_##name

struct answer {
	uint16_t type;
	uint64_t id;
	uint32_t code;		/* of an Error */
	uint8_t *payload;	/* owned, or NULL */
	uint32_t payload_bytes;
	bool is_kept;
};

struct remote_server {
	pthread_t thread;
	int listen_fd, wake_fd;
	char address[64];
	uint32_t slot_count;

	pthread_mutex_t lock;		/* what is below, to the blank line */
	struct remote_server_plan plan;
	struct remote_server_counts counts;
	bool must_stop, must_cut, must_forget;
	uint64_t messages;		/* since the plan was set */
	char complaint[256];		/* what the client has done wrong */

	uint8_t *slots;
	bool has_store, is_open;
	uint8_t token[TOKEN_BYTES];
	uint64_t seed, random, tokens;
	int fd;				/* the connection */
	bool is_limited;
	uint64_t bytes_left;		/* until it is cut */
	uint8_t *body, *arena;
	struct answer answers[ANSWERS_MAX];
	unsigned answer_count;
};

static uint64_t draw(struct remote_server *rs)
{
	uint64_t z = rs->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t draw_below(struct remote_server *rs, uint32_t bound)
{
	return bound == 0 ? 0 : (uint32_t)(draw(rs) % bound);
}

static bool draw_rate(struct remote_server *rs, uint32_t rate)
{
	return draw_below(rs, 65536) < rate;
}

static struct remote_server_plan plan_of(struct remote_server *rs)
{
	struct remote_server_plan plan;

	pthread_mutex_lock(&rs->lock);
	plan = rs->plan;
	pthread_mutex_unlock(&rs->lock);
	return plan;
}

static void count(struct remote_server *rs, uint64_t *counter, uint64_t by)
{
	pthread_mutex_lock(&rs->lock);
	*counter += by;
	pthread_mutex_unlock(&rs->lock);
}

/* The first one counts. */
static int complain(struct remote_server *rs, const char *what)
{
	pthread_mutex_lock(&rs->lock);
	if (rs->complaint[0] == '\0')
		snprintf(rs->complaint, sizeof(rs->complaint), "%s", what);
	pthread_mutex_unlock(&rs->lock);
	return -EPROTO;
}

/* Has this connection to end? */
static bool is_cut(struct remote_server *rs)
{
	eventfd_t ignored;
	bool result;

	pthread_mutex_lock(&rs->lock);
	if (!rs->must_stop)
		(void)eventfd_read(rs->wake_fd, &ignored);
	if (rs->must_forget && rs->has_store)
		rs->counts.forgotten++;
	if (rs->must_forget)
		rs->has_store = false;
	result = rs->must_stop || rs->must_cut || rs->must_forget;
	rs->must_cut = rs->must_forget = false;
	pthread_mutex_unlock(&rs->lock);
	return result;
}

/* ---- bytes */

/* Wait for the connection; false: it must end. */
static bool wait_for(struct remote_server *rs, short events, int timeout_ms)
{
	struct pollfd pfds[2] = { { .fd = rs->wake_fd, .events = POLLIN },
				  { .fd = rs->fd, .events = events } };

	(void)poll(pfds, 2, timeout_ms);
	return !is_cut(rs);
}

static int move(struct remote_server *rs, bool is_out, uint8_t *at,
		size_t length)
{
	while (length > 0) {
		size_t most = length;
		ssize_t n;

		if (rs->is_limited)
			most = MIN(most, rs->bytes_left);
		if (most == 0)
			return -ECONNABORTED;
		n = is_out ? send(rs->fd, at, most, MSG_DONTWAIT |
				  MSG_NOSIGNAL) :
			     recv(rs->fd, at, most, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			if (!wait_for(rs, is_out ? POLLOUT : POLLIN, -1))
				return -ECANCELED;
			continue;
		}
		if (n <= 0)
			return -ECONNRESET;
		at += n;
		length -= (size_t)n;
		rs->bytes_left -= rs->is_limited ? (uint64_t)n : 0;
	}
	return 0;
}

/* ---- answers */

/* Spoil one answer so that a client can notice. */
static void spoil(struct remote_server *rs, struct wire_header *h,
		  uint8_t *header)
{
	static const uint32_t wrong_bytes[] = {
		1, 4095, 4096, 8192, WIRE_PAYLOAD_BYTES_MAX,
		WIRE_PAYLOAD_BYTES_MAX + 1, UINT32_MAX,
	};
	/* An Error must not become an Ok. */
	unsigned kind = h->type == TYPE(ERROR) ? 0 : draw_below(rs, 6);

	if (kind == 0)
		h->request_id += UINT64_C(1) << 40;
	else if (kind == 1)
		h->type = (uint16_t)(h->type + 1 + draw_below(rs, 100));
	else if (kind == 2)
		h->version_major++;
	else if (kind == 3)
		h->body_bytes = WIRE_BODY_BYTES_MAX + 1;
	else if (kind == 4)
		h->payload_bytes += wrong_bytes[draw_below(
			rs, ARRAY_SIZE(wrong_bytes))];
	wire_header_pack(h, header);
	if (kind == 5)
		header[draw_below(rs, 4)] ^= 0x10;
	count(rs, &rs->counts.garbage, 1);
}

static int send_message(struct remote_server *rs, const struct answer *an,
			const ProtobufCMessage *message)
{
	uint8_t frame[1024];
	struct wire_header h;
	ssize_t n = wire_pack(an->type, an->id, message, an->payload_bytes,
			      frame, sizeof(frame));

	assert_true(n > 0);
	if (draw_rate(rs, rs->is_open ? plan_of(rs).garbage_rate :
				plan_of(rs).garbage_hello_rate)) {
		assert_int_equal(wire_header_unpack(frame, WIRE_BODY_BYTES_MAX,
						    &h), 0);
		spoil(rs, &h, frame);
	}
	if (move(rs, true, frame, (size_t)n) != 0)
		return -ECONNRESET;
	return move(rs, true, an->payload, an->payload_bytes);
}

static int send_answer(struct remote_server *rs, const struct answer *an)
{
	Memd__Error error = MEMD__ERROR__INIT;
	char text[] = "the test\nsays so";

	error.code = an->code;
	error.text = text;
	return send_message(rs, an, an->code != 0 ? &error.base : NULL);
}

/* Let go what was kept, unless the plan says otherwise.  Returns how many
 * answers may be sent, which come first. */
static unsigned sort_kept(struct remote_server *rs)
{
	struct remote_server_plan plan = plan_of(rs);
	bool keeps = plan.keeps_reads || plan.keeps_kept;
	unsigned due = 0;

	for (unsigned i = 0; i < rs->answer_count; i++) {
		struct answer an = rs->answers[i];

		rs->answers[i].is_kept = an.is_kept &= keeps;
		if (an.is_kept)
			continue;
		rs->answers[i] = rs->answers[due];
		rs->answers[due++] = an;
	}
	pthread_mutex_lock(&rs->lock);
	rs->counts.kept = rs->answer_count - due;
	pthread_mutex_unlock(&rs->lock);
	return due;
}

static int send_some_answer(struct remote_server *rs, unsigned due)
{
	unsigned at = draw_below(rs, due);
	struct answer an = rs->answers[at];
	uint32_t delay_us = draw_below(rs, plan_of(rs).delay_us_max);
	int err;

	rs->answers[at] = rs->answers[--rs->answer_count];
	if (delay_us > 0)
		usleep(delay_us);
	err = send_answer(rs, &an);
	free(an.payload);
	return err;
}

static int answer(struct remote_server *rs, struct answer an)
{
	rs->answers[rs->answer_count++] = an;
	pthread_mutex_lock(&rs->lock);
	rs->counts.unanswered_max = MAX(rs->counts.unanswered_max,
					rs->answer_count);
	pthread_mutex_unlock(&rs->lock);
	return 0;
}

/* Send what is held back too long, or all when nothing else comes. */
static int send_due_answers(struct remote_server *rs)
{
	uint32_t most = MIN(plan_of(rs).hold_max, (uint32_t)ANSWERS_MAX - 1);
	unsigned due;
	int err = 0;

	while (err == 0 && (due = sort_kept(rs)) > 0) {
		struct pollfd pfd = { .fd = rs->fd, .events = POLLIN };

		if (due <= most && poll(&pfd, 1, 0) == 1)
			break;
		err = send_some_answer(rs, due);
	}
	return err;
}

/* ---- requests */

static const ProtobufCMessage *unpack(struct remote_server *rs,
				      const ProtobufCMessageDescriptor *type,
				      const struct wire_header *h)
{
	struct wire_arena arena;

	wire_arena_init(&arena, rs->arena, WIRE_ARENA_BYTES);
	return wire_unpack(type, &arena, rs->body, h->body_bytes);
}

static int on_hello(struct remote_server *rs, const struct wire_header *h)
{
	const Memd__Hello *hello = (const void *)unpack(
		rs, &memd__hello__descriptor, h);
	Memd__HelloReply reply = MEMD__HELLO_REPLY__INIT;
	struct remote_server_plan plan = plan_of(rs);
	struct answer an = { .type = TYPE(HELLO_REPLY), .id = h->request_id };

	if (hello == NULL || !(hello->capabilities &
			       MEMD__CAPABILITY__CAP_STORE) ||
	    hello->command == NULL)
		return complain(rs, "a Hello that is none");
	if (plan.is_slow_hello) {
		while (wait_for(rs, 0, 1000))
			;
		return -ECANCELED;
	}
	if (plan.hello_error != 0) {
		an.type = TYPE(ERROR);
		an.code = plan.hello_error;
		return send_answer(rs, &an);
	}
	reply.version_major = WIRE_VERSION_MAJOR;
	reply.has_capabilities = true;
	reply.capabilities = plan.is_no_store ? 0 :
			     MEMD__CAPABILITY__CAP_STORE;
	return send_message(rs, &an, &reply.base);
}

static void open_new(struct remote_server *rs)
{
	memset(rs->slots, 0, (size_t)rs->slot_count * SWAP_SLOT_BYTES);
	rs->tokens++;
	memcpy(rs->token, &rs->tokens, sizeof(rs->tokens));
	rs->has_store = true;
}

static int on_store_open(struct remote_server *rs, const struct wire_header *h)
{
	const Memd__StoreOpen *open = (const void *)unpack(
		rs, &memd__store_open__descriptor, h);
	Memd__StoreOpenReply reply = MEMD__STORE_OPEN_REPLY__INIT;
	struct answer an = { .type = TYPE(STORE_OPEN_REPLY),
			     .id = h->request_id };

	if (open == NULL || open->slot_count != rs->slot_count || rs->is_open ||
	    (open->has_token && open->token.len != TOKEN_BYTES))
		return complain(rs, "a StoreOpen that is none");
	an.code = plan_of(rs).open_error;
	if (an.code == 0 && open->has_token &&
	    (!rs->has_store ||
	     memcmp(open->token.data, rs->token, TOKEN_BYTES) != 0))
		an.code = ENOENT;
	if (an.code != 0) {
		an.type = TYPE(ERROR);
		return send_answer(rs, &an);
	}
	if (open->has_token)
		count(rs, &rs->counts.resumed, 1);
	else
		count(rs, &rs->counts.opened, 1);
	if (!open->has_token)
		open_new(rs);
	reply.token.data = rs->token;
	reply.token.len = TOKEN_BYTES;
	if (send_message(rs, &an, &reply.base) != 0)
		return -ECONNRESET;
	rs->is_open = true;
	return 0;
}

static uint8_t *slot_at(const struct remote_server *rs, uint64_t slot)
{
	return rs->slots + (size_t)slot * SWAP_SLOT_BYTES;
}

static bool is_inside(const struct remote_server *rs, uint64_t first,
		      uint64_t slot_count)
{
	return slot_count >= 1 && first < rs->slot_count &&
	       slot_count <= rs->slot_count - first;
}

/* What the plan has for this request, other than to do it. */
static uint32_t refusal(struct remote_server *rs, bool is_write)
{
	struct remote_server_plan plan = plan_of(rs);

	if (draw_rate(rs, plan.busy_rate)) {
		count(rs, &rs->counts.busy, 1);
		return EBUSY;
	}
	return is_write ? plan.write_error : plan.read_error;
}

/* With the lock held. */
static void log_request(struct remote_server *rs, uint32_t slot, bool is_write)
{
	struct remote_server_counts *counts = &rs->counts;

	if (counts->log_count == REMOTE_SERVER_LOG_MAX)
		return;
	counts->log[counts->log_count].slot = slot;
	counts->log[counts->log_count++].is_write = is_write;
}

static int on_store_read(struct remote_server *rs, const struct wire_header *h)
{
	const Memd__StoreRange *range = (const void *)unpack(
		rs, &memd__store_range__descriptor, h);
	struct answer an = { .type = TYPE(STORE_BYTES), .id = h->request_id };

	if (range == NULL || !is_inside(rs, range->slot, range->count) ||
	    range->count > REQUEST_SLOTS_MAX || h->request_id == 0)
		return complain(rs, "a StoreRead that is none");
	pthread_mutex_lock(&rs->lock);
	rs->counts.reads++;
	rs->counts.last_read_at = rs->messages;
	log_request(rs, range->slot, false);
	pthread_mutex_unlock(&rs->lock);
	an.code = refusal(rs, false);
	if (an.code != 0) {
		an.type = TYPE(ERROR);
		return answer(rs, an);
	}
	an.is_kept = plan_of(rs).keeps_reads;
	an.payload_bytes = range->count * SWAP_SLOT_BYTES;
	an.payload = malloc(an.payload_bytes);
	assert_non_null(an.payload);
	memcpy(an.payload, slot_at(rs, range->slot), an.payload_bytes);
	return answer(rs, an);
}

static int on_store_write(struct remote_server *rs, const struct wire_header *h)
{
	const Memd__StoreRange *range = (const void *)unpack(
		rs, &memd__store_range__descriptor, h);
	struct answer an = { .type = TYPE(OK), .id = h->request_id };
	uint8_t *bytes;
	int err;

	if (range == NULL || !is_inside(rs, range->slot, range->count) ||
	    range->count > REQUEST_SLOTS_MAX || h->request_id == 0 ||
	    h->payload_bytes != range->count * SWAP_SLOT_BYTES)
		return complain(rs, "a StoreWrite that is none");
	pthread_mutex_lock(&rs->lock);
	rs->counts.writes++;
	rs->counts.written_slots += range->count;
	if (rs->counts.first_write_at == 0)
		rs->counts.first_write_at = rs->messages;
	log_request(rs, range->slot, true);
	pthread_mutex_unlock(&rs->lock);
	bytes = malloc(h->payload_bytes);
	assert_non_null(bytes);
	err = move(rs, false, bytes, h->payload_bytes);
	an.code = err != 0 ? 0 : refusal(rs, true);
	if (an.code != 0)
		an.type = TYPE(ERROR);
	else if (err == 0)
		memcpy(slot_at(rs, range->slot), bytes, h->payload_bytes);
	free(bytes);
	return err != 0 ? err : answer(rs, an);
}

static int on_store_discard(struct remote_server *rs,
			    const struct wire_header *h)
{
	const Memd__StoreDiscard *discard = (const void *)unpack(
		rs, &memd__store_discard__descriptor, h);

	if (discard == NULL || h->request_id != 0 ||
	    discard->n_range > WIRE_RANGES_MAX)
		return complain(rs, "a StoreDiscard that is none");
	for (size_t i = 0; i < discard->n_range; i++) {
		const Memd__Range *range = discard->range[i];

		if (!is_inside(rs, range->first, range->count))
			return complain(rs, "slots discarded that are none");
		memset(slot_at(rs, range->first), 0xdd,
		       (size_t)range->count * SWAP_SLOT_BYTES);
		count(rs, &rs->counts.discarded_slots, range->count);
	}
	count(rs, &rs->counts.discards, 1);
	return 0;
}

static int on_store_close(struct remote_server *rs, const struct wire_header *h)
{
	struct answer an = { .type = TYPE(OK), .id = h->request_id };

	count(rs, &rs->counts.closes, 1);
	rs->has_store = false;
	return answer(rs, an);
}

static int on_request(struct remote_server *rs, const struct wire_header *h)
{
	bool is_first = h->type == TYPE(HELLO) || h->type == TYPE(STORE_OPEN);

	count(rs, &rs->messages, 1);
	if (h->payload_bytes != 0 && h->type != TYPE(STORE_WRITE))
		return complain(rs, "payload where none belongs");
	if (is_first == rs->is_open)
		return complain(rs, "messages in the wrong order");
	switch (h->type) {
	case TYPE(HELLO):		return on_hello(rs, h);
	case TYPE(STORE_OPEN):		return on_store_open(rs, h);
	case TYPE(STORE_READ):		return on_store_read(rs, h);
	case TYPE(STORE_WRITE):		return on_store_write(rs, h);
	case TYPE(STORE_DISCARD):	return on_store_discard(rs, h);
	case TYPE(STORE_CLOSE):		return on_store_close(rs, h);
	default:			return complain(rs, "unknown message");
	}
}

static int serve_one(struct remote_server *rs)
{
	uint8_t header[WIRE_HEADER_BYTES];
	struct wire_header h;

	if (move(rs, false, header, sizeof(header)) != 0)
		return -ECONNRESET;
	if (wire_header_unpack(header, WIRE_BODY_BYTES_MAX, &h) != 0)
		return complain(rs, "not a header");
	if (move(rs, false, rs->body, h.body_bytes) != 0)
		return -ECONNRESET;
	return on_request(rs, &h);
}

/* As a server that hangs: the client must give it up. */
static bool must_stall(struct remote_server *rs)
{
	struct remote_server_plan plan = plan_of(rs);

	if (!rs->is_open)
		return false;
	if (plan.is_silent)
		return true;
	if (!draw_rate(rs, plan.stall_rate))
		return false;
	count(rs, &rs->counts.stalls, 1);
	return true;
}

static bool has_hung_up(const struct remote_server *rs)
{
	struct pollfd pfd = { .fd = rs->fd, .events = POLLRDHUP };

	return poll(&pfd, 1, 0) == 1;
}

static void stall(struct remote_server *rs)
{
	while (!has_hung_up(rs) && wait_for(rs, POLLRDHUP, 1000))
		;
}

static void serve(struct remote_server *rs)
{
	int err = 0;

	while (err == 0 && !is_cut(rs)) {
		struct pollfd pfd = { .fd = rs->fd, .events = POLLIN };

		if (must_stall(rs)) {
			stall(rs);
			break;
		}
		err = send_due_answers(rs);
		if (err == 0 && poll(&pfd, 1, 0) == 1)
			err = serve_one(rs);
		else if (err == 0 && !wait_for(rs, POLLIN, -1))
			err = -ECANCELED;
	}
}

/* A limit is drawn for each connection; half of them end with a reset. */
static void begin(struct remote_server *rs, int fd)
{
	struct remote_server_plan plan = plan_of(rs);

	rs->fd = fd;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
			 sizeof(int));
	rs->is_open = false;
	if (rs->seed != plan.seed)
		rs->random = rs->seed = plan.seed;
	rs->is_limited = plan.cut_bytes_max > 0;
	rs->bytes_left = draw_below(rs, plan.cut_bytes_max);
	count(rs, &rs->counts.connections, 1);
	if (rs->has_store && draw_rate(rs, plan.forget_rate)) {
		rs->has_store = false;
		count(rs, &rs->counts.forgotten, 1);
	}
}

static void end(struct remote_server *rs)
{
	struct linger reset = { .l_onoff = 1 };

	if (draw_below(rs, 2) == 0)
		(void)setsockopt(rs->fd, SOL_SOCKET, SO_LINGER, &reset,
				 sizeof(reset));
	close(rs->fd);
	rs->fd = -1;
	while (rs->answer_count > 0)
		free(rs->answers[--rs->answer_count].payload);
}

static void *server_main(void *arg)
{
	struct remote_server *rs = arg;

	for (;;) {
		struct pollfd pfds[2] = {
			{ .fd = rs->wake_fd, .events = POLLIN },
			{ .fd = rs->listen_fd, .events = POLLIN },
		};
		bool must_stop;
		int fd;

		(void)poll(pfds, 2, -1);
		(void)is_cut(rs);
		pthread_mutex_lock(&rs->lock);
		must_stop = rs->must_stop;
		pthread_mutex_unlock(&rs->lock);
		if (must_stop)
			return NULL;
		fd = accept4(rs->listen_fd, NULL, NULL, SOCK_CLOEXEC |
			     SOCK_NONBLOCK);
		if (fd < 0)
			continue;
		begin(rs, fd);
		if (!plan_of(rs).is_closed)
			serve(rs);
		end(rs);
	}
}

/* ---- the test's side */

struct remote_server *remote_server_create(uint32_t slot_count)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(sin);
	struct remote_server *rs = calloc(1, sizeof(*rs));

	assert_non_null(rs);
	rs->fd = -1;
	rs->slot_count = slot_count;
	rs->slots = malloc((size_t)slot_count * SWAP_SLOT_BYTES);
	rs->body = malloc(WIRE_BODY_BYTES_MAX);
	rs->arena = malloc(WIRE_ARENA_BYTES);
	assert_true(rs->slots != NULL && rs->body != NULL && rs->arena != NULL);
	rs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rs->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC |
			       SOCK_NONBLOCK, 0);
	assert_true(rs->wake_fd >= 0 && rs->listen_fd >= 0);
	assert_int_equal(bind(rs->listen_fd, (struct sockaddr *)&sin, length),
			 0);
	assert_int_equal(listen(rs->listen_fd, 16), 0);
	assert_int_equal(getsockname(rs->listen_fd, (struct sockaddr *)&sin,
				     &length), 0);
	snprintf(rs->address, sizeof(rs->address), "127.0.0.1:%u",
		 ntohs(sin.sin_port));
	pthread_mutex_init(&rs->lock, NULL);
	assert_int_equal(pthread_create(&rs->thread, NULL, server_main, rs),
			 0);
	return rs;
}

void remote_server_destroy(struct remote_server *rs)
{
	char complaint[sizeof(rs->complaint)];

	pthread_mutex_lock(&rs->lock);
	rs->must_stop = true;
	(void)eventfd_write(rs->wake_fd, 1);
	pthread_mutex_unlock(&rs->lock);
	pthread_join(rs->thread, NULL);
	pthread_mutex_destroy(&rs->lock);
	close(rs->listen_fd);
	close(rs->wake_fd);
	memcpy(complaint, rs->complaint, sizeof(complaint));
	free(rs->slots);
	free(rs->body);
	free(rs->arena);
	free(rs);
	if (complaint[0] != '\0')
		fail_msg("the client sent %s", complaint);
}

const char *remote_server_address(const struct remote_server *rs)
{
	return rs->address;
}

void remote_server_plan_set(struct remote_server *rs,
			    const struct remote_server_plan *plan, bool cut)
{
	pthread_mutex_lock(&rs->lock);
	rs->plan = *plan;
	rs->must_cut = cut;
	rs->messages = 0;
	rs->counts.last_read_at = rs->counts.first_write_at = 0;
	rs->counts.log_count = 0;
	(void)eventfd_write(rs->wake_fd, 1);
	pthread_mutex_unlock(&rs->lock);
}

void remote_server_forget(struct remote_server *rs)
{
	pthread_mutex_lock(&rs->lock);
	rs->must_forget = true;
	(void)eventfd_write(rs->wake_fd, 1);
	pthread_mutex_unlock(&rs->lock);
}

void remote_server_counts_get(struct remote_server *rs,
			      struct remote_server_counts *ret_counts)
{
	pthread_mutex_lock(&rs->lock);
	*ret_counts = rs->counts;
	pthread_mutex_unlock(&rs->lock);
}
