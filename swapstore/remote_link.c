/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_link.h"

#include "common/clock.h"
#include "swapstore/remote_greeting.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	NOT_SENT_BYTES = 128 * 1024,	/* in the kernel: reads must not wait
					 * behind more */
	KEEP_IDLE_S = 10, KEEP_INTERVAL_S = 5, KEEP_COUNT = 3,
};

#define MS_NS		UINT64_C(1000000)
#define PAUSE_MIN_NS	(50 * MS_NS)
#define PAUSE_MAX_NS	(2000 * MS_NS)
#define GOODBYE_NS	(1000 * MS_NS)

#define TYPE(name) MEMD__MESSAGE_TYPE__TYPE_##name

/* ---- making it */

static int watch(struct remote_link *link, int fd)
{
	struct epoll_event readable = { .events = EPOLLIN };

	if (fd < 0 ||
	    epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, fd, &readable) != 0)
		return -errno;
	return 0;
}

static int make_descriptors(struct remote_link *link)
{
	int err;

	link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (link->epoll_fd < 0)
		return -errno;
	link->timer_fd = timerfd_create(CLOCK_MONOTONIC,
					TFD_CLOEXEC | TFD_NONBLOCK);
	err = watch(link, link->timer_fd);
	if (err != 0)
		return err;
	link->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return watch(link, link->ready_fd);
}

int remote_link_init(struct remote_link *link,
		     const struct remote_link_options *options,
		     struct remote_address *address,
		     const struct remote_link_ops *ops, void *ctx)
{
	int err;

	*link = (struct remote_link){
		.ops = ops, .ctx = ctx, .address = *address,
		.next_address = address->all, .tls = options->tls,
		.slot_count = options->slot_count,
		.timeout_ns = options->timeout_ns,
		.epoll_fd = -1, .timer_fd = -1, .ready_fd = -1,
		.pause_ns = PAUSE_MIN_NS, .down_since_ns = clock_now_ns(),
	};
	*address = (struct remote_address){ 0 };
	snprintf(link->command, sizeof(link->command), "%s",
		 options->command);
	/* Any number will do where there is no better one. */
	if (getrandom(&link->jitter, sizeof(link->jitter), GRND_NONBLOCK) < 0)
		link->jitter = clock_now_ns();
	err = remote_stream_init(&link->stream);
	if (err == 0)
		err = make_descriptors(link);
	link->arena = malloc(WIRE_ARENA_BYTES);
	if (err == 0 && link->arena == NULL)
		err = -ENOMEM;
	if (err != 0)
		remote_link_fini(link);
	return err;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void remote_link_fini(struct remote_link *link)
{
	remote_stream_fini(&link->stream);
	close_fd(&link->ready_fd);
	close_fd(&link->timer_fd);
	close_fd(&link->epoll_fd);
	remote_address_fini(&link->address);
	free(link->arena);
	link->arena = NULL;
}

/* ---- going down */

int remote_link_blame(struct remote_link *link, int err, const char *format,
		      ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(link->reason, sizeof(link->reason), format, args);
	va_end(args);
	link->error = err;
	return err;
}

/* Between half of `ns` and all of it: many that lost the same server must not
 * all come back at the same moment. */
static uint64_t with_jitter(struct remote_link *link, uint64_t ns)
{
	link->jitter = link->jitter * UINT64_C(6364136223846793005) +
		       UINT64_C(1442695040888963407);
	return ns / 2 + (link->jitter >> 33) % (ns / 2 + 1);
}

/* link->error and link->reason have been set. */
/* With a reset: what is still to be sent is of no use, and the end of the
 * stream would wait behind it for a server that does not read. */
static void reset_at_close(const struct remote_link *link)
{
	const struct linger now = { .l_onoff = 1 };

	if (link->stream.is_open)
		(void)setsockopt(link->stream.channel.fd, SOL_SOCKET,
				 SO_LINGER, &now, sizeof(now));
}

static void go_down(struct remote_link *link)
{
	bool was_up = link->state == LINK_UP;
	uint64_t now_ns = clock_now_ns();

	reset_at_close(link);
	remote_stream_close(&link->stream);
	link->state = LINK_DOWN;
	link->interest = 0;
	link->unanswered = 0;
	link->deadline_ns = now_ns;
	if (was_up) {
		link->down_since_ns = now_ns;
		link->next_address = link->address.all;
	}
	/* One that has served is worth trying again at once. */
	if (was_up && link->has_served)
		link->pause_ns = PAUSE_MIN_NS;
	else if (was_up || link->next_address == NULL) {
		link->next_address = link->address.all;
		link->deadline_ns += with_jitter(link, link->pause_ns);
		link->pause_ns = MIN(2 * link->pause_ns, PAUSE_MAX_NS);
	}
	link->has_served = false;
	if (was_up)
		link->ops->went_down(link->ctx);
}

void remote_link_enter(struct remote_link *link, enum link_state next,
		       uint64_t patience_ns)
{
	link->state = next;
	link->deadline_ns = patience_ns == 0 ? 0 :
			    clock_now_ns() + patience_ns;
}

/* ---- connecting */

static void set_options(const struct remote_link *link, int fd)
{
	const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_BYTES },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT,
		  (int)(link->timeout_ns / MS_NS) },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT },
	};

	/* All of them only make it quicker. */
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
				 &options[i].value, sizeof(int));
}

