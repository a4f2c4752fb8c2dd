/* SPDX-License-Identifier: MIT */
#include "daemon/serve/whom.h"

#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"
#include <errno.h>

bool whom_is(const struct whom *whom, pid_t pid, uint32_t session)
{
	if (whom->session != 0)
		return whom->session == session;
	return whom->pid == 0 || whom->pid == pid;
}

bool whom_is_session(const struct whom *whom, const struct session *s)
{
	return whom_is(whom, s->main->peer.pid, s->id);
}

bool whom_check(struct daemon *d, struct conn *c, uint64_t id,
		const struct whom *whom)
{
	if (whom_is_everybody(whom))
		return true;
	if (whom->session != 0 &&
	    sessions_find(&d->sessions, whom->session) != NULL)
		return true;
	if (whom->session == 0 && sessions_find_pid(&d->sessions, whom->pid))
		return true;
	if (whom->session != 0)
		conn_send_error(c, id, -ESRCH, "no session %u is connected; "
				"see `memctl ps`", whom->session);
	else
		conn_send_error(c, id, -ESRCH, "no program with pid %d is "
				"connected; see `memctl ps`", whom->pid);
	return false;
}
