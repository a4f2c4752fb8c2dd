/* SPDX-License-Identifier: MIT */
/* The desks of all sessions (desk.h).
 *
 *   J1  A desk is *live* while its session is.  Afterwards it is *kept* until
 *       the program's memory is gone: its threads may still install pages.
 *       (S3 in desk.h, K2 in keeper.h)
 *   J2  All sessions of a user are lent at most twice what is then left to
 *       lend, and one session at most twice what is then left to its user.  So
 *       a session that hoards leaves something to its user's others, and a user
 *       to other users.  (Choudhury and Hahne, "Dynamic queue length
 *       thresholds")
 *
 * Threads: the loop's. */
#ifndef MEMD_SERVE_DESKS_H
#define MEMD_SERVE_DESKS_H

#include "common/deferred.h"
#include "daemon/serve/desk.h"
#include "daemon/segments/segments.h"
#include <sys/queue.h>

struct conn;
struct session;
struct stats;

struct session_desk {
	struct desks *all;
	struct desk_side side;
	struct account *account;	/* held */
	struct session *session;	/* NULL: it has ended, */
	struct conn *main;		/* and so has this */
	/* Kept: the segments that it had, sorted; owned. */
	uint32_t *segments;
	uint32_t segment_count, segment_room;
	int file;			/* of the memory, until it is sealed */
	bool is_barred;			/* nothing is lent to it */
	uint32_t records;		/* since the last tick */
	/* Since desks_serve(), of pages that the pager did not know. */
	uint32_t counted;
	struct session_desk *next_kept;	/* of the same program */
	LIST_ENTRY(session_desk) link;
};

/* A segment that a session with a desk has attached. */
struct desk_user {
	struct session_desk *desk;	/* NULL: it is in no list */
	LIST_ENTRY(desk_user) link;	/* in segment.desk_users */
};

struct desks {
	/* Borrowed; to be filled in before desks_init(). */
	struct engine *engine;
	struct segments *segments;
	struct accounts *accounts;
	struct stats *stats;
	/* Has the session attached the segment for writing? */
	bool (*may_write)(struct session *s, uint32_t segment_number);
	/* The session has had this fault. */
	void (*note)(struct session *s, const struct desk_record *record);

	LIST_HEAD(, session_desk) live, kept;
	uint32_t file_count;		/* descriptors */
};

void desks_init(struct desks *ds);
/* Before the accounts and the pager go: no program runs any more, or memd does
 * not serve them. */
void desks_fini(struct desks *ds);

/* Make the session's.  *ret_fd is for the client, and stays the desk's.
 * Returns 0, -ENOMEM, -EMFILE or -ENFILE. */
int desks_open(struct desks *ds, struct session *s, struct conn *main,
	       struct account *account, struct session_desk **ret_desk,
	       int *ret_fd) MUST_CHECK;

/* The session is about to end, and has this segment.  Without memory for that
 * its intents count for all segments. */
void desks_remember(struct session_desk *sd, uint32_t segment_number);
/* The session ends.  The desk is to be kept until its memory is gone.  What is
 * lent and not taken comes back. */
void desks_leave(struct session_desk *sd);
/* These desks' memory is gone.  NULL is allowed. */
void desks_end(struct session_desk *first);

/* The client says that it will use the desk.  Returns false if the desk cannot
 * be used: then the session must end. */
bool desks_seal(struct session_desk *sd) MUST_CHECK;

/* The client has rung, or asks for a page: count what it has done, and lend it
 * more, if it has said that it will use the desk.  Returns how many faults were
 * counted. */
uint32_t desks_serve(struct session_desk *sd);

/* Has the client rung since it was served? */
static inline bool desk_has_rung(const struct session_desk *sd)
{
	return sd->file < 0 && atomic_load(&sd->side.desk->is_rung) != 0;
}

/* Lend nothing more to it from now on, or lend to it again.  Returns false if
 * it was so before. */
bool desks_bar(struct session_desk *sd, bool is_barred);

/* S2: call before advice on the segment, and before its end. */
bool desks_settle(struct desks *ds, const struct segment *segment);

/* From now on nobody uses the book of the segment: it will be taken apart, or
 * cannot be trusted.  Returns false while a thread still uses what it has read
 * there: then nothing may be taken out. */
bool desks_close_book(struct desks *ds, const struct segment *segment);

/* How many pages of the segment may be in its data file without the pager
 * knowing it yet. */
uint64_t desks_uncounted_most(const struct desks *ds,
			      const struct segment *segment);

/* As in struct engine_hooks. */
void desks_look(struct desks *ds, struct pager_claim *claim, unsigned count);
void desks_recall(struct desks *ds);

/* Count what has happened until now: somebody wants to see it. */
void desks_count(struct desks *ds);

/* Call once a second: take back from those who do not fault. */
void desks_tick(struct desks *ds);

/* The session attaches the segment, or has it already; `user` is its.  It
 * detaches it. */
void desks_add_user(struct desk_user *user, struct session_desk *sd,
		    struct segment *segment);
void desks_remove_user(struct desk_user *user);

#endif
