/* SPDX-License-Identifier: MIT */
/* Hello, Mailbox, Ring, Userfaultfd, Goodbye and the statistics of a
 * session. */
#include "daemon/net/conn_descriptors.h"
#include "daemon/net/admins.h"
#include "daemon/serve/serve.h"
#include "daemon/net/conn_input.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/serve_messages.h"
#include "daemon/serve/session_group.h"
#include "daemon/net/remote.h"
#include "daemon/system/system.h"

#include "common/log.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Extra sessions for administrators when max_sessions is reached. */
	ADMIN_RESERVE = 16,
	CAPABILITIES = MEMD__CAPABILITY__CAP_FAULT_THREAD |
		       MEMD__CAPABILITY__CAP_FAULT_INLINE |
		       MEMD__CAPABILITY__CAP_POISON |
		       MEMD__CAPABILITY__CAP_READY |
		       MEMD__CAPABILITY__CAP_BELL,
};

static void refuse_hello(struct conn *c, uint64_t id, int err,
			 const char *text)
{
	c->all->stats->sessions_refused++;
	conn_refuse(c, id, err, "%s", text);
}

static bool check_version(struct conn *c, uint64_t id, uint32_t version_major,
			  uint32_t version_minor)
{
	if (version_major == WIRE_VERSION_MAJOR)
		return true;
	conn_refuse(c, id, -EPROTONOSUPPORT, "this memd speaks protocol "
		    "version %u.%u, you speak %u.%u; install the same version "
		    "on both sides", WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR,
		    version_major, version_minor);
	return false;
}

/* Sessions of this user.  Those from other hosts are counted separately, so
 * that they do not use up the places of programs on this host. */
static uint32_t sessions_of(const struct serve *sv, const struct peer *peer)
{
	const struct account *account = accounts_find_uid(&sv->accounts,
							  peer->uid);

	if (account == NULL)
		return 0;
	return peer->is_remote ? account->remote_session_count :
				 account->session_count -
					 account->remote_session_count;
}

/* All other hosts together may have half of max_sessions. */
static bool are_too_many_hosts(const struct serve *sv, const struct peer *peer)
{
	return peer->is_remote &&
	       sv->sessions.remote_count >=
			MAX(sv->config->max_sessions / 2, 1u);
}

static bool check_room(struct serve *sv, struct conn *c, uint64_t id,
		       bool is_admin_only)
{
	uint64_t most = sv->config->max_sessions;
	bool is_admin = is_admin_only && admins_have(sv->admins, &c->peer);
	char text[256];

	if (!is_admin && are_too_many_hosts(sv, &c->peer)) {
		refuse_hello(c, id, -EAGAIN, "programs of other hosts have "
			     "half of max_sessions, which is all they may "
			     "have; try again later");
		return false;
	}
	if (sv->sessions.count >= most + (is_admin ? ADMIN_RESERVE : 0)) {
		snprintf(text, sizeof(text), "%u programs are connected, as "
			 "many as max_sessions allows; try again later",
			 sv->sessions.count);
		refuse_hello(c, id, -EAGAIN, text);
		return false;
	}
	if (!is_admin &&
	    sessions_of(sv, &c->peer) >= sv->config->uid_sessions) {
		snprintf(text, sizeof(text), "%u programs of uid %u are "
			 "connected, as many as uid_sessions allows",
			 sessions_of(sv, &c->peer), c->peer.uid);
		refuse_hello(c, id, -EAGAIN, text);
		return false;
	}
	return true;
}

/* Identify a peer on another host.  With TLS it has a certificate of our CA, so
 * it may be told the exact reason of a refusal. */
