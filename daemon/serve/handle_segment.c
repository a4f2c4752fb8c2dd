/* SPDX-License-Identifier: MIT */
/* Segments: create, attach, detach, map, unlink. */
#include "daemon/serve/serve.h"
#include "daemon/keeper/keeper.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/serve_messages.h"
#include "daemon/system/names.h"
#include "daemon/system/system.h"

#include "common/log.h"
#include "common/units.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- replies */

static void fill_reply(const struct segment *segment, bool is_read_only,
		       Memd__SegmentReply *reply)
{
	memd__segment_reply__init(reply);
	reply->segment = segment->id;
	reply->length_bytes = segment_length(segment);
	reply->page_bytes = (uint32_t)segment_page_bytes(segment);
	reply->has_read_only = true;
	reply->read_only = is_read_only;
}

static void reply_unattached(struct conn *c, uint64_t id,
			     const struct segment *segment)
{
	Memd__SegmentReply reply;

	fill_reply(segment, false, &reply);
	conn_send(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_REPLY, id, &reply.base);
}

/* Returns 0, or -errno: then nothing was sent. */
static int reply_attached(struct serve *sv, struct conn *c, uint64_t id,
			  const struct segment *segment, bool is_read_only)
{
	Memd__SegmentReply reply;
	unsigned count = 1;
	int fds[2];
	int fd = is_read_only ?
		backing_open_read_only(sv->engine->backing, segment->pager_id) :
		backing_fd(sv->engine->backing, segment->pager_id);

	if (fd < 0)
		return fd;
	fill_reply(segment, is_read_only, &reply);
	fds[0] = fd;
	if (c->session->desk != NULL && !is_read_only &&
	    segment->book.entries != NULL) {
		reply.has_book_version = reply.has_serial = true;
		reply.book_version = BOOK_VERSION;
		reply.serial = segment->serial;
		fds[count++] = segment->book.fd;
	}
	conn_send_fds(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_REPLY, id,
		      &reply.base, fds, count);
	if (is_read_only)
		close(fd);
	return 0;
}

/* Attach and reply.  Returns 0, or -errno if the reply is an Error. */
static int attach(struct serve *sv, struct conn *c, uint64_t id,
		  struct segment *segment, bool is_read_only)
{
	struct attachment *a;
	int err;

	if (segment->is_spoiled) {
		conn_send_error(c, id, -EIO, "segment \"%s\": its data file "
				"was written to past memd, its bytes cannot "
				"be trusted; unlink it and make it again",
				segment->name);
		return -EIO;
	}
	/* K1 of keeper.h: a program may map shared memory only if memd has
	 * copies of its userfaultfds.  Else its death would leave zeros in the
	 * memory. */
	if (segment->name[0] != '\0' && sv->keeper->is_on &&
	    LIST_EMPTY(&c->session->copies)) {
		conn_send_error(c, id, -EPERM, "memd has no copy of this "
				"program's userfaultfd (message Userfaultfd): "
				"its libmemclient is older than memd");
		return -EPERM;
	}
	err = session_attach(c->session, segment, is_read_only, &a);
	if (err == -EDQUOT)
		conn_send_error(c, id, err, "this session has %u segments "
				"attached, as many as session_segments allows; "
				"map fewer and divide them, or make that "
				"larger in memd.conf",
				c->session->attached_count);
	else if (err != 0)
		conn_send_error(c, id, err, "attach: %s", strerror(-err));
	if (err != 0)
		return err;
	err = reply_attached(sv, c, id, segment, is_read_only);
	if (err == 0)
		return 0;
	conn_send_error(c, id, err, "attach: data file: %s", strerror(-err));
	session_detach(c->session, a);
	return err;
}

/* Attach the segment that the same request has created, or remove it again. */
static void attach_new(struct serve *sv, struct conn *c, uint64_t id,
		       struct segment *segment)
{
	uint32_t number = segment->id;

	if (attach(sv, c, id, segment, false) == 0)
		return;
	/* A private segment has gone with its last attachment. */
	segment = segments_find_id(&sv->segments, number);
	if (segment != NULL)
		segments_unlink(&sv->segments, segment);
}

/* ---- create */

static int check_mapper(struct serve *sv, struct conn *c, uint64_t id)
{
	if (c->session->is_admin_only) {
		conn_send_error(c, id, -EPERM, "this session was opened for "
				"administration only");
		return -EPERM;
	}
	if (!server_has_descriptors(sv->server, RESERVE_FOR_CONNECTIONS)) {
		conn_send_error(c, id, -EMFILE, "memd has no descriptor left; "
				"raise its LimitNOFILE");
		return -EMFILE;
	}
	return 0;
}

