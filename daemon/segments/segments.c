/* SPDX-License-Identifier: MIT */
#include "daemon/segments/segments.h"

#include "common/units.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>

int segments_init(struct segments *ss, struct engine *engine,
		  struct accounts *accounts, const struct config *config)
{
	size_t most = (size_t)config->max_segments + 1;

	*ss = (struct segments){ .engine = engine, .accounts = accounts,
				 .config = config, .next_id = 1 };
	TAILQ_INIT(&ss->all);
	TAILQ_INIT(&ss->lingering);
	/* Serials seed the checksums.  They start at random, so that bytes
	 * an earlier memd has left on the disk do not match. */
	system_random(&ss->next_serial, sizeof(ss->next_serial));
	system_random(&ss->name_key, sizeof(ss->name_key));
	ss->by_pager_id = calloc(most, sizeof(struct segment *));
	ss->dying = calloc(most, sizeof(*ss->dying));
	if (ss->by_pager_id != NULL && ss->dying != NULL)
		return 0;
	segments_fini(ss);
	return -ENOMEM;
}

void segments_fini(struct segments *ss)
{
	free(ss->by_pager_id);
	free(ss->dying);
	ss->by_pager_id = NULL;
	ss->dying = NULL;
}

bool segment_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > WIRE_NAME_BYTES_MAX)
		return false;
	for (; *name != '\0'; name++)
		if ((unsigned char)*name < ' ' || *name == '/' ||
		    *name == 0x7f)
			return false;
	return true;
}

int segment_order(uint32_t page_bytes)
{
	switch (page_bytes) {
	case 4u << 10:
		return PAGE_ORDER_4K;
	case 16u << 10:
		return PAGE_ORDER_16K;
	case 64u << 10:
		return PAGE_ORDER_64K;
	case 2u << 20:
		return PAGE_ORDER_2M;
	default:
		return -EINVAL;
	}
}

static struct checksum sum_name(const struct segments *ss, const char *name)
{
	return checksum_of(&ss->name_key, name, strlen(name));
}

struct segment *segments_find_name(const struct segments *ss, const char *name)
{
	struct checksum sum = sum_name(ss, name);
	struct segment *segment;

	HASH_FIND(by_name, ss->by_name, &sum, sizeof(sum), segment);
	return segment;
}

struct segment *segments_find_id(const struct segments *ss, uint32_t id)
{
	struct segment *segment;

	HASH_FIND(by_id, ss->by_id, &id, sizeof(id), segment);
	return segment;
}

struct segment *segments_find_pager_id(const struct segments *ss,
				       segment_id id)
{
	ASSERT(id <= ss->config->max_segments);
	return ss->by_pager_id[id];
}

static uint32_t take_segment_id(struct segments *ss)
{
	uint32_t id;

	do
		id = ss->next_id++;
	while (id == 0 || segments_find_id(ss, id) != NULL);
	return id;
}

/* ---- explaining errors */

static void explain_no_room(const struct segments *ss,
			    const struct segment_wish *wish, int err,
			    char *text, size_t size)
{
	uint64_t bytes = wish->page_count * PAGER_UNIT_BYTES << wish->order;
	char want[16], used[16], limit[16];
	struct pager_stats stats;

	switch (err) {
	case -EDQUOT:
		account_explain(ss->accounts, wish->account, bytes, text,
				size);
		return;
	case -ENOSPC:
		pager_stats_get(ss->engine->pager, &stats);
		snprintf(text, size, "no room for %s: %s of %s are committed; "
			 "make swap_size larger",
			 units_format_size(bytes, want, sizeof(want)),
			 units_format_size(stats.committed_units *
					   PAGER_UNIT_BYTES,
					   used, sizeof(used)),
			 units_format_size(stats.commit_limit_units *
					   PAGER_UNIT_BYTES,
					   limit, sizeof(limit)));
		return;
	case -EINVAL:
		snprintf(text, size, "pages of %s need a pool of %s or more "
			 "and staging_size of 8M or more",
			 units_format_size((uint64_t)PAGER_UNIT_BYTES <<
					   wish->order, want, sizeof(want)),
			 units_format_size((uint64_t)PAGER_UNIT_BYTES * 16 <<
					   wish->order, limit, sizeof(limit)));
		return;
	case -EAGAIN:
		snprintf(text, size, "there are %u segments, as many as "
			 "max_segments allows; try again later, or make that "
			 "larger in memd.conf", ss->count);
		return;
	case -EMFILE:
		snprintf(text, size, "%u segments, a descriptor each, are as "
			 "many as RLIMIT_NOFILE allows; make that larger "
			 "(LimitNOFILE= of the unit, ulimit -n), or map fewer "
			 "and divide them", ss->count);
		return;
	case -ENOMEM:
		snprintf(text, size, "no memory for segment %u, or more "
			 "mappings than vm.max_map_count allows (sysctl)",
			 ss->count + 1);
		return;
	default:
		snprintf(text, size, "cannot make the segment: %s",
			 strerror(-err));
	}
}

