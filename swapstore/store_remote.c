/* SPDX-License-Identifier: MIT */
/* The swap store on another host, as its owner sees it: requests in, results
 * out.  The messages are in remote_exchange.c, the connection in remote_link.c,
 * the write-behind buffer in remote_behind.c. */
#include "swapstore/store_remote.h"

#include "common/bitmap.h"
#include "common/clock.h"
#include "swapstore/remote_exchange.h"
#include "swapstore/remote_link.h"
#include "swapstore/remote_wait.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BEHIND_BYTES_DEFAULT = 16 * 1024 * 1024,
	DEPTH_DEFAULT = 128, DEPTH_MAX = 4096,
};

#define TIMEOUT_NS_DEFAULT	UINT64_C(5000000000)
#define DISCARD_DELAY_NS	UINT64_C(10000000)

/* ---- ops */

/* Set what to wait for.  If the stream has no room, the socket wakes the owner;
 * otherwise the time when something is due. */
static void remote_settle(struct store_remote *sr)
{
	sr->link.wake_ns = 0;
	if (remote_link_has_room(&sr->link))
		sr->link.wake_ns = sr->hold_ns != 0 ? sr->hold_ns :
						      sr->discard_ns;
	remote_wait_settle(&sr->link,
			   !TAILQ_EMPTY(&sr->requests_in[REQUEST_DONE]));
}

/* A mirror's store refuses a write that it cannot take at once. */
static bool remote_is_refused(const struct store_remote *sr,
			      const struct swap_io *io)
{
	return sr->is_mirrored && io->is_write &&
	       (!TAILQ_EMPTY(&sr->requests_in[REQUEST_ADMITTING]) ||
		sr->behind.cell_count - sr->behind.used_count <
			io->slot_count);
}

static int remote_submit(struct swapstore *st, const struct swap_io *io)
{
	struct store_remote *sr = (struct store_remote *)st;
	struct remote_request *rq = TAILQ_FIRST(&sr->requests_in[REQUEST_FREE]);

	if (rq == NULL || remote_is_refused(sr, io))
		return -EAGAIN;
	rq->io = *io;
	rq->at = 0;
	rq->result = 0;
	if (sr->is_mirrored && io->is_write) {
		remote_request_enter(sr, rq, REQUEST_ADMITTING);
		remote_exchange_admit(sr);
		/* the next flush sends it */
		sr->is_admitted = true;
	} else {
		remote_request_enter(sr, rq, REQUEST_STAGED);
	}
	return 0;
}

static int remote_flush(struct swapstore *st)
{
	struct store_remote *sr = (struct store_remote *)st;
	struct remote_requests *staged = &sr->requests_in[REQUEST_STAGED];
	struct remote_request *rq;

	if (TAILQ_EMPTY(staged) && !sr->is_admitted)
		return 0;
	sr->is_admitted = false;
	while ((rq = TAILQ_FIRST(staged)) != NULL) {
		if (rq->io.is_write)
			remote_request_enter(sr, rq, REQUEST_ADMITTING);
		else
			remote_exchange_read(sr, rq);
	}
	if (sr->is_mirrored && sr->link.state != REMOTE_UP)
		remote_exchange_fail_reads(sr);
	remote_exchange_admit(sr);
	remote_link_transmit(&sr->link);
	remote_settle(sr);
	return 0;
}

static unsigned remote_reap(struct swapstore *st, struct swap_done *done,
			    unsigned max)
{
	struct store_remote *sr = (struct store_remote *)st;
	struct remote_request *rq;
	unsigned count = 0;

	remote_link_run(&sr->link);
	while (count < max &&
	       (rq = TAILQ_FIRST(&sr->requests_in[REQUEST_DONE])) != NULL) {
		remote_request_enter(sr, rq, REQUEST_FREE);
		done[count++] = swap_io_done(&rq->io, rq->result);
	}
	remote_settle(sr);
	return count;
}

static int remote_event_fd(struct swapstore *st)
{
	return ((struct store_remote *)st)->link.epoll_fd;
}

/* Add the run to the last one if it touches that. */
static void add_discard(struct store_remote *sr, uint32_t slot, uint32_t count)
{
	Memd__Range *last = sr->discard_count == 0 ? NULL :
			    &sr->discards[sr->discard_count - 1];

	if (last != NULL && last->first + last->count == slot) {
		last->count += count;
	} else if (last != NULL && slot + (uint64_t)count == last->first) {
		last->first = slot;
		last->count += count;
	} else if (sr->discard_count < WIRE_RANGES_MAX) {
		last = &sr->discards[sr->discard_count++];
		last->first = slot;
		last->count = count;
	}
}

/* Discards are sent a little later, together.  If there are too many, some are
 * left out; the server then keeps bytes that nobody will read. */