/* Find the group of a new segment: the client must be a member of it. */
static int find_segment_group(const struct serve *sv, struct conn *c,
			      uint64_t id, const char *text, gid_t *ret_gid)
{
	int err;

	if (text == NULL || text[0] == '\0') {
		*ret_gid = c->peer.gid;
		return 0;
	}
	err = strlen(text) > WIRE_NAME_BYTES_MAX ? -EINVAL :
		sv->is_embedded ? system_find_group(text, ret_gid) :
					 names_find_group(text, ret_gid);
	if (err == -EAGAIN) {
		conn_send_error(c, id, err, "group \"%.64s\" is being looked "
				"up; ask again, or give its number", text);
		return err;
	}
	if (err != 0) {
		conn_send_error(c, id, -EINVAL, "no group \"%.64s\" here; "
				"give its number", text);
		return -EINVAL;
	}
	if (c->peer.uid != 0 && !peer_is_in_group(&c->peer, *ret_gid)) {
		conn_send_error(c, id, -EPERM, "uid %u is not a member of "
				"group %s", c->peer.uid, text);
		return -EPERM;
	}
	return 0;
}

static const char *find_fault(const Memd__SegmentCreate *create,
			      const char *name)
{
	if (create->length_bytes == 0)
		return "length_bytes is 0; ask for at least one byte";
	if (create->length_bytes > SEGMENT_BYTES_MAX)
		return "length_bytes is more than 16 TiB";
	if (segment_order(create->page_bytes) < 0)
		return "page_bytes must be 4096, 16384, 65536 or 2097152";
	if (create->mode > 0777)
		return "mode has bits other than 0777";
	if (name[0] != '\0' && !segment_name_is_valid(name))
		return "a name has 1 to 255 bytes, no '/' and no control "
		       "characters";
	if (name[0] == '\0' && !create->attach)
		return "a private segment must be attached at once, or nobody "
		       "could ever use it";
	return NULL;
}

static void use_existing(struct serve *sv, struct conn *c, uint64_t id,
			 const Memd__SegmentCreate *create,
			 const struct segment_wish *wish,
			 struct segment *segment)
{
	unsigned want = create->attach ? PEER_READ | PEER_WRITE : PEER_READ;

	if (create->exclusive)
		conn_send_error(c, id, -EEXIST, "segment \"%s\" exists",
				wish->name);
	else if (!peer_may(&c->peer, segment->uid, segment->gid,
			   segment->mode, want))
		conn_send_error(c, id, -EACCES, "segment \"%s\" exists and "
				"belongs to uid %u with mode %04o", wish->name,
				segment->uid, segment->mode);
	else if (segment->page_count != wish->page_count ||
		 segment->order != wish->order)
		conn_send_error(c, id, -EEXIST, "segment \"%s\" exists with "
				"%llu bytes in pages of %llu", wish->name,
				(unsigned long long)segment_length(segment),
				(unsigned long long)
				segment_page_bytes(segment));
	else if (create->attach)
		(void)attach(sv, c, id, segment, false);
	else
		reply_unattached(c, id, segment);
}

static void create_new(struct serve *sv, struct conn *c, uint64_t id,
		       const Memd__SegmentCreate *create,
		       const struct segment_wish *wish)
{
	struct segment *segment;
	char reason[512], size[16], name[WIRE_NAME_BYTES_MAX + 1];
	int err = segments_add(&sv->segments, wish, &segment, reason,
			       sizeof(reason));

	/* Segments of programs that were killed wait for the kernel, and are
	 * charged meanwhile.  The tick tries again. */
	if (err == -ENOSPC && !TAILQ_EMPTY(&sv->segments.lingering) &&
	    keeper_has_lately_ended(sv->keeper))
		err = -EINPROGRESS;
	if (err == -EINPROGRESS) {
		const struct map_handler again = { handle_segment_create, sv };

		err = map_wait_add(&sv->map_waits, c, id, &again,
				   &create->base);
		if (err == 0)
			return;
		snprintf(reason, sizeof(reason), "%s", err == -ENOMEM ?
			 "memd has no memory for the request" :
			 "too many requests wait; try again later");
	}
	if (err != 0) {
		conn_send_error(c, id, err, "%s", reason);
		return;
	}
	log_event(LOG_LEVEL_DEBUG, "segment-create",
		  "segment=%u name=\"%s\" session=%u size=%s page=%llu",
		  segment->id,
		  system_printable(segment->name, name, sizeof(name)),
		  c->session->id,
		  units_format_size(segment_length(segment), size,
				    sizeof(size)),
		  (unsigned long long)segment_page_bytes(segment));
	if (create->attach)
		attach_new(sv, c, id, segment);
	else
		reply_unattached(c, id, segment);
}

