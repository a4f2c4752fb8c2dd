/* SPDX-License-Identifier: MIT */
/* Mailboxes of sessions (proto/mailbox.h), the daemon's side: made when the
 * client asks for one, looked into while the daemon is awake, answered.
 *
 * A mailbox is awake from the client's Ring, or an answer in it (without
 * busy_poll only from the Ring), until nobody has asked for anything for
 * busy_poll, or nobody in this one for IDLE_NS; only those that are awake
 * cost anything.
 *
 * A Ring comes as a message, or as a byte in the mailbox's bell (doorbell.h),
 * for clients that have CAP_BELL.
 *
 * Threads: the loop's.  Nothing blocks. */
#ifndef MEMD_SERVE_MAILBOX_H
#define MEMD_SERVE_MAILBOX_H

#include "common/checks.h"
#include "daemon/serve/doorbell.h"
#include "proto/mailbox.h"
#include "proto/wire.h"
#include <stdbool.h>
#include <sys/queue.h>

struct awake;
struct config;
struct conn;
struct stats;

/* A session's, inside it. */
struct mailbox_end {
	struct mailboxes *all;
	struct conn *main;		/* of the session */
	struct mailbox *shared;		/* NULL: none */
	int file;			/* of it, until the first Ring; then -1:
					 * sealed, and no memory can go */
	uint64_t seen;			/* asked, and not looked into yet */
	uint64_t asked_ns;		/* the last time */
	struct doorbell bell;
	unsigned needless_rings;	/* of it, since the mailbox is awake */
	bool is_awake;			/* and on the list */
	bool is_used;			/* something was ever asked in it */
	LIST_ENTRY(mailbox_end) link;
};

struct mailboxes {
	const struct config *config;	/* borrowed, as the next two */
	struct stats *stats;
	struct awake *loop;
	LIST_HEAD(, mailbox_end) awake;
	uint32_t descriptor_count;	/* files, until the Ring; bells */
	/* Was the bell rung for the session's desk?  Deals with that. */
	bool (*has_rung_for_desk)(struct conn *main);
};

void mailboxes_init(struct mailboxes *ms, const struct config *config,
		    struct stats *stats, struct awake *awake);

/* Make the session's.  *ret_fd is for the client, and stays the mailbox's.
 * Returns 0, -EEXIST, -ENOMEM, -EMFILE. */
int mailbox_open(struct mailboxes *ms, struct mailbox_end *end,
		 struct conn *main, int *ret_fd) MUST_CHECK;
/* Give it a bell.  *ret_fd, the client's end of it, is the caller's.  0 or
 * -errno: it has none, and the client rings by messages. */
int mailbox_add_bell(struct mailbox_end *end, int *ret_fd) MUST_CHECK;
/* Accepts one that is not open. */
void mailbox_close(struct mailbox_end *end);

/* The client says that there is something in it. */
void mailbox_ring(struct mailboxes *ms, struct mailbox_end *end);

/* Let those that have not been used for a while ring from now on. */
void mailboxes_doze(struct mailboxes *ms, uint64_t now_ns);

/* Nothing was asked for long enough: let all clients ring from now on.
 * Returns false when one has asked meanwhile. */
bool mailboxes_sleep(struct mailboxes *ms);

/* Does the client's library wait for the answer, and not one of its threads? */
bool mailbox_is_library(const struct mailbox_end *end, unsigned cell);

/* Reply to what came in cell `cell`. */
void mailbox_answer(struct mailbox_end *end, unsigned cell, uint16_t type,
		    uint64_t request_id, const ProtobufCMessage *message);

/* Say on which processor memd runs. */
void mailbox_note_cpu(struct mailbox *m);

/* The page that was asked for in cell `cell` is mapped where it was touched. */
void mailbox_answer_mapped(struct mailbox_end *end, unsigned cell);

#endif