static bool check_remote(struct serve *sv, struct conn *c, uint64_t id,
			 bool is_admin_only)
{
	char reason[REMOTE_REASON_BYTES];
	int err;

	if (!c->peer.is_remote)
		return true;
	/* A reload may have replaced the certificates since the handshake. */
	err = channel_verify(c->channel, sv->server->tls, reason);
	if (err == 0)
		err = remote_identify(sv->config, c->channel, &c->peer,
				      reason, sizeof(reason));
	if (err == 0)
		return true;
	if (err == -EAGAIN) {
		conn_repeat(c);
		return false;
	}
	remote_refused(&sv->server->conns, &c->peer, reason);
	if (is_admin_only && c->peer.name[0] != '\0' &&
	    !admins_have(sv->admins, &c->peer))
		remote_explain_no_admin(&c->peer, reason, sizeof(reason));
	conn_refuse(c, id, -EACCES, "%s", reason);
	return false;
}

/* memd serves the user it runs as, also if that is nobody.  But in some user
 * namespaces uid 65534 stands for all unknown users; then allow_nobody
 * decides. */
static bool serves_nobody(const struct serve *sv)
{
	return strcmp(sv->config->allow_nobody, "yes") == 0 ||
	       (geteuid() == PEER_NOBODY && system_knows_all_users());
}

static bool check_peer(struct serve *sv, struct conn *c, uint64_t id)
{
	if (sv->is_stopping) {
		refuse_hello(c, id, -ESHUTDOWN, "memd is stopping");
		return false;
	}
	if (c->peer.uid == PEER_NOBODY && !serves_nobody(sv)) {
		refuse_hello(c, id, -EACCES, "uid 65534 (nobody, or a user "
			     "this user namespace does not know) is not "
			     "served; set allow_nobody = yes if it should be");
		return false;
	}
	return true;
}

/* An embedded memd serves only its own program; administrators may look. */
static bool check_inside(const struct serve *sv, struct conn *c, uint64_t id,
			 bool is_admin_only)
{
	if (!sv->is_embedded || c->peer.pid == getpid() ||
	    (is_admin_only && admins_have(sv->admins, &c->peer)))
		return true;
	refuse_hello(c, id, -EACCES, "this is the memory of another program");
	return false;
}

static uint64_t capabilities(const struct serve *sv, const struct session *s)
{
	uint64_t bits = s->main->peer.is_remote ?
		MEMD__CAPABILITY__CAP_STORE : CAPABILITIES;

	if (s->main->is_admin)
		bits |= MEMD__CAPABILITY__CAP_ADMIN;
	if (serve_has_mailboxes(sv) && !s->main->peer.is_remote)
		bits |= MEMD__CAPABILITY__CAP_MAILBOX;
	if (sv->keeper->is_on && !s->main->peer.is_remote)
		bits |= MEMD__CAPABILITY__CAP_USERFAULTFD;
	if (serve_is_one_sided(sv) && !s->main->peer.is_remote)
		bits |= MEMD__CAPABILITY__CAP_ONE_SIDED;
	return bits;
}

static void reply_hello(struct serve *sv, const struct session *s, uint64_t id)
{
	Memd__HelloReply reply = MEMD__HELLO_REPLY__INIT;

	reply.version_major = WIRE_VERSION_MAJOR;
	reply.version_minor = WIRE_VERSION_MINOR;
	reply.has_capabilities = true;
	reply.capabilities = capabilities(sv, s);
	reply.instance = sv->instance;
	reply.session = s->id;
	reply.has_pool_bytes = true;
	reply.pool_bytes = sv->config->pool_size;
	reply.server = "memd " MEMD_VERSION;
	conn_send(s->main, MEMD__MESSAGE_TYPE__TYPE_HELLO_REPLY, id,
		  &reply.base);
}

/* Local administrators connect often, so that is not worth a line.  An
 * administrator on another host is. */
static void log_open(const struct session *s)
{
	const struct peer *peer = &s->main->peer;
	bool is_quiet = s->is_admin_only && !peer->is_remote;
	char name[PEER_NAME_BYTES], from[PEER_NAME_BYTES + 128] = "";

	if (peer->is_remote)
		snprintf(from, sizeof(from), " host=%s certificate=\"%s\"",
			 peer->host, system_printable(peer->name, name,
						      sizeof(name)));
	log_event(is_quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "session-open",
		  "session=%u pid=%d uid=%u%s command=\"%s\" admin=%s",
		  s->id, peer->pid, peer->uid, from, s->command,
		  s->is_admin_only ? "only" : s->main->is_admin ?
		  "may" : "no");
}