static void remote_discard(struct swapstore *st, uint32_t slot, uint32_t count)
{
	struct store_remote *sr = (struct store_remote *)st;

	for (uint32_t i = 0; i < count; i++) {
		behind_drop(&sr->behind, slot + i);
		bitmap_clear(sr->kept, slot + i);
		bitmap_clear(sr->lost, slot + i);
	}
	if (sr->discard_count == WIRE_RANGES_MAX)
		remote_link_transmit(&sr->link);
	add_discard(sr, slot, count);
	if (sr->discard_ns == 0) {
		sr->discard_ns = clock_now_ns() + DISCARD_DELAY_NS;
		remote_settle(sr);
	}
}

static bool remote_has_lost(const struct swapstore *st, uint32_t slot)
{
	return bitmap_test(((const struct store_remote *)st)->lost, slot);
}

static void remote_destroy(struct swapstore *st)
{
	struct store_remote *sr = (struct store_remote *)st;

	if (sr->link.state == REMOTE_UP)
		remote_link_say_goodbye(&sr->link);
	remote_link_fini(&sr->link);
	behind_fini(&sr->behind);
	free(sr->lost);
	free(sr->kept);
	remote_requests_fini(sr);
	free(sr);
}

static const struct swapstore_ops remote_ops = {
	.name = "remote",
	.submit = remote_submit,
	.flush = remote_flush,
	.reap = remote_reap,
	.event_fd = remote_event_fd,
	.discard = remote_discard,
	.has_lost = remote_has_lost,
	.destroy = remote_destroy,
};

/* ---- status */

bool store_is_remote(const struct swapstore *st)
{
	return st->ops == &remote_ops;
}

static uint64_t rtt_ns(const struct store_remote *sr)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (sr->link.state != REMOTE_UP ||
	    getsockopt(sr->link.stream.channel.fd, IPPROTO_TCP, TCP_INFO,
		       &info, &length) != 0)
		return 0;
	return (uint64_t)info.tcpi_rtt * 1000;
}

void store_remote_status_get(const struct swapstore *st,
			     struct store_remote_status *ret_status)
{
	const struct store_remote *sr = (const struct store_remote *)st;
	const struct remote_link *link = &sr->link;
	bool is_up = link->state == REMOTE_UP;

	ASSERT(store_is_remote(st));
	*ret_status = (struct store_remote_status){
		.is_up = is_up,
		.down_ns = is_up ? 0 : clock_now_ns() - link->down_since_ns,
		.rtt_ns = rtt_ns(sr),
		.sent_bytes = link->stream.sent_bytes,
		.received_bytes = link->stream.received_bytes,
		.reconnects = link->reconnects,
		.epoch = link->epoch,
		.lost_slots = sr->lost_slots,
		.behind_bytes = (uint64_t)sr->behind.used_count *
				SWAP_SLOT_BYTES,
		.behind_max_bytes = (uint64_t)sr->behind.cell_count *
				    SWAP_SLOT_BYTES,
		.waiting = (uint64_t)st->in_flight + sr->writes_sent,
	};
	snprintf(ret_status->address, sizeof(ret_status->address), "%s",
		 link->address.text);
	if (!is_up)
		snprintf(ret_status->reason, sizeof(ret_status->reason), "%s",
			 link->reason);
}

void store_remote_renew(struct swapstore *st, struct channel_context *tls)
{
	struct store_remote *sr = (struct store_remote *)st;

	ASSERT(store_is_remote(st));
	remote_link_renew(&sr->link, tls);
	remote_settle(sr);
}

bool store_remote_is_up(const struct swapstore *st)
{
	ASSERT(store_is_remote(st));
	return ((const struct store_remote *)st)->link.state == REMOTE_UP;
}

uint64_t store_remote_epoch(const struct swapstore *st)
{
	ASSERT(store_is_remote(st));
	return ((const struct store_remote *)st)->link.epoch;
}

bool store_remote_has(const struct swapstore *st, uint32_t slot)
{
	const struct store_remote *sr = (const struct store_remote *)st;

	ASSERT(store_is_remote(st));
	return bitmap_test(sr->kept, slot) ||
	       behind_find(&sr->behind, slot) != NULL;
}

/* ---- making a store */

static int remote_make_tables(struct store_remote *sr)
{
	size_t words = BITMAP_WORDS((size_t)sr->base.slot_count);

	sr->kept = calloc(words, sizeof(*sr->kept));
	sr->lost = calloc(words, sizeof(*sr->lost));
	if (sr->kept == NULL || sr->lost == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < WIRE_RANGES_MAX; i++) {
		memd__range__init(&sr->discards[i]);
		sr->discard_at[i] = &sr->discards[i];
	}
	return remote_requests_init(sr);
}

static struct store_remote *remote_allocate(uint32_t slot_count, uint32_t depth)
{
	struct store_remote *sr = calloc(1, sizeof(*sr));