void handle_segment_create(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__SegmentCreate *create = message;
	const char *name = create->name != NULL ? create->name : "";
	const char *fault = find_fault(create, name);
	struct account *uid_account = c->session->account->parent;
	struct segment_wish wish = { .name = name, .uid = c->peer.uid,
				     .mode = create->mode,
				     .owner = uid_account };
	struct segment *existing = NULL;

	if (fault != NULL) {
		conn_send_error(c, id, -EINVAL, "SegmentCreate: %s", fault);
		return;
	}
	if (check_mapper(sv, c, id) != 0 ||
	    find_segment_group(sv, c, id, create->group, &wish.gid) != 0)
		return;
	wish.order = (unsigned)segment_order(create->page_bytes);
	wish.page_count = DIV_ROUND_UP(create->length_bytes,
				       create->page_bytes);
	wish.account = name[0] != '\0' ? uid_account : c->session->account;
	if (name[0] != '\0')
		existing = segments_find_name(&sv->segments, name);
	if (existing != NULL)
		use_existing(sv, c, id, create, &wish, existing);
	else
		create_new(sv, c, id, create, &wish);
}

/* ---- the rest */

static struct segment *find_named(struct serve *sv, struct conn *c,
				  uint64_t id, const char *name)
{
	struct segment *segment;

	if (!segment_name_is_valid(name)) {
		conn_send_error(c, id, -EINVAL, "a name has 1 to 255 bytes, "
				"no '/' and no control characters");
		return NULL;
	}
	segment = segments_find_name(&sv->segments, name);
	if (segment == NULL)
		conn_send_error(c, id, -ENOENT, "no segment has the name "
				"\"%s\"", name);
	return segment;
}

void handle_segment_attach(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__SegmentAttach *request = message;
	unsigned want = request->read_only ? PEER_READ :
					     PEER_READ | PEER_WRITE;
	struct segment *segment;

	if (check_mapper(sv, c, id) != 0)
		return;
	segment = find_named(sv, c, id, request->name);
	if (segment == NULL)
		return;
	if (!peer_may(&c->peer, segment->uid, segment->gid, segment->mode,
		      want)) {
		conn_send_error(c, id, -EACCES, "segment \"%s\" belongs to "
				"uid %u, gid %u with mode %04o, which does "
				"not let uid %u %s it", segment->name,
				segment->uid, segment->gid, segment->mode,
				c->peer.uid,
				request->read_only ? "read" : "write");
		return;
	}
	(void)attach(sv, c, id, segment, request->read_only);
}

void handle_segment_detach(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	const Memd__SegmentDetach *request = message;
	struct attachment *a = session_find(c->session, request->segment);

	(void)room;
	if (a == NULL) {
		conn_send_error(c, id, -EINVAL, "segment %u is not attached "
				"by this session", request->segment);
		return;
	}
	session_detach(c->session, a);
	conn_send_ok(c, id);
}

void handle_segment_mapped(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	const Memd__SegmentMapped *mapped = message;
	struct attachment *a = session_find(c->session, mapped->segment);

	(void)room;
	(void)id;
	if (a != NULL)
		a->address = mapped->address;
}

static bool is_owner(const struct conn *c, const struct segment *segment)
{
	return !c->peer.is_remote && c->peer.uid == segment->uid;
}

static bool may_unlink(const struct conn *c, const struct segment *segment)
{
	return is_owner(c, segment) || c->is_admin;
}

/* A program that unlinks its own segment is not worth a notice. */
static void log_unlink(const struct conn *c, const struct segment *segment)
{
	bool is_own = is_owner(c, segment) && !c->session->is_admin_only;
	char name[WIRE_NAME_BYTES_MAX + 1];

	log_event(is_own ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE,
		  "segment-unlink", "by_uid=%u by_session=%u segment=%u "
		  "name=\"%s\" uid=%u attached=%u", c->peer.uid,
		  c->session->id, segment->id,
		  system_printable(segment->name, name, sizeof(name)),
		  segment->uid, segment->attached_count);
}

void handle_segment_unlink(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__SegmentUnlink *request = message;
	Memd__SegmentUnlinkReply reply = MEMD__SEGMENT_UNLINK_REPLY__INIT;
	struct segment *segment = find_named(sv, c, id, request->name);

	if (segment == NULL)
		return;
	if (!may_unlink(c, segment)) {
		conn_send_error(c, id, -EACCES, "segment \"%s\" belongs to "
				"uid %u; only that user and administrators "
				"may unlink it", segment->name, segment->uid);
		return;
	}
	log_unlink(c, segment);
	reply.segment = segment->id;
	reply.length_bytes = segment_length(segment);
	reply.attached = segment->attached_count;
	segments_unlink(&sv->segments, segment);
	if (request->count)
		conn_send(c, MEMD__MESSAGE_TYPE__TYPE_SEGMENT_UNLINK_REPLY, id,
			  &reply.base);
	else
		conn_send_ok(c, id);
}
