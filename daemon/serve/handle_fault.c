/* SPDX-License-Identifier: MIT */
/* Faults and touches: from messages to the pager, and the pager's answers back
 * to the clients. */
#include "daemon/net/awake.h"
#include "daemon/serve/area_users.h"
#include "daemon/serve/serve.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/serve_messages.h"
#include "daemon/serve/paging.h"

#include "common/clock.h"
#include <errno.h>
#include <string.h>

/* Most pages of one Touched message that the pager looks at. */
enum {
	TOUCHED_PAGES_MAX = 4096,
	TOUCHED_IN_CELL_MAX = 64,	/* in a cell: many cells are handled in
					 * a row */
	TOUCHED_PER_FAULT = 64,		/* this many cost as much as one
					 * fault */
};

/* ---- faults */

/* Who asked, and where the answer goes. */
struct fault_asker {
	struct conn *conn;
	uint64_t id;
	bool is_in_cell;
	uint8_t cell;
};

static void reply_fault(const struct fault_asker *by, uint32_t segment_number,
			const struct fault *f)
{
	Memd__FaultReply reply = MEMD__FAULT_REPLY__INIT;

	reply.segment = segment_number;
	reply.page = f->page;
	if (f->error != 0) {
		reply.has_error = true;
		reply.error = (uint32_t)-f->error;
	} else {
		reply.has_first = true;
		reply.first = f->first;
		reply.has_count = true;
		reply.count = f->count;
		reply.has_mark = f->mark != PAGER_NO_PAGE;
		reply.mark = f->mark;
	}
	if (by->is_in_cell)
		mailbox_answer(&by->conn->session->mailbox, by->cell,
			       MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY, by->id,
			       &reply.base);
	else
		conn_send(by->conn, MEMD__MESSAGE_TYPE__TYPE_FAULT_REPLY,
			  by->id, &reply.base);
}

static void refuse_fault(const struct fault_asker *by, uint32_t segment_number,
			 uint64_t page, int error)
{
	const struct fault f = {
		.page = page,
		.mark = PAGER_NO_PAGE,
		.error = error,
	};

	by->conn->all->stats->faults_refused++;
	reply_fault(by, segment_number, &f);
}

/* The session to tell about pages that are read ahead; 0: the client does not
 * understand Ready. */
static uint32_t tag_of(const struct session *s)
{
	return s->capabilities & MEMD__CAPABILITY__CAP_READY ? s->id : 0;
}

/* From here to trace_end_call() the pager may say which pages were used. */
static void trace_begin_call(struct serve *sv, const struct attachment *a,
			     uint64_t page)
{
	sv->asking = trace_has_readers(&sv->trace) ? a : NULL;
	sv->asked_page = page;
}

static void trace_end_call(struct serve *sv)
{
	sv->asking = NULL;
}

static void ask_pager(struct serve *sv, const struct fault_asker *by,
		      const struct attachment *a, uint64_t page,
		      uint64_t now_ns)
{
	struct conn *c = by->conn;
	struct client_fault *cf = NULL;

	if (c->session->faults_waiting < sv->config->session_faults)
		cf = client_faults_get(&sv->faults, c);
	if (cf == NULL) {
		refuse_fault(by, a->segment_number, page, -EBUSY);
		return;
	}
	cf->fault.segment = a->segment->pager_id;
	cf->fault.client = tag_of(c->session);
	cf->fault.page = page;
	cf->request_id = by->id;
	cf->is_in_cell = by->is_in_cell;
	cf->cell = by->cell;
	cf->segment_number = a->segment_number;
	cf->pid = c->peer.pid;
	cf->session = c->session->id;
	c->session->faults_waiting++;
	trace_begin_call(sv, a, page);
	pager_fault(sv->engine->pager, &cf->fault, now_ns);
	trace_end_call(sv);
	engine_wake(sv->engine);
}

/* fault->access is ignored: the pager finds out by checksum which pages were
 * written. */
static void ask_pages(struct serve *sv, const struct fault_asker *by,
		      const Memd__Fault *fault)
{
	const struct attachment *a = session_find(by->conn->session,
						  fault->segment);
	uint64_t now_ns = clock_now_ns();

	/* What the program has done by itself says in which order it reads. */
	if (by->conn->session->desk != NULL)
		desks_serve(by->conn->session->desk);
	sv->stats->faults_asked += fault->n_page;
	for (size_t i = 0; i < fault->n_page; i++) {
		uint64_t page = fault->page[i];

		if (a == NULL || page >= a->segment->page_count)
			refuse_fault(by, fault->segment, page, -EFAULT);
		else
			ask_pager(sv, by, a, page, now_ns);
	}
	awake_note_paging(sv->awake);
}

