/* SPDX-License-Identifier: MIT */
/* Attaches segments as regions, and unmaps regions: see attach.h. */
#include "client/fault/attach.h"
#include "client/region/mapping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- a segment comes */

/* log2 of a page size that the protocol allows; else 0. */
static unsigned page_shift(uint32_t page_bytes)
{
	static const unsigned orders[] = { PAGE_ORDER_4K, PAGE_ORDER_16K,
					   PAGE_ORDER_64K, PAGE_ORDER_2M };

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		if (page_bytes == (uint32_t)UFFD_UNIT_BYTES << orders[i])
			return 12 + orders[i];
	return 0;
}

/* True if the reply describes a segment, and, for a private one, the segment
 * that was asked for. */
static bool is_sound(const struct command *c, const Memd__SegmentReply *reply)
{
	return page_shift(reply->page_bytes) != 0 && reply->segment != 0 &&
	       reply->length_bytes != 0 &&
	       reply->length_bytes <= SEGMENT_BYTES_MAX &&
	       reply->length_bytes % reply->page_bytes == 0 &&
	       (c->kind != COMMAND_MAP || c->is_read_only ||
		!reply->read_only) &&
	       (c->kind != COMMAND_MAP || c->name[0] != '\0' ||
		(reply->page_bytes == c->page_bytes &&
		 reply->length_bytes >= c->length));
}

/* Tell the daemon the address of the region.  It only shows the address to
 * administrators. */
static void tell_address(struct requests *rq, const struct region *r)
{
	Memd__SegmentMapped m = MEMD__SEGMENT_MAPPED__INIT;

	m.segment = atomic_load(&r->segment);
	m.address = r->start;
	(void)!link_send(&rq->session->link,
			 MEMD__MESSAGE_TYPE__TYPE_SEGMENT_MAPPED, 0, &m.base);
}

/* What came with a segment.  -1: it did not. */
struct segment_fds {
	int data, book;
};

/* Pages of 4 KiB only. */
static void add_book(struct space *sp, struct region *r,
		     const Memd__SegmentReply *reply, int fd)
{
	if (fd < 0 || reply->book_version != BOOK_VERSION ||
	    !reply->has_serial || r->is_read_only ||
	    region_page_bytes(r) != UFFD_UNIT_BYTES)
		return;
	r->serial = reply->serial;
	mapping_add_book(r, fd);
	atomic_store(&r->book, r->book_map);
	sp->has_books |= r->book_map != NULL;
}

static int make_region(struct requests *rq, struct command *c,
		       const Memd__SegmentReply *reply,
		       const struct segment_fds *fds)
{
	struct region *r;
	int err = regions_get(&rq->space->regions, &r);

	if (err != 0)
		return err;
	r->length = (size_t)reply->length_bytes;
	r->page_shift = page_shift(reply->page_bytes);
	r->is_inline = c->is_inline;
	r->is_read_only = c->is_read_only;
	memcpy(r->name, c->name, sizeof(r->name));
	atomic_store(&r->segment, reply->segment);
	add_book(rq->space, r, reply, fds->book);
	err = space_map(rq->space, r, fds->data);
	if (err != 0) {
		mapping_drop_book(r);
		regions_put(&rq->space->regions, r);
		return err;
	}
	c->ret_address = r->start;
	tell_address(rq, r);
	return 0;
}

static const char *map_error_text(int err)
{
	switch (err) {
	case -EPROTO:
		return "the daemon sent no proper data file";
	case -ENOMEM:
		return "no address space or too many mappings left "
		       "(sysctl vm.max_map_count, ulimit -v)";
	case -EAGAIN:
		return "mlockall(MCL_FUTURE) is on and RLIMIT_MEMLOCK is "
		       "too low for the region";
	case -EMFILE:
		return "no descriptor came with the segment (RLIMIT_NOFILE), "
		       "or too many regions";
	default:
		return errors_name(err);
	}
}

static void take_map(struct requests *rq, struct command *c,
		     const Memd__SegmentReply *reply,
		     const struct segment_fds *fds)
{
	const char *text = "";
	char other[128];
	int err;

	/* An attaching program may state the page size that it expects. */
	if (is_sound(c, reply) && c->page_bytes != 0 &&
	    c->page_bytes != reply->page_bytes) {
		snprintf(other, sizeof(other), "the segment has pages of %u "
			 "bytes, not of %u; ask for page_size 0 to take what "
			 "it has", reply->page_bytes, c->page_bytes);
		err = -EINVAL;
		text = other;
	} else {
		err = !is_sound(c, reply) ? -EPROTO :
		      fds->data < 0 ? -EMFILE :
		      make_region(rq, c, reply, fds);
		if (err != 0)
			text = map_error_text(err);
	}
	if (err != 0)
		session_send_detach(rq->session, reply->segment);
	c->ret_length = reply->length_bytes;
	request_finish(rq, c, err, text);
}

void attach_take_reply(struct requests *rq, uint64_t id,
		       const Memd__SegmentReply *reply)
{
	struct command *c = request_waiting(rq, id);
	struct segment_fds fds = { -1, -1 };

	if (session_request_kind(id) == REQUEST_ATTACH) {
		fds.data = link_take_fd(&rq->session->link);
		if (reply->has_book_version)
			fds.book = link_take_fd(&rq->session->link);
	}
	if (c != NULL && c->kind == COMMAND_MAP) {
		take_map(rq, c, reply, &fds);
	} else if (c != NULL && c->kind == COMMAND_REQUEST) {
		c->ret_length = reply->length_bytes;
		c->ret_page_bytes = reply->page_bytes;
		request_finish(rq, c, is_sound(c, reply) ? 0 : -EPROTO,
			       "the daemon sent no proper segment");
	} else if (fds.data >= 0) {	/* the command has ended: undo it */
		session_send_detach(rq->session, reply->segment);
	}
	if (fds.data >= 0)
		close(fds.data);
	if (fds.book >= 0)
		close(fds.book);
}

/* ---- a region goes */

void attach_unmap(struct paging *pg, struct direct *d, struct command *c)
{
	struct region *r = regions_find(&pg->space->regions, c->address);
	uint32_t segment;
	bool is_live;

	if (r == NULL || r->start != c->address) {
		command_finish(pg->commands, c, -EINVAL,
			       "no region starts at this address");
		return;
	}
	is_live = atomic_load(&r->state) == REGION_LIVE;
	segment = atomic_load(&r->segment);
	direct_withdraw(d, r);
	paging_forget_region(pg, r);
	space_unmap(pg->space, r);
	/* If the region is joining, this is done when the reply comes
	 * (rejoin.c). */
	if (is_live)
		session_send_detach(pg->session, segment);
	command_finish(pg->commands, c, 0, "");
}
