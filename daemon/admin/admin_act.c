/* SPDX-License-Identifier: MIT */
/* Requests that change something, or that continue for a while. */
#include "daemon/admin/admin.h"
#include "daemon/net/conn_output.h"
#include "daemon/admin/admin_messages.h"
#include "daemon/serve/session.h"
#include "daemon/serve/whom.h"

#include "common/log.h"
#include <errno.h>
#include <string.h>

void handle_trace(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const Memd__TraceRequest *request = message;
	const struct whom whom = { (pid_t)request->pid, request->session };
	int err;

	if (!sessions_check_whom(&ad->serve->sessions, c, id, &whom))
		return;
	desks_count(&ad->serve->desks);
	err = trace_subscribe(&ad->serve->trace, &c->session->tracing, c,
			      &whom);
	if (err != 0)
		conn_send_error(c, id, err, "no memory for the trace");
	else
		conn_send_ok(c, id);
}

void handle_evict(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const Memd__EvictRequest *request = message;
	const struct whom whom = { (pid_t)request->pid, request->session };

	if (!sessions_check_whom(&ad->serve->sessions, c, id, &whom))
		return;
	if (evictor_start(&ad->serve->evictor, c, id, &whom,
			  request->bytes) != 0)
		conn_send_error(c, id, -EBUSY, "an eviction is under way "
				"already; try again when it has ended");
	else
		log_event(LOG_LEVEL_NOTICE, "evict",
			  "by_uid=%u pid=%d session=%u bytes=%llu",
			  c->peer.uid, whom.pid, whom.session,
			  (unsigned long long)request->bytes);
}

void handle_replay(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const Memd__ReplayRequest *request = message;
	const struct segment *segment;
	int err;

	if (request->n_range == 0 || request->n_range > WIRE_RANGES_MAX) {
		conn_refuse(c, id, -EPROTO, "Replay has %zu ranges; 1 to %d "
			    "are allowed", request->n_range, WIRE_RANGES_MAX);
		return;
	}
	segment = segments_find_name(&ad->serve->segments, request->name);
	if (segment == NULL) {
		conn_send_error(c, id, -ENOENT, "no segment has this name; "
				"see `memctl segments`");
		return;
	}
	err = replay_start(&ad->serve->replays, segment, request->range,
			   request->n_range, c, id);
	if (err != 0)
		conn_send_error(c, id, err, err == -EBUSY ?
				"too many replays are in progress; try again "
				"later" : "no memory");
}

/* ---- limits */

static unsigned count_sessions(const struct sessions *sessions,
			       const struct whom *whom)
{
	const struct session *s;
	unsigned count = 0;

	TAILQ_FOREACH(s, &sessions->list, link)
		count += session_is(s, whom);
	return count;
}

/* The one session that is meant.  NULL: the request has been answered. */
static struct session *find_one(struct admin *ad, struct conn *c, uint64_t id,
				const struct whom *whom)
{
	unsigned count;

	if (!sessions_check_whom(&ad->serve->sessions, c, id, whom))
		return NULL;
	count = count_sessions(&ad->serve->sessions, whom);
	if (count > 1) {
		conn_send_error(c, id, -EINVAL, "pid %d has %u sessions: name "
				"one of them, which `memctl ps --long` shows",
				whom->pid, count);
		return NULL;
	}
	return whom->session != 0 ?
		sessions_find(&ad->serve->sessions, whom->session) :
		sessions_find_pid(&ad->serve->sessions, whom->pid);
}

/* Find the account that is meant; held for the caller.  On error the request
 * has been answered. */
static int find_account(struct admin *ad, struct conn *c, uint64_t id,
			const Memd__Limit *limit, struct account **ret_account)
{
	const struct whom whom = { (pid_t)limit->pid, limit->session };
	bool has_session = !whom_is_everybody(&whom);
	const struct session *s;
	int err;

	if (has_session == (bool)limit->has_uid) {
		conn_send_error(c, id, -EINVAL, "give either a uid, or a "
				"session or pid");
		return -EINVAL;
	}
	if (!has_session) {
		err = accounts_get_uid(&ad->serve->accounts, limit->uid,
				       ret_account);
		if (err != 0)
			conn_send_error(c, id, err, "no account for uid %u: "
					"%s", limit->uid, strerror(-err));
		return err;
	}
	s = find_one(ad, c, id, &whom);
	if (s == NULL)
		return -ESRCH;
	if (s->main->peer.is_remote) {
		conn_send_error(c, id, -EINVAL, "session %u is of another "
				"host: what it keeps here is charged to its "
				"user; set the limit of uid %u", s->id,
				s->main->peer.uid);
		return -EINVAL;
	}
	account_hold(s->account);
	*ret_account = s->account;
	return 0;
}