/* Whether there will be room when the segments that are being removed are
 * gone. */
static bool is_room_coming(const struct segments *ss,
			   const struct segment_wish *wish)
{
	return pager_segment_will_fit(ss->engine->pager, wish->page_count,
				      wish->order, wish->account->id);
}

static int check_counts(const struct segments *ss,
			const struct segment_wish *wish, char *ret_reason,
			size_t reason_size)
{
	if (ss->count + ss->dying_count >= ss->config->max_segments) {
		if (ss->count < ss->config->max_segments &&
		    is_room_coming(ss, wish))
			return -EINPROGRESS;
		explain_no_room(ss, wish, -EAGAIN, ret_reason, reason_size);
		return -EAGAIN;
	}
	/* Locked pages keep their frames: their user must not get more. */
	if (flights_is_blamed(backing_flights(ss->engine->backing),
			      wish->uid)) {
		snprintf(ret_reason, reason_size, "a write(2) to the data file "
			 "of a segment of uid %u does not end; end the program "
			 "that does it (memd's log has its pid), then try "
			 "again", wish->uid);
		return -EAGAIN;
	}
	if (areas_are_held_up(&ss->engine->areas, wish->account->uid)) {
		snprintf(ret_reason, reason_size, "a program does not end its "
			 "read of a swap file that uid %u uses no more; end "
			 "that program (memd's log has the file's inode), "
			 "then try again", wish->account->uid);
		return -EAGAIN;
	}
	if (wish->owner->segment_count >= ss->config->uid_segments) {
		snprintf(ret_reason, reason_size, "uid %u has %u segments, "
			 "as many as uid_segments allows; map fewer and "
			 "divide them, or make that larger in memd.conf",
			 wish->uid,
			 wish->owner->segment_count);
		return -EDQUOT;
	}
	return 0;
}

/* ---- adding and removing */

/* Have the pager remove the segment.  That may take a while; until then the
 * account is charged and must exist, and so must its book, and its area, whose
 * hold is taken. */
static void segment_take_down(struct segments *ss, segment_id id,
			      struct account *account, struct area *area,
			      const struct book_file *book)
{
	account_hold(account);
	ss->dying[id].account = account;
	ss->dying[id].area = area;
	ss->dying[id].book = *book;
	ss->dying_count++;
	pager_segment_destroy(ss->engine->pager, id);
	ss->engine->wants_run = true;
}

/* Private segments that are smaller share the area of their session, so that
 * not each has files.  The others have their own: when they go, so do all their
 * files. */
enum { OWN_AREA_UNITS = 4096 };

static bool gets_own_area(const struct segment_wish *wish)
{
	return wish->name[0] != '\0' || wish->account->session == 0 ||
	       wish->page_count << wish->order >= OWN_AREA_UNITS;
}

/* Have room for the segment in an area, which is held in *ret_area; NULL: the
 * store has none. */
