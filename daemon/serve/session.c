/* SPDX-License-Identifier: MIT */
#include "daemon/serve/area_users.h"
#include "daemon/serve/session.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/net/conn_descriptors.h"
#include "daemon/net/conn_output.h"
#include "daemon/net/admins.h"
#include "daemon/serve/client_fault.h"
#include "daemon/serve/pending.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>

void sessions_init(struct sessions *ss)
{
	ss->next_id = 1;
	TAILQ_INIT(&ss->list);
}

struct session *sessions_find(const struct sessions *ss, uint32_t id)
{
	struct session *s;

	HASH_FIND(by_id, ss->by_id, &id, sizeof(id), s);
	return s;
}

struct session *sessions_find_pid(const struct sessions *ss, pid_t pid)
{
	struct session *s;

	TAILQ_FOREACH(s, &ss->list, link)
		if (s->main->peer.pid == pid && !s->main->peer.is_remote)
			return s;
	return NULL;
}

bool sessions_check_whom(const struct sessions *ss, struct conn *c,
			 uint64_t id, const struct whom *whom)
{
	if (whom_is_everybody(whom))
		return true;
	if (whom->session != 0 && sessions_find(ss, whom->session) != NULL)
		return true;
	if (whom->session == 0 && sessions_find_pid(ss, whom->pid) != NULL)
		return true;
	if (whom->session != 0)
		conn_send_error(c, id, -ESRCH, "no session %u is connected; "
				"see `memctl ps`", whom->session);
	else
		conn_send_error(c, id, -ESRCH, "no program with pid %d is "
				"connected; see `memctl ps`", whom->pid);
	return false;
}

static uint32_t take_session_id(struct sessions *ss)
{
	uint32_t id;

	do
		id = ss->next_id++;
	while (id == 0 || sessions_find(ss, id) != NULL);
	return id;
}

/* With HASH_NONFATAL_OOM, an item is not in the table if there was no
 * memory. */
static bool add_to_hash(struct sessions *ss, struct session *s)
{
	HASH_ADD(by_id, ss->by_id, id, sizeof(s->id), s);
	return sessions_find(ss, s->id) == s;
}

/* A session of another host has no pid, so its host name is shown with the
 * command. */
static void name_command(struct session *s, const char *command)
{
	const struct peer *peer = &s->main->peer;
	char text[sizeof(s->command) + PEER_HOST_BYTES];

	snprintf(text, sizeof(text), "%.150s@%s", command, peer->host);
	system_printable(peer->is_remote ? text : command, s->command,
			 sizeof(s->command));
}

int session_create(struct sessions *ss, struct conn *c,
		   const struct session_wish *wish,
		   struct session **ret_session)
{
	struct session *s = calloc(1, sizeof(*s));
	int err;

	if (s == NULL)
		return -ENOMEM;
	s->all = ss;
	s->id = take_session_id(ss);
	if (!add_to_hash(ss, s)) {
		free(s);
		return -ENOMEM;
	}
	err = accounts_add_session(ss->accounts, c->peer.uid, s->id,
				   wish->most_frames, &s->account);
	if (err != 0) {
		HASH_DELETE(by_id, ss->by_id, s);
		free(s);
		return err;
	}
	s->account->parent->session_count++;
	s->account->parent->remote_session_count += c->peer.is_remote;
	ss->remote_count += c->peer.is_remote;
	s->main = c;
	LIST_INIT(&s->copies);
	name_command(s, wish->command);
	s->capabilities = wish->capabilities;
	s->group_bytes = UINT64_MAX;
	c->is_admin = admins_have(ss->admins, &c->peer);
	s->is_admin_only = wish->is_admin_only;
	s->connected_ns = clock_now_ns();
	c->session = s;
	conn_enter(c, CONN_MAIN);
	conn_descriptors_allow(c, ss->keeper->is_on && !c->peer.is_remote &&
				  !s->is_admin_only &&
				  keeper_trusts(s->account->parent,
						ss->config->uid_sessions * 2));
	(void)event_priority_set(&c->readable, s->is_admin_only ?
				 PRIORITY_ADMIN : PRIORITY_PAGING);
	(void)event_priority_set(&c->writable, s->is_admin_only ?
				 PRIORITY_ADMIN : PRIORITY_PAGING);
	TAILQ_INSERT_TAIL(&ss->list, s, link);
	ss->count++;
	ss->stats->sessions_opened++;
	*ret_session = s;
	return 0;
}

