/* SPDX-License-Identifier: MIT */
/* Accounts pay for frames.  Each user (uid) has one, and below it each session
 * has one; they stand for accounts of the pager.  A private segment is charged
 * to its session.  A named segment may outlive the session, so it is charged to
 * its owner's uid.
 *
 * An account lives as long as it has holders: sessions, segments (until the
 * pager says that they are gone), and the limit that an administrator has set
 * for a uid. */
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

/* The word that memctl shows for it. */
const char *limit_source_name(enum limit_source source);

struct area;

struct account {
	account_id id;
	uid_t uid;
	uint32_t session;		/* 0: the account of a uid */
	struct account *parent;		/* of a session: the account of its uid;
					 * held */
	uint32_t holders;
	bool is_unfound;		/* of a uid: not in by_uid, for lack of
					 * memory */
	bool is_sticky;			/* held by an administrator's limit */
	/* Limits; 0: no limit. */
	uint64_t frames, mapped_bytes;
	uint64_t own_frames;		/* limit that the client has asked
					 * for */
	enum limit_source source;
	/* Only for the account of a uid: */
	uint32_t session_count, segment_count;
	uint32_t remote_session_count;	/* sessions of other hosts */
	uint32_t ended_copies, foreign_descriptors;	/* keeper.h */
	/* Swap, both held; NULL: none yet.  `area` is for small private
	 * segments.  `next_area` is being made ready for the next segment that
	 * gets one of its own, while somebody waits for that. */
	struct area *area, *next_area;
	uint32_t maps_waiting;		/* requests in map_waits, of a uid:
					 * of all its sessions */
	TAILQ_ENTRY(account) link;	/* in accounts.live or
					 * accounts.unused */
	UT_hash_handle by_uid;		/* of a uid, while in `live` */
};

TAILQ_HEAD(account_list, account);

struct accounts {
	struct pager *pager;
	struct deferred *deferred;	/* borrowed */
	struct deferred_work work;	/* runs accounts_sweep() */
	const struct config *config;
	struct account_list live;
	struct account *by_uid;		/* hash table (uthash) */
	struct account_list unused;	/* removed by accounts_sweep() */
	uint32_t sticky_count;		/* accounts held by an administrator's
					 * limit */
};

/* How many accounts the pager needs with this configuration. */
uint32_t accounts_most(const struct config *config);

void accounts_init(struct accounts *as, struct pager *pager,
		   const struct config *config, struct deferred *deferred);
/* Frees all accounts.  No account may have holders but administrators'
 * limits. */
void accounts_fini(struct accounts *as);

/* The same while the pager still uses some accounts.  Only if the pager is
 * destroyed next. */
void accounts_abandon(struct accounts *as);

/* Find or make the account of a uid; held for the caller.  Returns 0, -ENOMEM
 * or -EAGAIN (no accounts are left). */
int accounts_get_uid(struct accounts *as, uid_t uid,
		     struct account **ret_account) MUST_CHECK;

/* The account of a uid, not held; NULL: there is none. */
struct account *accounts_find_uid(const struct accounts *as, uid_t uid);

/* Make the account of a session; held for the caller.  It holds the account of
 * its uid.  own_frames: the client's own limit; 0: none.  Errors as
 * accounts_get_uid(). */
int accounts_add_session(struct accounts *as, uid_t uid, uint32_t session,
			 uint64_t own_frames, struct account **ret_account)
	MUST_CHECK;

void account_hold(struct account *account);
/* Release a hold.  May be called from inside pager callbacks: the account is
 * freed later, by accounts_sweep(). */
void account_put(struct accounts *as, struct account *account);

/* A request of the session of `account` waits for room: see
 * daemon/serve/map_wait.h.  The account is held meanwhile. */
void account_begin_wait(struct account *account);
void account_end_wait(struct accounts *as, struct account *account);
/* A segment has been refused, or will not be made: unless somebody else waits,
 * what was made ready for it is for nobody. */
void account_drop_next_area(struct account *account);

/* Free the accounts without holders.  Do not call from inside pager
 * callbacks. */
void accounts_sweep(struct accounts *as);

/* Set an administrator's limits; 0: no limit.  If they equal the
 * configuration's limits, the account follows the configuration again.  The
 * caller holds the account.  Returns 0, or -ENOSPC (too many uids have such
 * limits). */
int account_set_limit(struct accounts *as, struct account *account,
		      uint64_t frames, uint64_t mapped_bytes) MUST_CHECK;

/* Remove an administrator's limits: the account follows the configuration
 * again.  The caller holds the account. */
void account_reset_limit(struct accounts *as, struct account *account);

/* The configuration has changed: update the limits that come from it. */
void accounts_reconfigure(struct accounts *as);

/* The limit in effect, in frames: the smaller of the account's limit and the
 * client's own; 0: none. */
uint64_t account_frames(const struct account *account);

/* Write one line for -EDQUOT: which limit `more_bytes` more would exceed, with
 * the numbers. */
void account_explain(const struct accounts *as, const struct account *account,
		     uint64_t more_bytes, char *ret_text, size_t text_size);

#endif
