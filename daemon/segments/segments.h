/* SPDX-License-Identifier: MIT */
/* The segments by name and by number, and who has attached them.  A private
 * segment goes with its session; a named one when it has been unlinked and the
 * last session has detached it.
 *
 * Numbers on the wire come from a counter, so one that has gone cannot mean
 * another segment until four thousand million have been made; and a session
 * can only use numbers it has attached. */
#ifndef MEMD_SEGMENTS_SEGMENTS_H
#define MEMD_SEGMENTS_SEGMENTS_H

#include "common/checks.h"
#include "daemon/segments/accounts.h"
#include "daemon/engine/engine.h"
#include "proto/limits.h"
#include "daemon/pager/checksum.h"
#include <sys/queue.h>
#include <sys/types.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct session;
struct attachment;

struct segment {
	uint32_t id;			/* on the wire */
	segment_id pager_id;
	char name[WIRE_NAME_BYTES_MAX + 1];	/* empty: private */
	uid_t uid;
	gid_t gid;
	unsigned mode;
	unsigned order;
	uint64_t page_count;
	struct account *account;	/* held */
	struct account *owner;		/* the uid's, held: counts segments */
	bool is_unlinked;
	bool is_spoiled;		/* its data file was written to past
					 * the pager */
	uint32_t attached_count;
	LIST_HEAD(, attachment) attachments;
	struct checksum name_sum;	/* keyed: nobody can choose it */
	TAILQ_ENTRY(segment) link;
	UT_hash_handle by_id, by_name;	/* by name: not if unlinked */
};

TAILQ_HEAD(segment_list, segment);

struct segments {
	struct engine *engine;
	struct accounts *accounts;
	const struct config *config;
	struct segment_list all;	/* in the order of their ids but for
					 * wrap-around */
	struct segment *by_id, *by_name;	/* uthash */
	struct checksum_key name_key;
	uint32_t count;
	uint32_t next_id;
	uint64_t next_serial;
	struct segment **by_pager_id;	/* [max_segments + 1] */
	/* Accounts of segments that the pager is still taking down, by the
	 * pager's number. */
	struct account **dying;
	uint32_t dying_count;
};

/* What a new segment is to be. */
struct segment_wish {
	const char *name;		/* "" for a private one */
	uid_t uid;
	gid_t gid;
	unsigned mode;
	unsigned order;
	uint64_t page_count;
	struct account *account;	/* pays; borrowed */
	struct account *owner;		/* the uid's; borrowed */
	bool can_wait;			/* for others to be taken down */
};

int segments_init(struct segments *ss, struct engine *engine,
		  struct accounts *accounts, const struct config *config)
	MUST_CHECK;
void segments_fini(struct segments *ss);

/* Returns 0; or -errno, with a line in ret_reason: -EDQUOT, -ENOSPC, -EAGAIN
 * (too many segments), -EMFILE, -EINVAL (page size too large for the pool),
 * -ENOMEM.  -EINPROGRESS, without a line, only where wish->can_wait: there will
 * be room when what is being taken down has gone.  Not from inside pager
 * calls. */
int segments_add(struct segments *ss, const struct segment_wish *wish,
		 struct segment **ret_segment, char *ret_reason,
		 size_t reason_size) MUST_CHECK;

/* Take the name away.  The segment goes at once when nobody has attached it. */
void segments_unlink(struct segments *ss, struct segment *segment);

/* The segment goes when it is private or unlinked and nobody has attached it
 * any more.  Not from inside pager calls. */
void segments_drop_unused(struct segments *ss, struct segment *segment);

struct segment *segments_find_name(const struct segments *ss,
				   const char *name);
struct segment *segments_find_id(const struct segments *ss, uint32_t id);

/* NULL when it is being taken down. */
struct segment *segments_find_pager_id(const struct segments *ss,
				       segment_id id);

/* As pager_callbacks.segment_gone. */
void segments_gone(struct segments *ss, segment_id id);

/* A name that may be given: 1 to 255 bytes, no '/' or control characters. */
bool segment_name_is_valid(const char *name);

/* log2 of 4 KiB units for a page size in bytes, or -EINVAL. */
int segment_order(uint32_t page_bytes) MUST_CHECK;

static inline uint64_t segment_page_bytes(const struct segment *segment)
{
	return (uint64_t)PAGER_UNIT_BYTES << segment->order;
}

static inline uint64_t segment_length(const struct segment *segment)
{
	return segment->page_count * segment_page_bytes(segment);
}

/* Do pages [first, first + count) lie inside?  Any numbers may be given. */
static inline bool segment_has_range(const struct segment *segment,
				     uint64_t first, uint64_t count)
{
	return first <= segment->page_count &&
	       count <= segment->page_count - first;
}

#endif
