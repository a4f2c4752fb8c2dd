/* SPDX-License-Identifier: MIT */
/* The table of segments: by name, by id, and by the pager's number.  A private
 * segment is freed when its session detaches it.  A named segment is freed when
 * it is unlinked and the last session has detached it.
 *
 * Ids on the wire come from a counter.  So an id means another segment only
 * after 2^32 segments have been made; and a session can use only ids of
 * segments that it has attached. */
#ifndef MEMD_SEGMENTS_SEGMENTS_H
#define MEMD_SEGMENTS_SEGMENTS_H

#include "common/checks.h"
#include "daemon/segments/accounts.h"
#include "daemon/segments/book_file.h"
#include "daemon/engine/engine.h"
#include "proto/limits.h"
#include "proto/checksum.h"
#include <sys/queue.h>
#include <sys/types.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct session;
struct attachment;
struct desk_user;

struct segment {
	uint32_t id;			/* on the wire */
	segment_id pager_id;
	char name[WIRE_NAME_BYTES_MAX + 1];	/* empty: private */
	uid_t uid;
	gid_t gid;
	unsigned mode;
	unsigned order;
	uint64_t page_count;
	struct account *account;	/* pays for its frames; held */
	struct account *owner;		/* of its uid: counts its segments;
					 * held */
	struct area *area;		/* its swap; held.  NULL: the store
					 * has no areas */
	uint64_t serial;		/* in the checksums of its slots */
	struct book_file book;		/* none: only memd faults pages in */
	bool is_unlinked;
	bool is_lingering;		/* in segments.lingering, not in all */
	bool is_spoiled;		/* a client has spoilt its data file:
					 * see serve/spoil.h */
	uint32_t attached_count;
	LIST_HEAD(, attachment) attachments;
	LIST_HEAD(, desk_user) desk_users;
	struct checksum name_sum;	/* key of by_name; keyed hash, so that
					 * clients cannot choose collisions */
	TAILQ_ENTRY(segment) link;
	UT_hash_handle by_id, by_name;	/* by_name only while not unlinked */
};

TAILQ_HEAD(segment_list, segment);

struct dying_segment {
	struct account *account;	/* NULL: none is dying */
	struct area *area;
	struct book_file book;
};

struct segments {
	struct engine *engine;
	struct accounts *accounts;
	const struct config *config;
	struct segment_list all;	/* ordered by id, except after the
					 * counter wraps around */
	struct segment *by_id, *by_name;	/* hash tables (uthash) */
	struct checksum_key name_key;
	uint32_t count;
	uint32_t next_id;
	uint64_t next_serial;
	struct segment **by_pager_id;	/* [max_segments + 1] */
	/* What the segments hold that the pager is still removing, indexed by
	 * the pager's number. */
	struct dying_segment *dying;
	uint32_t dying_count;
	uint32_t book_count;		/* books: a descriptor each */
	/* True if the segment may be taken apart; false: ask again later.
	 * NULL: always. */
	bool (*may_go)(void *ctx, const struct segment *segment);
	void *ctx;
	struct segment_list lingering;	/* nobody has them, and they may not go
					 * yet */
};

/* The properties of a new segment. */
struct segment_wish {
	const char *name;		/* "" for a private one */
	uid_t uid;
	gid_t gid;
	unsigned mode;
	unsigned order;
	uint64_t page_count;
	struct account *account;	/* pays for its frames; borrowed */
	struct account *owner;		/* of its uid; borrowed */
};

/* Returns 0 or -ENOMEM. */
int segments_init(struct segments *ss, struct engine *engine,
		  struct accounts *accounts, const struct config *config)
	MUST_CHECK;
void segments_fini(struct segments *ss);

/* Make a segment.  Returns 0, or -errno with a line in ret_reason: -EDQUOT,
 * -ENOSPC, -EAGAIN (too many segments, or a program keeps a data file of this
 * uid locked, or reads a swap file of it that has ended), -EMFILE, -EINVAL
 * (page size too large for the pool), -ENOMEM, and errors of the file system of
 * swap_dir.
 *
 * -EINPROGRESS, without a line: there may be room soon, when a segment is gone
 * or a file of swap_dir is made; then make the same call again (map_wait.h).
 *
 * Do not call from inside pager callbacks. */
int segments_add(struct segments *ss, const struct segment_wish *wish,
		 struct segment **ret_segment, char *ret_reason,
		 size_t reason_size) MUST_CHECK;

/* Remove the name.  The segment is freed now if no session has attached it,
 * else with its last attachment.  Do not call from inside pager callbacks. */
void segments_unlink(struct segments *ss, struct segment *segment);

/* Free the segment if it is private or unlinked and no session has attached it.
 * Do not call from inside pager callbacks. */
void segments_drop_unused(struct segments *ss, struct segment *segment);

/* Free those that could not go before and may go now.  Call when what kept them
 * may have ended, and once a second.  is_forced: in any case. */
void segments_retry(struct segments *ss, bool is_forced);

/* Lookups return NULL if there is no such segment. */
struct segment *segments_find_name(const struct segments *ss,
				   const char *name);
struct segment *segments_find_id(const struct segments *ss, uint32_t id);

/* NULL: the pager is removing it, or there is none. */
struct segment *segments_find_pager_id(const struct segments *ss,
				       segment_id id);

/* As pager_callbacks.segment_gone.  Called from inside the pager. */
void segments_gone(struct segments *ss, segment_id id);

/* Whether a segment may have this name: 1 to 255 bytes, no '/' and no control
 * characters. */
bool segment_name_is_valid(const char *name);

/* log2 of the page size in units of 4 KiB, or -EINVAL. */
int segment_order(uint32_t page_bytes) MUST_CHECK;

static inline uint64_t segment_page_bytes(const struct segment *segment)
{
	return (uint64_t)PAGER_UNIT_BYTES << segment->order;
}

static inline uint64_t segment_length(const struct segment *segment)
{
	return segment->page_count * segment_page_bytes(segment);
}

/* Whether pages [first, first + count) lie inside the segment.  Any numbers may
 * be given. */
static inline bool segment_has_range(const struct segment *segment,
				     uint64_t first, uint64_t count)
{
	return first <= segment->page_count &&
	       count <= segment->page_count - first;
}

#endif