void handle_fault(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__Fault *fault = message;
	const struct fault_asker by = { .conn = c, .id = id };

	if (fault->n_page == 0 || fault->n_page > WIRE_FAULTS_MAX) {
		conn_refuse(c, id, -EPROTO, "Fault asks for %zu pages; "
			    "1 to %d are allowed", fault->n_page,
			    WIRE_FAULTS_MAX);
		return;
	}
	ask_pages(sv, &by, fault);
	conn_note_work(c, (uint32_t)fault->n_page);
}

void handle_fault_in_cell(struct serve *sv, struct conn *c, unsigned cell,
			  uint64_t id, const void *message)
{
	const struct fault_asker by = { .conn = c, .id = id, .is_in_cell = true,
				  .cell = (uint8_t)cell };

	ask_pages(sv, &by, message);
}

static void trace_fault(struct serve *sv, const struct client_fault *cf,
			uint64_t end_ns)
{
	const struct fault *f = &cf->fault;
	struct trace_event event = {
		.time_ns = f->start_ns,
		.pid = cf->pid,
		.session = cf->session,
		.segment_number = cf->segment_number,
		.page = f->page,
		.kind = fault_kind_name(f->kind),
		.frame_wait_ns = f->frame_ns - f->start_ns,
		.io_ns = f->io_ns - f->frame_ns,
		.install_ns = end_ns - f->io_ns,
		.total_ns = end_ns - f->start_ns,
		.ready_first = f->first,
		.ready_count = f->count,
		.error = f->error,
	};

	trace_add(&sv->trace, &event);
}

/* Pages that came in, or were used, without a fault that memd was asked
 * about. */
static struct trace_event event_of_pages(const struct attachment *a,
					 uint64_t first, uint64_t count)
{
	return (struct trace_event){
		.time_ns = clock_now_ns(),
		.pid = a->session->main->peer.pid,
		.session = a->session->id,
		.segment_number = a->segment_number,
		.page = first,
		.ready_first = first,
		.ready_count = count,
	};
}

static void trace_ahead(struct serve *sv, const struct attachment *a,
			uint64_t first, uint64_t count)
{
	struct trace_event event = event_of_pages(a, first, count);

	event.kind = "ahead";
	trace_add(&sv->trace, &event);
}

static void trace_used(struct serve *sv, const struct attachment *a,
		       uint64_t first, uint64_t count)
{
	struct trace_event event = event_of_pages(a, first, count);

	trace_add_used(&sv->trace, &event);
}

/* The page is also mapped for the thread that waits in the cell. */
bool paging_install(void *serve, struct fault *fault, const void *bytes,
		    size_t length)
{
	struct serve *sv = serve;
	struct client_fault *cf = client_fault_of(fault);
	const struct memd_engine_page page = {
		.cell = cf->cell,
		.segment = cf->segment_number,
		.page = fault->page,
		.bytes = bytes,
		.length = length,
		.uffd = sv->program->uffd,
	};
	struct session *s = cf->conn != NULL ? cf->conn->session : NULL;

	if (sv->program->install == NULL || s == NULL || !cf->is_in_cell ||
	    mailbox_is_library(&s->mailbox, cf->cell) ||
	    sv->program->install(sv->program->ctx, &page) != 0)
		return false;
	mailbox_answer_mapped(&s->mailbox, cf->cell);
	cf->is_answered = true;
	sv->stats->pages_mapped++;
	if (sv->program->make_way != NULL && sv->faults.used == 1 &&
	    sv->pending.used == 0)
		sv->program->make_way(sv->program->ctx, cf->cell);
	return true;
}

/* After the reply, because the client waits for it. */
static void note_reply(struct serve *sv, const struct client_fault *cf)
{
	const struct fault *f = &cf->fault;
	/* Not f->end_ns: the pager knows only the time of the last call of it.
	 * But never less than that. */
	uint64_t end_ns = MAX(clock_now_ns(), f->end_ns);

	if (f->error == 0 || f->error == -EIO)
		histogram_add(&sv->stats->kind[f->kind], end_ns - f->start_ns);
	if (trace_has_readers(&sv->trace))
		trace_fault(sv, cf, end_ns);
}

static void reply(struct serve *sv, const struct client_fault *cf)
{
	const struct fault_asker by = { .conn = cf->conn,
					.id = cf->request_id,
					.is_in_cell = cf->is_in_cell,
					.cell = cf->cell };
	const struct fault *f = &cf->fault;
	struct session *s = cf->conn->session;

	s->faults_waiting--;
	if (f->error == 0 || f->error == -EIO)
		s->faults[f->kind]++;
	if (!cf->is_answered)
		reply_fault(&by, cf->segment_number, f);
	/* A client that got a page will soon want the next one. */
	awake_note_paging(sv->awake);
}

static void paging_reply(void *serve, struct fault *fault)
{
	struct serve *sv = serve;
	struct client_fault *cf = client_fault_of(fault);

	if (cf->conn != NULL)
		reply(sv, cf);
	note_reply(sv, cf);
	client_faults_put(&sv->faults, cf);
}

