/* SPDX-License-Identifier: MIT */
#include "daemon/stop.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/net/listening.h"
#include "daemon/net/conn_output.h"
#include "daemon/parts.h"
#include "daemon/system/notify.h"
#include "daemon/turn.h"
#include <errno.h>

static void dismiss_all(struct conn_list *list)
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		conn_refuse(c, 0, -ESHUTDOWN, "memd is stopping");
	}
}

void stop_begin(struct daemon *d, const char *why)
{
	if (d->is_stopping) {
		log_event(LOG_LEVEL_NOTICE, "stop-hurried", "signal=%s", why);
		d->is_hurried = true;
		turn_settle(d);
		return;
	}
	log_event(LOG_LEVEL_NOTICE, "stopping",
		  "signal=%s sessions=%u segments=%u", why,
		  d->serve.sessions.count, d->serve.segments.count);
	notify_send_surely("STOPPING=1\nSTATUS=Stopping");
	d->is_stopping = true;
	keeper_release_pins(&d->keeper);
	d->stop_by_ns = clock_now_ns() +
			d->settings.config.stop_timeout * 1000000;
	tcp_opening_end(&d->tcp_opening);
	server_stop_listening(&d->server);
	dismiss_all(&d->server.conns.list[CONN_NEW]);
	dismiss_all(&d->server.conns.list[CONN_MAIN]);
	guests_end(&d->guests);
	serve_stop(&d->serve);
	turn_settle(d);
}