static int find_area(struct segments *ss, const struct segment_wish *wish,
		     struct area **ret_area, char *ret_reason,
		     size_t reason_size)
{
	bool is_own = gets_own_area(wish);
	struct area **place = is_own ? &wish->account->next_area :
				       &wish->account->area;
	int err;

	*ret_area = NULL;
	if (!areas_are_used(&ss->engine->areas))
		return 0;
	if (*place == NULL)
		*place = area_create(&ss->engine->areas,
				     wish->account->uid);
	if (*place == NULL)
		return -ENOMEM;
	err = area_make_room(*place, wish->page_count << wish->order,
			     ret_reason, reason_size);
	if (err == 0)
		*ret_area = *place;
	if (err == 0 && is_own)
		*place = NULL;	/* its hold goes to the segment */
	else if (err == 0)
		area_hold(*place);
	return err;
}

/* Let programs fault in its pages by themselves.  Without a book only memd
 * does. */
static void publish_book(struct segments *ss, struct segment *segment,
		     unsigned order, uint64_t page_count)
{
	if (strcmp(ss->config->one_sided, "yes") != 0 || order != 0 ||
	    segment->area == NULL ||
	    book_file_create(page_count, &segment->book) != 0)
		return;
	ss->book_count++;
	pager_segment_publish(ss->engine->pager, segment->pager_id,
			      segment->book.entries);
}

static int add_to_pager(struct segments *ss, const struct segment_wish *wish,
			struct segment *segment)
{
	area_id area = segment->area != NULL ? segment->area->id : 0;
	char file_name[64];
	int err = pager_segment_create(ss->engine->pager, ss->next_serial,
				       wish->page_count, wish->order,
				       wish->account->id, area,
				       &segment->pager_id);

	if (err != 0)
		return err;
	segment->serial = ss->next_serial++;
	snprintf(file_name, sizeof(file_name), "memd:%.56s",
		 wish->name[0] != '\0' ? wish->name : "private");
	err = backing_add(ss->engine->backing, segment->pager_id,
			  wish->page_count * PAGER_UNIT_BYTES << wish->order,
			  wish->uid, file_name);
	if (err != 0) {
		segment_take_down(ss, segment->pager_id, wish->account,
				  segment->area, &segment->book);
		segment->area = NULL;
		return err;
	}
	publish_book(ss, segment, wish->order, wish->page_count);
	return 0;
}

/* With HASH_NONFATAL_OOM, an item is not in the table if there was no
 * memory. */
static bool add_to_hashes(struct segments *ss, struct segment *segment)
{
	HASH_ADD(by_id, ss->by_id, id, sizeof(segment->id), segment);
	if (segments_find_id(ss, segment->id) != segment)
		return false;
	if (segment->name[0] == '\0')
		return true;
	segment->name_sum = sum_name(ss, segment->name);
	HASH_ADD(by_name, ss->by_name, name_sum, sizeof(segment->name_sum),
		 segment);
	if (segments_find_name(ss, segment->name) == segment)
		return true;
	HASH_DELETE(by_id, ss->by_id, segment);
	return false;
}

static void forget_name(struct segments *ss, struct segment *segment)
{
	if (segment->name[0] != '\0' && !segment->is_unlinked)
		HASH_DELETE(by_name, ss->by_name, segment);
	segment->is_unlinked = true;
}

/* Returns 0, or an error that is explained, or -EINPROGRESS. */
static int make_segment(struct segments *ss, const struct segment_wish *wish,
			struct segment *segment, char *ret_reason,
			size_t reason_size)
{
	int err = pager_segment_try(ss->engine->pager, wish->page_count,
				    wish->order, wish->account->id);

	ret_reason[0] = '\0';
	if (err == 0)
		err = find_area(ss, wish, &segment->area, ret_reason,
				reason_size);
	if (err == 0)
		err = add_to_pager(ss, wish, segment);
	if (err != 0 && segment->area != NULL)
		area_put(segment->area);
	if ((err == -ENOSPC || err == -EDQUOT) && is_room_coming(ss, wish))
		err = -EINPROGRESS;
	if (err != 0 && err != -EINPROGRESS)
		account_drop_next_area(wish->account);
	if (err != 0 && err != -EINPROGRESS && ret_reason[0] == '\0')
		explain_no_room(ss, wish, err, ret_reason, reason_size);
	return err;
}