void handle_hello(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__Hello *hello = message;
	struct session_wish wish = {
		.command = hello->command != NULL ? hello->command : "",
		.capabilities = hello->capabilities,
		.most_frames = hello->most_frames,
		.is_admin_only = hello->admin_only,
	};
	struct session *s;
	int err;

	if (!check_version(c, id, hello->version_major,
			   hello->version_minor) ||
	    !check_remote(sv, c, id, wish.is_admin_only) ||
	    !check_peer(sv, c, id))
		return;
	if (strlen(wish.command) > WIRE_NAME_BYTES_MAX) {
		conn_refuse(c, id, -EPROTO, "Hello: command is longer than "
			    "%d bytes", WIRE_NAME_BYTES_MAX);
		return;
	}
	if (!check_room(sv, c, id, wish.is_admin_only) ||
	    !check_inside(sv, c, id, wish.is_admin_only))
		return;
	err = session_create(&sv->sessions, c, &wish, &s);
	if (err != 0) {
		refuse_hello(c, id, err, err == -EAGAIN ?
			     "no accounts are left; try again later" :
			     "no memory for a session");
		return;
	}
	log_open(s);
	reply_hello(sv, s, id);
}

static const char *explain_mailbox(int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		return "memd's configuration says mailbox = no; ask on the "
		       "socket";
	case -EEXIST:
		return "this session has a mailbox";
	default:
		return "no memory or descriptor for a mailbox";
	}
}

/* A client that gets none, because it does not know what a bell is or because
 * memd has few descriptors left, rings by messages. */
static bool add_bell(struct serve *sv, struct session *s, int *ret_fd)
{
	return (s->capabilities & MEMD__CAPABILITY__CAP_BELL) != 0 &&
	       server_has_descriptors(sv->server, RESERVE_FOR_CONNECTIONS) &&
	       mailbox_add_bell(&s->mailbox, ret_fd) == 0;
}

void handle_mailbox(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	struct session *s = c->session;
	Memd__MailboxReply reply = MEMD__MAILBOX_REPLY__INIT;
	int fds[2] = { -1, -1 };
	int err = !serve_has_mailboxes(sv) ? -EOPNOTSUPP :
		  mailbox_open(&sv->mailboxes, &s->mailbox, c, &fds[0]);

	(void)message;
	if (err != 0) {
		conn_send_error(c, id, err, "%s", explain_mailbox(err));
		return;
	}
	reply.cell_count = MAILBOX_CELLS;
	reply.has_bell = reply.bell = add_bell(sv, s, &fds[1]);
	conn_send_fds(c, MEMD__MESSAGE_TYPE__TYPE_MAILBOX_REPLY, id,
		      &reply.base, fds, reply.bell ? 2 : 1);
	if (reply.bell)
		close(fds[1]);
}

static const char *explain_desk(int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		return "memd's configuration allows no faults without it "
		       "(one_sided, mailbox, store)";
	case -EPERM:
		return "memd has no copy of this program's userfaultfd";
	case -EEXIST:
		return "this session has a desk";
	case -EBUSY:
		return "this program has the desk of a session that has ended";
	case -EDQUOT:
		return "the frames that this user may have are more than half "
		       "of the memory that the program's cgroup allows";
	default:
		return "no memory or descriptor for a desk";
	}
}

/* Without a copy of its userfaultfd nobody could tell when its memory is
 * gone. */