static void attachment_end(struct session *s, struct attachment *a)
{
	struct segment *segment = a->segment;
	struct sessions *ss = s->all;

	pins_orphan_all(ss->pins, &a->pins);
	ages_forget(ss->ages, &a->age);
	readies_forget(ss->readies, a->ready);
	/* What it has done there is counted with its own frames. */
	if (s->desk != NULL && !s->is_ending)
		desks_serve(s->desk);
	desks_remove_user(&a->desk_user);
	if (!a->is_read_only && s->desk != NULL)
		area_users_remove(s->desk, segment);
	HASH_DEL(s->attachments, a);
	s->attached_count--;
	LIST_REMOVE(a, of_segment);
	segment->attached_count--;
	free(a);
	segments_drop_unused(ss->segments, segment);
}

/* Descriptors of an incomplete message go to the keeper, too: only the keeper
 * may close them (K5 of keeper.h). */
static void keep_what_came(struct session *s)
{
	struct conn *c = s->main;

	if (c->descriptor_count > 0)
		(void)!keeper_add(s->all->keeper, &s->copies,
				  s->account->parent, c->descriptor,
				  c->descriptor_count);
	c->descriptor_count = 0;
}

/* Pins of shared segments stay until the process is gone: see pin.h. */
static void keep_pins(struct session *s, struct attachment *a)
{
	struct uffd_copy *copy = LIST_FIRST(&s->copies);

	if (copy != NULL && !s->is_unmapped && !s->all->is_stopping &&
	    a->segment->name[0] != '\0')
		pins_keep_all(&copy->pins, &a->pins);
}

static void end_at_desk(struct session *s)
{
	const struct attachment *a;

	if (s->desk == NULL)
		return;
	for (a = s->attachments; a != NULL; a = a->hh.next)
		if (a->desk_user.desk != NULL)
			desks_remember(s->desk, a->segment_number);
	desks_leave(s->desk);
}

/* Until its memory is gone, a program may still be at its desk (J1).  All its
 * attachments have ended. */
static void keep_desk(struct session *s)
{
	struct uffd_copy *copy = LIST_FIRST(&s->copies);
	struct session_desk *sd = s->desk;

	s->desk = NULL;
	if (sd == NULL)
		return;
	if (copy == NULL || s->is_unmapped) {
		desks_end(sd);
		return;
	}
	sd->next_kept = copy->desk;
	copy->desk = sd;
}

/* After this, nothing is done in the name of this session. */
static void session_begin_end(struct session *s)
{
	s->is_ending = true;
	if (s->guest != NULL)
		s->all->guest_leaves(s);
	trace_unsubscribe(s->all->trace, s->tracing);
	s->tracing = NULL;
	mailbox_close(&s->mailbox);
	keep_what_came(s);
	end_at_desk(s);
}

static bool session_end(struct session *s, unsigned *budget)
{
	struct sessions *ss = s->all;

	if (!s->is_ending)
		session_begin_end(s);
	for (; s->attachments != NULL && *budget > 0; --*budget) {
		keep_pins(s, s->attachments);
		attachment_end(s, s->attachments);
	}
	if (s->attachments != NULL)
		return false;
	keep_desk(s);
	/* Not before: the copies were needed to keep the pins. */
	keeper_end_session(ss->keeper, &s->copies, s->is_unmapped);
	s->account->parent->session_count--;
	s->account->parent->remote_session_count -= s->main->peer.is_remote;
	ss->remote_count -= s->main->peer.is_remote;
	account_put(ss->accounts, s->account);
	if (ss->next_group == s)
		ss->next_group = TAILQ_NEXT(s, link);
	TAILQ_REMOVE(&ss->list, s, link);
	HASH_DELETE(by_id, ss->by_id, s);
	ss->count--;
	ss->stats->sessions_closed++;
	free(s);
	return true;
}

/* Releasing a connection costs as much as releasing this many attachments. */
enum { LET_GO_COST = 8 };

static void log_session_end(const struct conn *c)
{
	const struct session *s = c->session;

	if (s == NULL)
		log_event(LOG_LEVEL_INFO, "connection-close",
			  "pid=%d uid=%u%s%s reason=\"%s\"", c->peer.pid,
			  c->peer.uid, c->peer.is_remote ? " host=" : "",
			  c->peer.host, c->reason);
	else
		log_event(s->is_admin_only ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
			  "session-close",
			  "session=%u pid=%d uid=%u command=\"%s\" "
			  "faults=%llu reason=\"%s\"", s->id, c->peer.pid,
			  c->peer.uid, s->command,
			  (unsigned long long)session_fault_count(s),
			  c->reason);
}

/* Requests of the connection go on in the pager, and their answers are
 * dropped. */
bool session_let_go(struct conn *c, unsigned *budget)
{
	struct session *s = c->session;

	if (s == NULL || !s->is_ending) {
		*budget -= MIN(*budget, (unsigned)LET_GO_COST);
		log_session_end(c);
		client_faults_orphan(c);
		pending_orphan(c);
	}
	return s == NULL || session_end(s, budget);
}