int segments_add(struct segments *ss, const struct segment_wish *wish,
		 struct segment **ret_segment, char *ret_reason,
		 size_t reason_size)
{
	struct segment *segment;
	int err = check_counts(ss, wish, ret_reason, reason_size);

	if (err != 0)
		return err;
	segment = calloc(1, sizeof(*segment));
	if (segment == NULL) {
		explain_no_room(ss, wish, -ENOMEM, ret_reason, reason_size);
		return -ENOMEM;
	}
	err = make_segment(ss, wish, segment, ret_reason, reason_size);
	if (err != 0) {
		free(segment);
		return err;
	}
	segment->id = take_segment_id(ss);
	snprintf(segment->name, sizeof(segment->name), "%s", wish->name);
	if (!add_to_hashes(ss, segment)) {
		segment_take_down(ss, segment->pager_id, wish->account,
				  segment->area, &segment->book);
		explain_no_room(ss, wish, -ENOMEM, ret_reason, reason_size);
		free(segment);
		return -ENOMEM;
	}
	segment->uid = wish->uid;
	segment->gid = wish->gid;
	segment->mode = wish->mode;
	segment->order = wish->order;
	segment->page_count = wish->page_count;
	segment->account = wish->account;
	segment->owner = wish->owner;
	account_hold(segment->account);
	account_hold(segment->owner);
	segment->owner->segment_count++;
	LIST_INIT(&segment->attachments);
	LIST_INIT(&segment->desk_users);
	TAILQ_INSERT_TAIL(&ss->all, segment, link);
	ss->by_pager_id[segment->pager_id] = segment;
	ss->count++;
	*ret_segment = segment;
	return 0;
}

static void segment_destroy(struct segments *ss, struct segment *segment)
{
	segment_id id = segment->pager_id;

	forget_name(ss, segment);
	HASH_DELETE(by_id, ss->by_id, segment);
	TAILQ_REMOVE(segment->is_lingering ? &ss->lingering : &ss->all,
		     segment, link);
	ss->by_pager_id[id] = NULL;
	ss->count--;
	segment->owner->segment_count--;
	account_put(ss->accounts, segment->owner);
	segment_take_down(ss, id, segment->account, segment->area,
			  &segment->book);
	account_put(ss->accounts, segment->account);
	free(segment);
}

void segments_gone(struct segments *ss, segment_id id)
{
	struct dying_segment gone = ss->dying[id];

	ASSERT(gone.account != NULL);
	ss->dying[id] = (struct dying_segment){ 0 };
	ss->dying_count--;
	ss->book_count -= gone.book.entries != NULL;
	if (gone.book.entries != NULL)
		areas_drop_memory(&ss->engine->areas, gone.book.entries,
				  gone.book.length_bytes, gone.book.fd);
	if (gone.area != NULL)
		area_put(gone.area);
	account_put(ss->accounts, gone.account);
}

void segments_drop_unused(struct segments *ss, struct segment *segment)
{
	bool is_private = segment->name[0] == '\0';

	if (segment->attached_count != 0 ||
	    !(is_private || segment->is_unlinked) || segment->is_lingering)
		return;
	if (ss->may_go == NULL || ss->may_go(ss->ctx, segment)) {
		segment_destroy(ss, segment);
		return;
	}
	TAILQ_REMOVE(&ss->all, segment, link);
	TAILQ_INSERT_TAIL(&ss->lingering, segment, link);
	segment->is_lingering = true;
}

void segments_retry(struct segments *ss, bool is_forced)
{
	struct segment *segment, *next;

	for (segment = TAILQ_FIRST(&ss->lingering); segment != NULL;
	     segment = next) {
		next = TAILQ_NEXT(segment, link);
		if (ss->may_go(ss->ctx, segment) || is_forced)
			segment_destroy(ss, segment);
	}
}

void segments_unlink(struct segments *ss, struct segment *segment)
{
	forget_name(ss, segment);
	segments_drop_unused(ss, segment);
}