/* A limit that the message does not mention stays as it is. */
static int set_limit(struct admin *ad, struct account *account,
		     const Memd__Limit *limit)
{
	if (limit->reset) {
		account_reset_limit(&ad->serve->accounts, account);
		return 0;
	}
	return account_set_limit(&ad->serve->accounts, account,
				 limit->has_frames ? limit->frames :
						     account->frames,
				 limit->has_mapped_bytes ?
					limit->mapped_bytes :
					account->mapped_bytes);
}

static bool check_limit(struct conn *c, uint64_t id, const Memd__Limit *limit)
{
	bool has_value = limit->has_frames || limit->has_mapped_bytes;

	if (limit->reset && has_value)
		conn_send_error(c, id, -EINVAL, "give limits, or reset them");
	else if (limit->frames > UINT32_MAX ||
		 limit->mapped_bytes > SEGMENT_BYTES_MAX)
		conn_send_error(c, id, -EINVAL, "a limit is at most %u frames "
				"and 16 TiB", UINT32_MAX);
	else
		return true;
	return false;
}

void handle_limit_set(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const Memd__Limit *limit = message;
	struct account *account;
	int err;

	if (!check_limit(c, id, limit) ||
	    find_account(ad, c, id, limit, &account) != 0)
		return;
	err = set_limit(ad, account, limit);
	if (err != 0) {
		conn_send_error(c, id, err, "too many users have limits of "
				"their own; take some back (memctl limit set "
				"--default), or set uid_frames in memd.conf");
	} else {
		log_event(LOG_LEVEL_NOTICE, "limit",
			  "by_uid=%u uid=%u session=%u frames=%llu "
			  "mapped=%llu source=%s", c->peer.uid, account->uid,
			  account->session,
			  (unsigned long long)account->frames,
			  (unsigned long long)account->mapped_bytes,
			  limit_source_name(account->source));
		conn_send_ok(c, id);
	}
	account_put(&ad->serve->accounts, account);
	engine_wake(ad->engine);
}

/* ---- ending sessions */

/* NULL: the request has been answered. */
static struct session *find_victim(struct admin *ad, struct conn *c,
				   uint64_t id, const struct whom *whom)
{
	struct session *s;

	if (whom_is_everybody(whom)) {
		conn_send_error(c, id, -EINVAL, "give a session or a pid");
		return NULL;
	}
	s = find_one(ad, c, id, whom);
	if (s != NULL && s == c->session) {
		conn_send_error(c, id, -EINVAL, "session %u is the one that "
				"asks: name another one", s->id);
		return NULL;
	}
	return s;
}

static void reply_disconnected(struct conn *c, uint64_t id,
			       const struct session *s)
{
	Memd__DisconnectReply reply = MEMD__DISCONNECT_REPLY__INIT;

	reply.session = s->id;
	reply.pid = (uint32_t)s->main->peer.pid;
	reply.uid = s->main->peer.uid;
	reply.command = (char *)s->command;
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_DISCONNECT_REPLY, id,
		  &reply.base);
}

void handle_disconnect(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const Memd__Disconnect *request = message;
	const struct whom whom = { (pid_t)request->pid, request->session };
	struct session *s = find_victim(ad, c, id, &whom);

	if (s == NULL)
		return;
	log_event(LOG_LEVEL_NOTICE, "disconnect",
		  "by_uid=%u by_session=%u session=%u pid=%d uid=%u "
		  "command=\"%s\"", c->peer.uid, c->session->id, s->id,
		  s->main->peer.pid, s->main->peer.uid, s->command);
	reply_disconnected(c, id, s);
	conn_refuse(s->main, 0, -ECONNABORTED, "uid %u has ended this session "
		    "with `memctl disconnect`", c->peer.uid);
}

/* ---- dropping what is kept for another host */

void handle_guest_drop(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct admin *ad = room;
	const Memd__GuestDrop *request = message;
	struct guest *guest = guests_find(ad->guests, request->guest);
	int err;

	if (guest == NULL) {
		conn_send_error(c, id, -ENOENT, "no guest %u is here; see "
				"`memctl guests`", request->guest);
		return;
	}
	log_event(LOG_LEVEL_NOTICE, "guest-drop",
		  "by_uid=%u by_session=%u guest=%u host=%s certificate=\"%s\" "
		  "uid=%u pages=%llu", c->peer.uid, c->session->id, guest->id,
		  guest->host, guest->printable_name, guest->uid,
		  (unsigned long long)guest_page_count(guest));
	err = guests_drop(guest, c, id);
	if (err != 0)
		conn_send_error(c, id, err, "too many requests wait; try "
				"again");
}