void handle_desk(void *room, struct conn *c, uint64_t id, const void *message)
{
	struct serve *sv = room;
	struct session *s = c->session;
	const Memd__Desk *request = message;
	Memd__DeskReply reply = MEMD__DESK_REPLY__INIT;
	int fd = -1, err = 0;

	if (request->begin) {
		session_begin_desk(s);
		conn_send_ok(c, id);
		return;
	}
	if (!serve_is_one_sided(sv) || request->version < DESK_VERSION)
		err = -EOPNOTSUPP;
	else if (sv->keeper->is_on && LIST_EMPTY(&s->copies))
		err = -EPERM;
	else if (!server_has_descriptors(sv->server, RESERVE_FOR_CONNECTIONS))
		err = -EMFILE;
	else if (s->desk != NULL)
		err = -EEXIST;
	else if (!LIST_EMPTY(&s->copies) &&
		 LIST_FIRST(&s->copies)->desk != NULL)
		err = -EBUSY;
	else if (!session_group_read(s))
		err = -EDQUOT;
	if (err == 0)
		err = desks_open(&sv->desks, s, c, s->account, &s->desk, &fd);
	if (err != 0) {
		conn_send_error(c, id, err, "%s", explain_desk(err));
		return;
	}
	reply.version = DESK_VERSION;
	conn_send_fds(c, MEMD__MESSAGE_TYPE__TYPE_DESK_REPLY, id, &reply.base,
		      &fd, 1);
}

void handle_ring(void *room, struct conn *c, uint64_t id, const void *message)
{
	struct serve *sv = room;

	(void)id;
	(void)message;
	if (c->session->desk != NULL) {
		desks_serve(c->session->desk);
		conn_note_work(c, 1);
	}
	mailbox_ring(&sv->mailboxes, &c->session->mailbox);
}

static const char *explain_copies(int error)
{
	switch (error) {
	case -EMFILE:
		return "not all descriptors came with Userfaultfd; memd may "
		       "have none left (LimitNOFILE)";
	case -EBADF:
		return "a descriptor that came with Userfaultfd is not a "
		       "userfaultfd that is ready and non-blocking";
	case -EDQUOT:
		return "too many programs of this user have memory mapped "
		       "although their sessions have ended, or have sent "
		       "descriptors that are no userfaultfds; end them";
	default:
		return "no memory for a copy of a userfaultfd";
	}
}

void handle_userfaultfd(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	/* Every program of this user may have sent two. */
	bool is_trusted = keeper_trusts(c->session->account->parent,
					sv->config->uid_sessions * 2);
	int err = is_trusted ? -EMFILE : -EDQUOT;

	(void)message;
	if (!LIST_EMPTY(&c->session->copies)) {
		conn_refuse(c, id, -EPROTO, "Userfaultfd again");
		return;
	}
	conn_descriptors_allow(c, false);
	if (c->descriptor_count > 0)
		err = keeper_add(sv->keeper, &c->session->copies,
				 c->session->account->parent, c->descriptor,
				 c->descriptor_count);
	if (err == 0 && c->has_lost_descriptors)
		err = -EMFILE;
	c->descriptor_count = 0;
	if (err != 0)
		conn_refuse(c, id, err, "%s", explain_copies(err));
}

void handle_goodbye(void *room, struct conn *c, uint64_t id,
		    const void *message)
{
	(void)room;
	(void)id;
	(void)message;
	c->session->is_unmapped = true;
	conn_close(c, "left");
}

void handle_session_stats(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	Memd__SessionStatsReply reply = MEMD__SESSION_STATS_REPLY__INIT;
	const struct session *s = c->session;
	struct session_usage usage;

	(void)room;
	(void)message;
	if (s->desk != NULL)
		(void)desk_collect(&s->desk->side, clock_now_ns());
	session_usage_get(s, &usage);
	reply.mapped_bytes = usage.mapped_bytes;
	reply.resident_bytes = usage.resident_bytes;
	reply.swapped_bytes = usage.swapped_bytes;
	reply.faults_minor = s->faults_minor;
	reply.faults_zero = s->faults[FAULT_ZERO];
	reply.faults_hit = s->faults[FAULT_HIT];
	reply.faults_swap_in = s->faults[FAULT_SWAP_IN];
	reply.faults_put_back = s->faults[FAULT_PUT_BACK];
	reply.pages_lost = s->faults[FAULT_LOST];
	reply.has_limit_frames = true;
	reply.limit_frames = account_frames(s->account);
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_SESSION_STATS_REPLY, id,
		  &reply.base);
}