/* Begin to connect to the next address.  Returns 0 or -errno. */
static int connect_begin(struct remote_link *link)
{
	const struct addrinfo *ai = link->next_address;
	struct epoll_event writable = { .events = EPOLLOUT };
	int fd, err;

	link->next_address = ai->ai_next;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return remote_link_blame(link, -errno, "socket: %s",
					 strerror(errno));
	set_options(link, fd);
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 &&
	    errno != EINPROGRESS) {
		err = errno == EAGAIN ? -EADDRNOTAVAIL : -errno;
		close(fd);
		return remote_link_blame(link, err, "%s", strerror(-err));
	}
	err = remote_stream_open(&link->stream, fd, link->tls,
				 link->address.host);
	if (err == 0 &&
	    epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, fd, &writable) != 0)
		err = -errno;
	if (err != 0)
		return remote_link_blame(link, err, "%s", strerror(-err));
	link->interest = EPOLLOUT;
	remote_link_enter(link, LINK_CONNECTING,
			  link->timeout_ns / link->address.count);
	return 0;
}

static int socket_error(int fd)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		return errno;
	return error;
}

static int connect_go_on(struct remote_link *link)
{
	int fd = link->stream.channel.fd, error;
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (poll(&pfd, 1, 0) != 1)
		return -EAGAIN;
	error = socket_error(fd);
	if (error != 0)
		return remote_link_blame(link, -error, "%s", strerror(error));
	remote_link_enter(link, LINK_SECURING, link->timeout_ns);
	return 0;
}

static int secure(struct remote_link *link)
{
	int err = channel_handshake(&link->stream.channel);

	if (err == -EAGAIN)
		return err;
	if (err != 0)
		return remote_link_blame(link, err, "%s",
					 link->stream.channel.reason);
	remote_greeting_begin(link);
	return 0;
}

/* ---- turning */

static int receive(struct remote_link *link)
{
	struct remote_stream *s = &link->stream;
	int err;

	link->error = 0;
	err = remote_stream_receive(s, &remote_greeting_receiver, link);
	if (s->received_bytes != link->heard_bytes) {
		link->heard_bytes = s->received_bytes;
		link->heard_ns = clock_now_ns();
	}
	if (err == 0 || link->error != 0)
		return err;
	if (err == -ENOTCONN)
		return remote_link_blame(link, -ECONNRESET,
					 "it closed the connection");
	if (s->channel.state == CHANNEL_BROKEN)
		return remote_link_blame(link, err, "%s", s->channel.reason);
	return remote_link_blame(link, err, "it does not speak this protocol");
}

static bool is_overdue(const struct remote_link *link, uint64_t now_ns)
{
	if (link->state == LINK_UP)
		return link->unanswered > 0 &&
		       now_ns - link->heard_ns >= link->timeout_ns;
	return now_ns >= link->deadline_ns;
}

/* One step.  Returns 0 (there may be more to do), -EAGAIN (not now), or
 * -errno: it is broken. */
static int step(struct remote_link *link)
{
	enum link_state before = link->state;
	int err;

	switch (before) {
	case LINK_DOWN:
		return is_overdue(link, clock_now_ns()) ? connect_begin(link) :
							  -EAGAIN;
	case LINK_CONNECTING:
		err = connect_go_on(link);
		break;
	case LINK_SECURING:
		err = secure(link);
		break;
	default:
		/* Why is in link->error; an Error may well say EAGAIN. */
		if (receive(link) != 0)
			return -ECONNRESET;
		err = link->state == before ? -EAGAIN : 0;
		break;
	}
	if (err == -EAGAIN && is_overdue(link, clock_now_ns()))
		return remote_link_blame(link, -ETIMEDOUT, "no answer for "
					 "%u ms", (unsigned)(link->timeout_ns /
							     MS_NS));
	return err;
}

void remote_link_transmit(struct remote_link *link)
{
	int err = 0;

	while (link->state >= LINK_GREETING && err == 0) {
		if (link->state == LINK_UP && !link->is_leaving)
			link->ops->fill(link->ctx);
		if (remote_stream_pending(&link->stream) == 0)
			break;
		err = remote_stream_send(&link->stream);
	}
	if (err != 0 && err != -EAGAIN) {
		remote_link_blame(link, err, "%s",
				  link->stream.channel.reason);
		go_down(link);
	}
}

