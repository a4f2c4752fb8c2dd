/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guest_due.h"

#include "common/checks.h"
#include "daemon/net/conn.h"
#include <errno.h>

enum { RETRY_MS = 10 };

void guest_due_add(struct guest *guest)
{
	if (guest->is_due || guest->is_starved)
		return;
	guest->is_due = true;
	guest->guests->is_full = false;
	TAILQ_INSERT_TAIL(&guest->guests->due, guest, due_link);
}

void guest_due_remove(struct guests *gs, struct guest *guest)
{
	TAILQ_REMOVE(&gs->due, guest, due_link);
	guest->is_due = false;
}

/* ---- waiting for pins */

static void on_guest_retry(evutil_socket_t fd, short what, void *arg)
{
	struct guests *gs = arg;
	struct guest *guest;

	(void)fd;
	(void)what;
	while ((guest = TAILQ_FIRST(&gs->starved)) != NULL) {
		TAILQ_REMOVE(&gs->starved, guest, due_link);
		guest->is_starved = false;
		guest_due_add(guest);
	}
	gs->conns->ops->settle(gs->conns->ctx);
}

static int make_retry(struct guests *gs)
{
	if (gs->has_retry)
		return 0;
	if (event_assign(&gs->retry, gs->conns->base, -1, 0, on_guest_retry,
			 gs) != 0)
		return -ENOMEM;
	(void)event_priority_set(&gs->retry, PRIORITY_ADMIN);
	gs->has_retry = true;
	return 0;
}

/* If there is no timer to wake the guest, it tries again at once. */
void guest_due_starve(struct guest *guest)
{
	const struct timeval delay = { .tv_usec = RETRY_MS * 1000 };
	struct guests *gs = guest->guests;

	if (guest->is_starved || make_retry(gs) != 0 ||
	    (!event_pending(&gs->retry, EV_TIMEOUT, NULL) &&
	     event_add(&gs->retry, &delay) != 0))
		return;
	if (guest->is_due)
		guest_due_remove(gs, guest);
	guest->is_starved = true;
	TAILQ_INSERT_TAIL(&gs->starved, guest, due_link);
}

void guest_due_fini(struct guests *gs)
{
	if (gs->has_retry)
		(void)event_del(&gs->retry);
}
