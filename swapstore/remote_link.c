/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_link.h"

#include "common/clock.h"
#include "swapstore/remote_connect.h"
#include "swapstore/remote_greeting.h"
#include "swapstore/remote_lookup.h"
#include "swapstore/remote_wait.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define MS_NS		UINT64_C(1000000)
#define PAUSE_MIN_NS	(50 * MS_NS)
#define PAUSE_MAX_NS	(2000 * MS_NS)
#define GOODBYE_NS	(1000 * MS_NS)

#define TYPE(name) MEMD__MESSAGE_TYPE__TYPE_##name

/* ---- making a link */

int remote_link_init(struct remote_link *link,
		     const struct remote_link_options *options,
		     struct remote_address *address,
		     const struct remote_link_ops *ops, void *ctx)
{
	int err;

	*link = (struct remote_link){
		.ops = ops, .ctx = ctx, .address = *address,
		.tls = options->tls,
		.slot_count = options->slot_count,
		.timeout_ns = options->timeout_ns,
		.epoll_fd = -1, .timer_fd = -1, .ready_fd = -1,
		.pause_ns = PAUSE_MIN_NS, .down_since_ns = clock_now_ns(),
		.deadline_ns = clock_now_ns(),
	};
	*address = (struct remote_address){ 0 };
	remote_connect_rewind(link);
	snprintf(link->command, sizeof(link->command), "%s",
		 options->command);
	/* any number will do if there is no random one */
	if (getrandom(&link->jitter, sizeof(link->jitter), GRND_NONBLOCK) < 0)
		link->jitter = clock_now_ns();
	err = remote_stream_init(&link->stream);
	if (err == 0)
		err = remote_wait_init(link);
	link->arena = malloc(WIRE_ARENA_BYTES);
	if (err == 0 && link->arena == NULL)
		err = -ENOMEM;
	if (err != 0)
		remote_link_fini(link);
	return err;
}

void remote_link_fini(struct remote_link *link)
{
	remote_stream_fini(&link->stream);
	remote_lookup_destroy(link->lookup);
	link->lookup = NULL;
	remote_wait_fini(link);
	remote_address_fini(&link->address);
	free(link->arena);
	link->arena = NULL;
}

/* ---- going down */

/* A random time between half of `ns` and `ns`: many clients that have lost the
 * same server must not all come back at the same moment. */
static uint64_t with_jitter(struct remote_link *link, uint64_t ns)
{
	link->jitter = link->jitter * UINT64_C(6364136223846793005) +
		       UINT64_C(1442695040888963407);
	return ns / 2 + (link->jitter >> 33) % (ns / 2 + 1);
}

/* The caller has set link->error and link->reason. */
static void link_go_down(struct remote_link *link)
{
	const struct linger now = { .l_onoff = 1 };
	bool was_up = link->state == REMOTE_UP;
	uint64_t pause_ns = 0;

	/* Close with a reset: unsent bytes are of no use, and a normal end of
	 * the stream would wait behind them for a server that does not read. */
	if (link->stream.is_open)
		(void)setsockopt(link->stream.channel.fd, SOL_SOCKET,
				 SO_LINGER, &now, sizeof(now));
	remote_stream_close(&link->stream);
	link->interest = 0;
	link->unanswered = 0;
	if (was_up) {
		link->down_since_ns = clock_now_ns();
		remote_connect_rewind(link);
	}
	/* A server that has answered requests is worth trying again at once. */
	if (was_up && link->has_served)
		link->pause_ns = PAUSE_MIN_NS;
	else if (was_up || link->next_address == NULL) {
		remote_connect_rewind(link);
		pause_ns = with_jitter(link, link->pause_ns);
		link->pause_ns = MIN(2 * link->pause_ns, PAUSE_MAX_NS);
	}
	link->has_served = false;
	remote_state_enter(link, REMOTE_DOWN, pause_ns);
	if (was_up)
		link->ops->went_down(link->ctx);
}

/* ---- running */

static int secure(struct remote_link *link)
{
	int err = channel_handshake(&link->stream.channel);

	if (err == -EAGAIN)
		return err;
	if (err != 0)
		return remote_state_blame(link, err, "%s",
					  link->stream.channel.reason);
	remote_greeting_begin(link);
	return 0;
}

static int link_hear(struct remote_link *link)
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
		return remote_state_blame(link, -ECONNRESET,
					  "it closed the connection");
	if (s->channel.state == CHANNEL_BROKEN)
		return remote_state_blame(link, err, "%s", s->channel.reason);
	return remote_state_blame(link, err, "it does not speak this protocol");
}