void remote_link_run(struct remote_link *link)
{
	int err;

	for (;;) {
		err = step(link);
		if (err == -EAGAIN)
			break;
		if (err != 0)
			go_down(link);
		else
			remote_link_transmit(link);
	}
	remote_link_transmit(link);
}

/* ---- waiting */

static void settle_interest(struct remote_link *link)
{
	const struct remote_stream *s = &link->stream;
	struct epoll_event event = { .events = EPOLLIN };

	if (!s->is_open)
		return;
	if (link->state == LINK_CONNECTING)
		event.events = EPOLLOUT;
	else if (s->waits_to_write || s->channel.wants_write)
		event.events |= EPOLLOUT;
	if (event.events == link->interest)
		return;
	if (epoll_ctl(link->epoll_fd, EPOLL_CTL_MOD, s->channel.fd,
		      &event) == 0)
		link->interest = event.events;
}

static uint64_t sooner(uint64_t a_ns, uint64_t b_ns)
{
	if (a_ns == 0 || b_ns == 0)
		return MAX(a_ns, b_ns);
	return MIN(a_ns, b_ns);
}

/* When there is something to do although nothing has happened; 0: never. */
static uint64_t next_ns(const struct remote_link *link)
{
	uint64_t at_ns = link->deadline_ns;

	if (link->state == LINK_UP)
		at_ns = link->unanswered == 0 ? 0 :
			link->heard_ns + link->timeout_ns;
	return sooner(at_ns, link->wake_ns);
}

/* One that rings too early is left alone: it costs less than being set anew
 * for every request. */
static void settle_timer(struct remote_link *link)
{
	uint64_t at_ns = next_ns(link);
	struct itimerspec when = { 0 };

	if (link->armed_ns == at_ns)
		return;
	if (link->armed_ns != 0 && (at_ns == 0 || link->armed_ns < at_ns) &&
	    clock_now_ns() < link->armed_ns)
		return;
	when.it_value.tv_sec = (time_t)(at_ns / UINT64_C(1000000000));
	when.it_value.tv_nsec = (long)(at_ns % UINT64_C(1000000000));
	if (timerfd_settime(link->timer_fd, TFD_TIMER_ABSTIME, &when,
			    NULL) == 0)
		link->armed_ns = at_ns;
}

void remote_link_settle(struct remote_link *link, bool is_ready)
{
	eventfd_t ignored;

	is_ready = is_ready || (link->stream.is_open &&
				link->state >= LINK_SECURING &&
				channel_has_input(&link->stream.channel));
	if (is_ready != link->is_ready) {
		if (is_ready)
			(void)eventfd_write(link->ready_fd, 1);
		else
			(void)eventfd_read(link->ready_fd, &ignored);
		link->is_ready = is_ready;
	}
	settle_interest(link);
	settle_timer(link);
}

/* Sleep until there is something to do, or until the time. */
static void wait_until(const struct remote_link *link, uint64_t until_ns)
{
	struct pollfd pfd = { .fd = link->epoll_fd, .events = POLLIN };
	uint64_t now_ns = clock_now_ns();

	if (now_ns < until_ns)
		(void)poll(&pfd, 1, (int)((until_ns - now_ns) / MS_NS) + 1);
}

int remote_link_connect(struct remote_link *link)
{
	uint64_t until_ns = clock_now_ns() + link->timeout_ns;

	for (;;) {
		remote_link_run(link);
		remote_link_settle(link, false);
		if (link->state == LINK_UP)
			return 0;
		if (link->state == LINK_DOWN)
			return link->error;
		if (clock_now_ns() >= until_ns)
			return remote_link_blame(link, -ETIMEDOUT, "%s",
						 strerror(ETIMEDOUT));
		wait_until(link, until_ns);
	}
}

/* Whatever is answered to it, the server has heard it by then. */
void remote_link_say_goodbye(struct remote_link *link)
{
	uint64_t until_ns = clock_now_ns() + GOODBYE_NS;
	bool is_said = false;

	link->is_leaving = true;
	while (link->state == LINK_UP && clock_now_ns() < until_ns) {
		if (!is_said && remote_link_has_room(link)) {
			remote_stream_put(&link->stream, TYPE(STORE_CLOSE),
					  UINT64_MAX, NULL, 0);
			is_said = true;
		}
		remote_link_transmit(link);
		remote_link_settle(link, false);
		wait_until(link, until_ns);
		if (link->state == LINK_UP && receive(link) != 0)
			break;
	}
}

bool remote_link_has_room(const struct remote_link *link)
{
	return link->state == LINK_UP &&
	       remote_stream_pending(&link->stream) < REMOTE_STREAM_OUT_LOW;
}

void remote_link_asked(struct remote_link *link)
{
	if (link->unanswered++ == 0)
		link->heard_ns = clock_now_ns();
}

void remote_link_answered(struct remote_link *link)
{
	ASSERT(link->unanswered > 0);
	link->unanswered--;
	link->has_served = true;
}
