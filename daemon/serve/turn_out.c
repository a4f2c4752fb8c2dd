/* SPDX-License-Identifier: MIT */
#include "daemon/serve/turn_out.h"

#include "common/log.h"
#include "daemon/net/admins.h"
#include "daemon/net/conn_output.h"
#include "daemon/net/remote.h"
#include "daemon/serve/serve.h"
#include "daemon/system/system.h"
#include <errno.h>

/* Whether the new configuration or the new certificates refuse this session.
 * If so, ret_reason says why. */
static bool is_turned_out(struct serve *sv, const struct conn *c,
			  char *ret_reason, size_t reason_size)
{
	struct peer again = c->peer;
	int err;

	if (channel_verify(c->channel, sv->server->tls, ret_reason) == -EACCES)
		return true;
	err = remote_identify(sv->config, c->channel, &again, ret_reason,
			      reason_size);
	/* If the user name is still being looked up, the session stays for
	 * now. */
	sv->sessions.must_look_again |= err == -EAGAIN;
	return err != 0 && err != -EAGAIN;
}

/* The pages that the session has stored here stay for guest_keep: with a new
 * certificate of the same name, the host may connect again. */
static void turn_out(struct conn *c, const char *reason)
{
	char name[PEER_NAME_BYTES];

	log_event(LOG_LEVEL_WARNING, "guest-turned-out",
		  "session=%u host=%s certificate=\"%s\" reason=\"%s\"",
		  c->session->id, c->peer.host,
		  system_printable(c->peer.name, name, sizeof(name)), reason);
	conn_refuse(c, 0, -EACCES, "not let in any more: %s", reason);
}

/* Connections in state NEW are skipped: they are checked at Hello. */
void sessions_look_again(struct serve *sv)
{
	char reason[REMOTE_REASON_BYTES];
	struct conn *c, *next;

	sv->sessions.must_look_again = false;
	for (c = TAILQ_FIRST(&sv->server->conns.list[CONN_MAIN]); c != NULL;
	     c = next) {
		next = TAILQ_NEXT(c, link);
		if (!c->peer.is_remote)
			continue;
		c->is_admin = admins_have(sv->admins, &c->peer);
		if (is_turned_out(sv, c, reason, sizeof(reason)))
			turn_out(c, reason);
	}
}
