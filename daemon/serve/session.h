/* SPDX-License-Identifier: MIT */
/* One client: a main connection, lanes joined to it, the segments it has
 * attached, and what it may use.  It lives exactly as long as its main
 * connection.  Private segments live exactly as long as it. */
#ifndef MEMD_SERVE_SESSION_H
#define MEMD_SERVE_SESSION_H

#include "daemon/serve/age.h"
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
	SESSION_TOKEN_BYTES = 16,
	SESSION_REQUESTS_MAX = 16,	/* Advise and Pin waiting at once */
	SESSION_PINS_MAX = 4096,	/* ranges pinned at once */
};

/* A segment that a session has attached, once or several times. */
struct attachment {
	uint32_t segment_number;	/* on the wire; key of the hash */
	struct session *session;
	struct segment *segment;
	uint32_t count;
	bool is_read_only;		/* all of them */
	uint64_t address;		/* the client's word; 0: none yet */
	struct pin_owner pins;
	struct age_list age;
	struct ready_list *ready;	/* owned; NULL: none yet */
	LIST_ENTRY(attachment) of_segment;
	UT_hash_handle hh;		/* of the session */
};

struct session {
	struct sessions *all;
	uint32_t id;
	struct conn *main;
	LIST_HEAD(, conn) lanes;
	uint32_t lane_count;
	char command[WIRE_NAME_BYTES_MAX + 1];	/* printable */
	uint8_t token[SESSION_TOKEN_BYTES];
	uint64_t capabilities;
	bool is_admin_only;		/* will map nothing */
	struct account *account;	/* held */
	struct mailbox_end mailbox;
	struct uffd_copy_list copies;	/* of its userfaultfds */
	bool is_unmapped;		/* it has said Goodbye */
	struct guest *guest;		/* on another host; NULL: none, */
	struct segment *guest_segment;	/* of its pages; as well */
	struct attachment *attachments;	/* uthash */
	uint32_t attached_count;
	struct pin_book pins;
	uint32_t faults_waiting, requests_waiting;
	uint64_t faults[FAULT_KINDS], faults_minor;
	uint64_t last_faults;		/* for the rate */
	double faults_per_s;
	uint64_t connected_ns;
	struct trace_reader *tracing;	/* NULL: not */
	bool is_evicting;		/* waits for an EvictReply */
	bool is_ending;			/* it lets go of its segments */
	TAILQ_ENTRY(session) link;
	UT_hash_handle by_id;		/* of the server */
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
	struct trace *trace;
	const struct admins *admins;
	/* One that has a guest's pages ends. */
	void (*guest_leaves)(struct session *s);

	bool is_stopping;		/* who ends now keeps no pins */
	struct session_list list;
	struct session *by_id;		/* uthash */
	uint32_t count, next_id;
	uint32_t remote_count;		/* of these on other hosts */
	bool must_look_again;		/* at those from other hosts: the user
					 * of one was being looked up */
};

void sessions_init(struct sessions *ss);
struct session *sessions_find(const struct sessions *ss, uint32_t id);
/* On this host. */
struct session *sessions_find_pid(const struct sessions *ss, pid_t pid);

static inline bool session_is(const struct session *s, const struct whom *whom)
{
	return whom_is(whom, s->main->peer.pid, s->id);
}

/* Is it everybody, or somebody who is connected?  If not, request `id` has been
 * answered. */
bool sessions_check_whom(const struct sessions *ss, struct conn *c,
			 uint64_t id, const struct whom *whom);

/* Turn a NEW connection into a session.  0, -ENOMEM, -EAGAIN. */
int session_create(struct sessions *ss, struct conn *c,
		   const struct session_wish *wish,
		   struct session **ret_session) MUST_CHECK;

/* `c` is DEAD: let go of its session, if it is the main connection of one, and
 * of all that belongs to it.  Takes from *budget what that costs, a connection
 * or an attachment each; false: not wholly, call again.  The turn only. */
bool session_let_go(struct conn *c, unsigned *budget);

/* Make a NEW connection a lane of `s`. */
void session_add_lane(struct session *s, struct conn *c);
/* The lane is DEAD. */
void session_remove_lane(struct session *s, struct conn *c);

struct attachment *session_find(struct session *s, uint32_t segment_number);

/* Count one more attachment.  0, -ENOMEM, -EDQUOT (session_segments). */
int session_attach(struct session *s, struct segment *segment,
		   bool is_read_only, struct attachment **ret_attachment)
	MUST_CHECK;

/* Count one less; the last one also drops an unused segment. */
void session_detach(struct session *s, struct attachment *a);

uint64_t session_fault_count(const struct session *s);

/* Sums over what it has attached, and its store. */
struct session_usage {
	uint64_t mapped_bytes, resident_bytes, swapped_bytes, lost_pages;
};
void session_usage_get(const struct session *s,
		       struct session_usage *ret_usage);

#endif