struct attachment *session_find(struct session *s, uint32_t segment_number)
{
	struct attachment *a;

	HASH_FIND(hh, s->attachments, &segment_number,
		  sizeof(segment_number), a);
	return a;
}

static int add_attachment(struct session *s, struct segment *segment,
			  struct attachment **ret_attachment)
{
	struct attachment *a;

	if (s->attached_count >= s->all->config->session_segments)
		return -EDQUOT;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->segment_number = segment->id;
	a->session = s;
	a->segment = segment;
	a->is_read_only = true;
	LIST_INIT(&a->pins.pins);
	a->pins.book = &s->pins;
	a->pins.segment_number = segment->id;
	a->pins.pager_id = segment->pager_id;
	a->age.to = s->main;
	a->age.segment_number = segment->id;
	HASH_ADD(hh, s->attachments, segment_number,
		 sizeof(a->segment_number), a);
	if (session_find(s, segment->id) != a) {
		free(a);
		return -ENOMEM;
	}
	s->attached_count++;
	LIST_INSERT_HEAD(&segment->attachments, a, of_segment);
	segment->attached_count++;
	*ret_attachment = a;
	return 0;
}

int session_attach(struct session *s, struct segment *segment,
		   bool is_read_only, struct attachment **ret_attachment)
{
	struct attachment *a = session_find(s, segment->id);
	int err;

	if (a == NULL) {
		err = add_attachment(s, segment, &a);
		if (err != 0)
			return err;
	}
	if (a->count == UINT32_MAX)
		return -EDQUOT;
	a->count++;
	if (!is_read_only)
		desks_add_user(&a->desk_user, s->desk, segment);
	if (a->is_read_only && !is_read_only)
		area_users_add(s->desk, segment);
	a->is_read_only = a->is_read_only && is_read_only;
	*ret_attachment = a;
	return 0;
}

void session_detach(struct session *s, struct attachment *a)
{
	if (--a->count == 0)
		attachment_end(s, a);
}

void session_begin_desk(struct session *s)
{
	if (s->desk == NULL)
		return;
	if (desks_seal(s->desk))
		desks_serve(s->desk);
	else
		conn_close(s->main, "its desk cannot be sealed with all its "
				    "memory");
}

bool session_has_rung_for_desk(struct conn *main)
{
	struct session *s = main->session;

	if (s->desk == NULL || !desk_has_rung(s->desk))
		return false;
	return desks_serve(s->desk) != 0;
}

bool session_may_write(struct session *s, uint32_t segment_number)
{
	const struct attachment *a = session_find(s, segment_number);

	return a != NULL && !a->is_read_only;
}

static void trace_own_fault(struct session *s, const struct desk_record *r)
{
	struct trace_event event = {
		.time_ns = r->start_ns,
		.pid = s->main->peer.pid,
		.session = s->id,
		.segment_number = r->number,
		.page = r->page,
		.kind = fault_kind_name(r->kind),
		.io_ns = r->io_ns,
		.install_ns = r->total_ns - MIN(r->total_ns, r->io_ns),
		.total_ns = r->total_ns,
		.ready_first = r->page,
		.ready_count = 1,
	};

	trace_add(s->all->trace, &event);
}

void session_note_own_fault(struct session *s, const struct desk_record *r)
{
	s->faults[r->kind]++;
	s->faults_one_sided++;
	if (trace_has_readers(s->all->trace))
		trace_own_fault(s, r);
}

uint64_t session_fault_count(const struct session *s)
{
	uint64_t sum = s->faults_minor;

	for (size_t i = 0; i < FAULT_KINDS; i++)
		sum += s->faults[i];
	return sum;
}

static void add_usage(const struct session *s, const struct segment *segment,
		      struct session_usage *sum)
{
	uint64_t page_bytes = segment_page_bytes(segment);
	struct segment_info info;

	pager_segment_get(s->all->segments->engine->pager, segment->pager_id,
			  &info);
	sum->mapped_bytes += segment_length(segment);
	sum->resident_bytes += info.resident * page_bytes;
	sum->swapped_bytes += info.swapped * page_bytes;
	sum->lost_pages += info.lost;
}

void session_usage_get(const struct session *s,
		       struct session_usage *ret_usage)
{
	struct session_usage sum = { 0 };
	const struct attachment *a;

	for (a = s->attachments; a != NULL; a = a->hh.next)
		add_usage(s, a->segment, &sum);
	if (s->guest_segment != NULL)
		add_usage(s, s->guest_segment, &sum);
	*ret_usage = sum;
}