/* One step.  Returns 0 (there may be more to do), -EAGAIN (not now), or -errno
 * (the connection is broken). */
static int link_step(struct remote_link *link)
{
	enum remote_state before = link->state;
	int err;

	switch (before) {
	case REMOTE_DOWN:
		return remote_state_is_overdue(link, clock_now_ns()) ?
			       remote_connect_begin(link) : -EAGAIN;
	case REMOTE_LOOKING:
		return remote_connect_look(link);
	case REMOTE_CONNECTING:
		err = remote_connect_go_on(link);
		break;
	case REMOTE_SECURING:
		err = secure(link);
		break;
	default:
		/* link->error has the reason.  It may be EAGAIN, from an Error
		 * message, so do not return it. */
		if (link_hear(link) != 0)
			return -ECONNRESET;
		err = link->state == before ? -EAGAIN : 0;
		break;
	}
	if (err == -EAGAIN && remote_state_is_overdue(link, clock_now_ns()))
		return remote_state_blame(link, -ETIMEDOUT, "no answer for "
					  "%u ms", (unsigned)(link->timeout_ns /
							      MS_NS));
	return err;
}

void remote_link_transmit(struct remote_link *link)
{
	int err = 0;

	while (link->state >= REMOTE_GREETING && err == 0) {
		if (link->state == REMOTE_UP && !link->is_leaving)
			link->ops->fill(link->ctx);
		if (remote_stream_pending(&link->stream) == 0)
			break;
		err = remote_stream_send(&link->stream);
	}
	if (err != 0 && err != -EAGAIN) {
		remote_state_blame(link, err, "%s",
				   link->stream.channel.reason);
		link_go_down(link);
	}
}

void remote_link_run(struct remote_link *link)
{
	int err;

	remote_connect_adopt(link);
	for (;;) {
		err = link_step(link);
		if (err == -EAGAIN)
			break;
		if (err != 0)
			link_go_down(link);
		else
			remote_link_transmit(link);
	}
	remote_link_transmit(link);
	remote_state_check(link);
}

int remote_link_connect(struct remote_link *link)
{
	uint64_t until_ns = clock_now_ns() + link->timeout_ns;

	for (;;) {
		remote_link_run(link);
		remote_wait_settle(link, false);
		if (link->state == REMOTE_UP)
			return 0;
		if (link->state == REMOTE_DOWN)
			return link->error;
		if (clock_now_ns() >= until_ns)
			return remote_state_blame(link, -ETIMEDOUT, "%s",
						  strerror(ETIMEDOUT));
		remote_wait_until(link, until_ns);
	}
}

/* Returns 0 if the connection may stay. */
static int link_verify(struct remote_link *link)
{
	char reason[CHANNEL_REASON_BYTES];
	int err;

	if (link->state < REMOTE_GREETING)
		return remote_state_blame(link, -ECONNRESET, "the certificates "
					  "here were renewed meanwhile");
	err = channel_verify(&link->stream.channel, link->tls, reason);
	return err == 0 ? 0 : remote_state_blame(link, err, "%s", reason);
}

void remote_link_renew(struct remote_link *link, struct channel_context *tls)
{
	link->tls = tls;
	if (link->stream.is_open && link_verify(link) != 0)
		link_go_down(link);
	if (link->state != REMOTE_DOWN)
		return;
	remote_connect_rewind(link);
	link->pause_ns = PAUSE_MIN_NS;
	remote_state_enter(link, REMOTE_DOWN, 0);
}

/* Wait for any answer to STORE_CLOSE: the server has read the message then. */
void remote_link_say_goodbye(struct remote_link *link)
{
	uint64_t until_ns = clock_now_ns() + GOODBYE_NS;
	bool is_said = false;

	link->is_leaving = true;
	link->wake_ns = 0;	/* nothing more will be asked */
	while (link->state == REMOTE_UP && clock_now_ns() < until_ns) {
		if (!is_said && remote_link_has_room(link)) {
			remote_stream_put(&link->stream, TYPE(STORE_CLOSE),
					  UINT64_MAX, NULL, 0);
			is_said = true;
		}
		remote_link_transmit(link);
		remote_wait_settle(link, false);
		remote_wait_until(link, until_ns);
		if (link->state == REMOTE_UP && link_hear(link) != 0)
			break;
	}
}

bool remote_link_has_room(const struct remote_link *link)
{
	return link->state == REMOTE_UP &&
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
