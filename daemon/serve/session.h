/* SPDX-License-Identifier: MIT */
/* A session is one client: its connection, its mailbox, the segments it has
 * attached, and its limits.  A session lives as long as its connection.  Its
 * private segments live as long as the session. */
#ifndef MEMD_SERVE_SESSION_H
#define MEMD_SERVE_SESSION_H

#include "daemon/serve/age.h"
#include "daemon/serve/desks.h"
#include "daemon/net/conn.h"
#include "daemon/keeper/keeper.h"
#include "daemon/serve/mailbox.h"
#include "daemon/pager/pager.h"
#include "daemon/serve/pin.h"
#include "daemon/serve/ready.h"
#include "daemon/segments/segments.h"
#include "daemon/serve/trace.h"
#include "daemon/serve/whom.h"

struct admins;
struct guest;
struct sessions;

enum {
	SESSION_REQUESTS_MAX = 16,	/* Advise, Pin and Unpin in progress */
	SESSION_PINS_MAX = 4096,	/* ranges pinned at once */
};

/* A segment that a session has attached, once or more often. */
struct attachment {
	uint32_t segment_number;	/* segment id; key of the hash */
	struct session *session;
	struct segment *segment;
	uint32_t count;
	bool is_read_only;		/* true: every attachment is
					 * read-only */
	uint64_t address;		/* of the mapping, as the client says;
					 * 0: not said yet */
	struct pin_owner pins;
	struct age_list age;
	struct desk_user desk_user;
	struct ready_list *ready;	/* owned; NULL: none yet */
	LIST_ENTRY(attachment) of_segment;
	UT_hash_handle hh;		/* in session.attachments */
};

struct session {
	struct sessions *all;
	uint32_t id;
	struct conn *main;
	char command[WIRE_NAME_BYTES_MAX + 1];	/* printable */
	uint64_t capabilities;
	bool is_admin_only;		/* never maps memory */
	struct account *account;	/* held */
	struct mailbox_end mailbox;
	struct session_desk *desk;	/* owned; NULL: none */
	struct uffd_copy_list copies;	/* copies of its userfaultfds */
	uint64_t group_bytes;		/* what its cgroup allows: see
					 * session_group.h */
	bool is_unmapped;		/* it has said Goodbye */
	struct guest *guest;		/* session of another host; else NULL */
	struct segment *guest_segment;	/* holds the pages of `guest`; else
					 * NULL */
	struct attachment *attachments;	/* hash table (uthash) */
	uint32_t attached_count;
	struct pin_book pins;
	uint32_t faults_waiting, requests_waiting;
	uint64_t faults[FAULT_KINDS], faults_minor;
	uint64_t faults_one_sided;	/* of faults[] */
	uint64_t last_faults;		/* sum at the last tick, for
					 * faults_per_s */
	double faults_per_s;
	uint64_t connected_ns;
	struct trace_reader *tracing;	/* NULL: it reads no trace */
	bool is_ending;			/* its segments are being released */
	TAILQ_ENTRY(session) link;
	UT_hash_handle by_id;		/* in sessions.by_id */
};

TAILQ_HEAD(session_list, session);

struct session_wish {
	const char *command;
	uint64_t capabilities;
	uint64_t most_frames;
	bool is_admin_only;
};

struct sessions {
	/* Borrowed; to be filled in before sessions_init(). */
	const struct config *config;
	struct stats *stats;
	struct accounts *accounts;
	struct segments *segments;
	struct keeper *keeper;
	struct pins *pins;
	struct ages *ages;
	struct readies *readies;
	struct desks *desks;
	struct trace *trace;
	const struct admins *admins;
	/* The session of a guest ends. */
	void (*guest_leaves)(struct session *s);

	bool is_stopping;		/* sessions that end now keep no pins */
	struct session_list list;
	struct session *by_id;		/* hash table (uthash) */
	uint32_t count, next_id;
	uint32_t remote_count;		/* sessions of other hosts */
	struct session *next_group;	/* whose cgroup is to be looked at next;
					 * NULL: the first */
	bool must_look_again;		/* call sessions_look_again() again: a
					 * user name was still being looked
					 * up */
};

void sessions_init(struct sessions *ss);
/* Lookups return NULL if there is no such session. */
struct session *sessions_find(const struct sessions *ss, uint32_t id);
/* Finds a session of this host; if the process has several, the oldest. */
struct session *sessions_find_pid(const struct sessions *ss, pid_t pid);

static inline bool session_is(const struct session *s, const struct whom *whom)
{
	return whom_is(whom, s->main->peer.pid, s->id);
}

/* Whether `whom` means everybody or somebody who is connected.  If not, request
 * `id` of `c` has been answered with an error. */
bool sessions_check_whom(const struct sessions *ss, struct conn *c,
			 uint64_t id, const struct whom *whom);

/* Turn the NEW connection `c` into a session.  Returns 0, -ENOMEM, or -EAGAIN
 * (no accounts are left). */
int session_create(struct sessions *ss, struct conn *c,
		   const struct session_wish *wish,
		   struct session **ret_session) MUST_CHECK;

/* The connection `c` is DEAD: release its session, if it has one.  Each
 * connection and each attachment costs some of *budget.  Returns false if not
 * all is released; then call again.  Call only from the turn. */
bool session_let_go(struct conn *c, unsigned *budget);

/* Returns NULL if `s` has not attached the segment. */
struct attachment *session_find(struct session *s, uint32_t segment_number);

/* Attach a segment once more.  Returns 0, -ENOMEM, or -EDQUOT
 * (session_segments). */
int session_attach(struct session *s, struct segment *segment,
		   bool is_read_only, struct attachment **ret_attachment)
	MUST_CHECK;

/* Detach once.  The last detach frees `a`, and removes a segment that nothing
 * uses any more. */
void session_detach(struct session *s, struct attachment *a);

/* The client says that it uses its desk from now on, if it has one.
 * Closes the connection if the desk cannot be used. */
void session_begin_desk(struct session *s);
/* As in struct mailboxes. */
bool session_has_rung_for_desk(struct conn *main);

/* As in struct desks. */
bool session_may_write(struct session *s, uint32_t segment_number);
void session_note_own_fault(struct session *s,
			    const struct desk_record *record);

uint64_t session_fault_count(const struct session *s);

/* Sums over the attached segments and the pages it stores here as a guest. */
struct session_usage {
	uint64_t mapped_bytes, resident_bytes, swapped_bytes, lost_pages;
};
void session_usage_get(const struct session *s,
		       struct session_usage *ret_usage);

#endif