	if (sr == NULL)
		return NULL;
	sr->base.ops = &remote_ops;
	sr->base.slot_count = slot_count;
	sr->base.queue_depth = depth;
	sr->depth = depth;
	sr->link.epoll_fd = sr->link.timer_fd = sr->link.ready_fd = -1;
	return sr;
}

/* Turn `err` into an error that store_remote_create() promises, and a reason
 * that says what to do.  The text of the other memd comes last, because its
 * advice is for that host. */
static int remote_explain(const struct store_remote *sr, int err,
			  char *ret_reason, size_t reason_size)
{
	const char *address = sr->link.address.text, *why = sr->link.reason;

	switch (-err) {
	case ECONNREFUSED:
	case ECONNRESET:
		snprintf(ret_reason, reason_size, "cannot reach a memd at %s: "
			 "%s; start it with listen_tcp, or check the port",
			 address, why);
		return -ECONNREFUSED;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		snprintf(ret_reason, reason_size, "cannot reach a memd at %s: "
			 "%s; check the address, and the firewalls between",
			 address, why);
		return err == -ETIMEDOUT ? err : -EHOSTUNREACH;
	case EACCES:
	case EPERM:
		snprintf(ret_reason, reason_size, "memd at %s refuses "
			 "(check certificates and limits): %s", address, why);
		return -EACCES;
	case EDQUOT:
	case ENOSPC:
	case ENOMEM:
		snprintf(ret_reason, reason_size, "memd at %s has no room "
			 "(ask for less, with a smaller swap_size here, or "
			 "raise its limits): %s", address, why);
		return err;
	case EAGAIN:
	case EBUSY:
		snprintf(ret_reason, reason_size, "memd at %s is busy (try "
			 "again): %s", address, why);
		return -ECONNREFUSED;
	default:
		snprintf(ret_reason, reason_size, "memd at %s: %s; check that "
			 "it is one, of the same version", address, why);
		return -EPROTO;
	}
}

/* True if there is no memd there; false if there is one, which refuses. */
static bool is_away(int err)
{
	return err == -ECONNREFUSED || err == -EHOSTUNREACH ||
	       err == -ETIMEDOUT;
}

static int connect_first(struct store_remote *sr,
			 const struct store_remote_options *options,
			 struct remote_address *address, char *ret_reason,
			 size_t reason_size)
{
	struct remote_link_options link = {
		.tls = options->tls,
		.command = options->command != NULL ? options->command :
						      "memd",
		.slot_count = options->slot_count,
		.timeout_ns = options->timeout_ns != 0 ? options->timeout_ns :
							 TIMEOUT_NS_DEFAULT,
	};
	int err = remote_link_init(&sr->link, &link, address,
				   &remote_exchange_ops, sr);

	if (err != 0) {
		snprintf(ret_reason, reason_size, "%s", strerror(-err));
		return -ENOMEM;
	}
	err = remote_link_connect(&sr->link);
	if (err != 0)
		err = remote_explain(sr, err, ret_reason, reason_size);
	return options->may_be_away && is_away(err) ? 0 : err;
}

int store_remote_create(const struct store_remote_options *options,
			struct swapstore **ret_store, char *ret_reason,
			size_t reason_size)
{
	uint32_t depth = options->queue_depth != 0 ? options->queue_depth :
						     DEPTH_DEFAULT;
	size_t bytes = options->write_behind_bytes != 0 ?
		       options->write_behind_bytes : BEHIND_BYTES_DEFAULT;
	struct remote_address address = { 0 };
	struct store_remote *sr;
	int err;

	if (reason_size != 0)
		ret_reason[0] = '\0';
	if (options->slot_count == 0 || depth > DEPTH_MAX) {
		snprintf(ret_reason, reason_size, "a store of %u slots with "
			 "%u requests at once; 1 to %u are possible",
			 options->slot_count, depth, DEPTH_MAX);
		return -EINVAL;
	}
	sr = remote_allocate(options->slot_count, depth);
	err = sr == NULL ? -ENOMEM : remote_make_tables(sr);
	if (err == 0)
		err = behind_init(&sr->behind, bytes);
	if (err != 0) {
		snprintf(ret_reason, reason_size, "a write-behind buffer of "
			 "%zu bytes: %s", bytes, strerror(-err));
		goto fail;
	}
	err = remote_address_parse(&address, options->address, ret_reason,
				   reason_size);
	if (err == 0)
		err = connect_first(sr, options, &address, ret_reason,
				    reason_size);
	if (err != 0)
		goto fail;
	sr->is_mirrored = options->is_mirrored;
	remote_settle(sr);
	*ret_store = &sr->base;
	return 0;
fail:
	remote_address_fini(&address);
	if (sr != NULL)
		remote_destroy(&sr->base);
	return err;
}