static void paging_ready(void *serve, uint32_t session,
			 segment_id pager_id, uint64_t first,
			 uint64_t count, uint64_t mark)
{
	struct serve *sv = serve;
	const struct segment *segment =
		segments_find_pager_id(&sv->segments, pager_id);
	struct attachment *a;

	if (segment == NULL)
		return;
	LIST_FOREACH(a, &segment->attachments, of_segment)
		if (a->session->id == session)
			break;
	if (a == NULL)
		return;
	if (a->ready == NULL)
		a->ready = ready_list_create(a->session->main,
					     a->segment_number);
	readies_add(&sv->readies, a->ready, first, count, mark);
	if (trace_has_readers(&sv->trace))
		trace_ahead(sv, a, first, count);
}

/* The page that a fault asks for has an event of its own. */
static void paging_used(void *serve, segment_id pager_id, uint64_t page)
{
	struct serve *sv = serve;
	const struct attachment *a = sv->asking;

	if (a != NULL && a->segment->pager_id == pager_id &&
	    page != sv->asked_page)
		trace_used(sv, a, page, 1);
}

static void paging_age(void *serve, segment_id pager_id, uint64_t first,
		       uint64_t count)
{
	struct serve *sv = serve;
	const struct segment *segment =
		segments_find_pager_id(&sv->segments, pager_id);
	struct attachment *a;

	if (segment == NULL)
		return;
	LIST_FOREACH(a, &segment->attachments, of_segment)
		ages_add(&sv->ages, &a->age, first, count);
}

static void paging_segment_gone(void *serve, segment_id segment)
{
	struct serve *sv = serve;

	segments_gone(&sv->segments, segment);
	sv->hooks->segment_gone(sv->hooks_ctx, segment);
	map_waits_wake(&sv->map_waits);
}

static void paging_file_filled(void *serve, area_id id, uint32_t first)
{
	struct serve *sv = serve;
	struct area *area;
	struct area_file *file =
		areas_note_filled(&sv->engine->areas, id, first, &area);

	area_users_file_filled(&sv->desks, area, file);
}

const struct pager_callbacks paging_callbacks = {
	.reply = paging_reply,
	.ready = paging_ready,
	.used = paging_used,
	.age = paging_age,
	.done = paging_done,
	.file_filled = paging_file_filled,
	.segment_gone = paging_segment_gone,
};

/* ---- touches */

static uint64_t tell_pager(struct serve *sv, const struct attachment *a,
			   const Memd__Touched *touched, uint64_t most)
{
	uint64_t budget = most, now_ns = clock_now_ns();

	for (size_t i = 0; i < touched->n_range && budget > 0; i++) {
		const Memd__Range *range = touched->range[i];
		uint64_t count = MIN(range->count, budget);

		if (!segment_has_range(a->segment, range->first, count))
			continue;
		if (sv->asking != NULL && count != 0)
			trace_used(sv, a, range->first, count);
		if (pager_touched(sv->engine->pager, a->segment->pager_id,
				  range->first, count, now_ns))
			engine_wake(sv->engine);
		budget -= count;
	}
	return most - budget;
}

static void take_touched(struct serve *sv, struct conn *c,
			 const Memd__Touched *touched, uint64_t most)
{
	const struct attachment *a = session_find(c->session,
						  touched->segment);
	uint64_t pages, faults;

	/* Touched has no reply; the client may have just detached the
	 * segment. */
	if (a == NULL)
		return;
	trace_begin_call(sv, a, PAGER_NO_PAGE);
	pages = tell_pager(sv, a, touched, most);
	trace_end_call(sv);
	conn_note_work(c, 1 + (uint32_t)(pages / TOUCHED_PER_FAULT));
	/* These figures come from the client: keep them within bounds. */
	faults = MIN(touched->fault_count, pages);
	if (faults == 0)
		return;
	sv->stats->faults_minor += faults;
	c->session->faults_minor += faults;
	histogram_add_many(&sv->stats->minor,
			   MIN(touched->total_ns, UINT64_C(1) << 40) / faults,
			   faults);
	awake_note_paging(sv->awake);
}

void handle_touched(void *room, struct conn *c, uint64_t id,
		  const void *message)
{
	struct serve *sv = room;
	const Memd__Touched *touched = message;

	if (touched->n_range > WIRE_RANGES_MAX)
		conn_refuse(c, id, -EPROTO, "Touched has %zu ranges; at most "
			    "%d are allowed", touched->n_range,
			    WIRE_RANGES_MAX);
	else
		take_touched(sv, c, touched, TOUCHED_PAGES_MAX);
}

void handle_touched_in_cell(struct serve *sv, struct conn *c,
			    const void *message)
{
	take_touched(sv, c, message, TOUCHED_IN_CELL_MAX);
}
