/* SPDX-License-Identifier: MIT */
/* Accounts, which pay for frames: one for each user (uid) and below it one for
 * each session, mapped on the pager's accounts.  A private segment is charged
 * to its session; a named one, which may outlive the session, to its owner's
 * uid.
 *
 * An account lives as long as somebody holds it: sessions, segments (until the
 * pager says they are gone), and the administrator who has set a limit for a
 * uid. */
#ifndef MEMD_SEGMENTS_ACCOUNTS_H
#define MEMD_SEGMENTS_ACCOUNTS_H

#include "common/checks.h"
#include "common/deferred.h"
#include "daemon/config/config.h"
#include "daemon/pager/pager.h"
#include <sys/queue.h>
#include <sys/types.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum limit_source { LIMIT_CONFIG, LIMIT_MEMCTL, LIMIT_CLIENT };

const char *limit_source_name(enum limit_source source);

struct account {
	account_id id;
	uid_t uid;
	uint32_t session;		/* 0: this is a uid's */
	struct account *parent;		/* a session's: its uid's; held */
	uint32_t holders;
	bool is_unfound;		/* a uid's that could not be hashed */
	bool is_sticky;			/* held by the administrator's limit */
	/* Limits; 0 is none. */
	uint64_t frames, mapped_bytes;
	uint64_t own_frames;		/* what the client asked for itself */
	enum limit_source source;
	/* Of a uid: */
	uint32_t session_count, segment_count;
	uint32_t remote_session_count;	/* of its sessions */
	uint32_t ended_copies, foreign_descriptors;	/* keeper.h */
	TAILQ_ENTRY(account) link;	/* live or unused */
	UT_hash_handle by_uid;		/* of a uid, live */
};

TAILQ_HEAD(account_list, account);

struct accounts {
	struct pager *pager;
	struct deferred *deferred;	/* borrowed */
	struct deferred_work work;	/* accounts_sweep() */
	const struct config *config;
	struct account_list live;
	struct account *by_uid;		/* uthash */
	struct account_list unused;	/* removed by accounts_sweep() */
	uint32_t sticky_count;
};

/* How many accounts a pager needs to have for this configuration. */
uint32_t accounts_most(const struct config *config);

void accounts_init(struct accounts *as, struct pager *pager,
		   const struct config *config, struct deferred *deferred);
/* Nobody may hold any account any more but the administrator. */
void accounts_fini(struct accounts *as);

/* The same in a hurry: while the pager still holds some of them, and goes
 * away next. */
void accounts_abandon(struct accounts *as);

/* The account of a uid, made if need be; held for the caller.
 * 0, -ENOMEM, -EAGAIN. */
int accounts_get_uid(struct accounts *as, uid_t uid,
		     struct account **ret_account) MUST_CHECK;

/* The same where there is one, else NULL; not held. */
struct account *accounts_find_uid(const struct accounts *as, uid_t uid);

/* Make the account of a session; held for the caller, and holding its uid's.
 * own_frames: the client's own limit, 0 for none. */
int accounts_add_session(struct accounts *as, uid_t uid, uint32_t session,
			 uint64_t own_frames, struct account **ret_account)
	MUST_CHECK;

void account_hold(struct account *account);
/* May be called from inside pager calls. */
void account_put(struct accounts *as, struct account *account);

/* Remove what nobody holds.  Not from inside pager calls. */
void accounts_sweep(struct accounts *as);

/* Set the administrator's limits; 0 takes one away.  Limits as the
 * configuration has them are the configuration's again.  The caller holds the
 * account, too. */
int account_set_limit(struct accounts *as, struct account *account,
		      uint64_t frames, uint64_t mapped_bytes) MUST_CHECK;

/* As the configuration says again, and as it will say. */
void account_reset_limit(struct accounts *as, struct account *account);

/* The configuration has changed: limits that come from it follow. */
void accounts_reconfigure(struct accounts *as);

/* Frames in effect: the smaller of the limit and the client's own. */
uint64_t account_frames(const struct account *account);

/* One line: which limit a request for `more_bytes` would pass, with the
 * numbers.  For -EDQUOT. */
void account_explain(const struct accounts *as, const struct account *account,
		     uint64_t more_bytes, char *ret_text, size_t text_size);

#endif
