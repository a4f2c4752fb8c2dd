/* SPDX-License-Identifier: MIT */
#include "daemon/serve/spoil.h"

#include "common/log.h"
#include "daemon/engine/engine.h"
#include "daemon/net/conn_output.h"
#include "daemon/serve/session.h"
#include "daemon/stats/stats.h"
#include "daemon/system/system.h"
#include <errno.h>

/* Segments checked in one second: few enough that no fault waits long. */
enum { SEGMENTS_PER_TICK = 512 };

/* A page that is in the data file but not in a frame was put there by a client,
 * with write(2), through a mapping without userfaultfd, or in a fault without a
 * frame that was lent.  The pager cannot
 * tell such bytes from its own, and such pages are not counted in the pool. */
static bool was_written_past(const struct spoil *sp,
			     const struct segment *segment)
{
	struct segment_info info;
	uint64_t present = backing_present_units(sp->engine->backing,
						 segment->pager_id);

	pager_segment_get(sp->engine->pager, segment->pager_id, &info);
	return present > ((info.resident + info.loading + info.evicting)
			  << segment->order) +
			 desks_uncounted_most(sp->desks, segment);
}

/* Only its owner can have done it: a private segment has one session. */
static void close_owner(const struct segment *segment, const char *what)
{
	struct attachment *a;

	LIST_FOREACH(a, &segment->attachments, of_segment)
		conn_refuse(a->session->main, 0, -EIO,
			    "the data file of segment %u %s", segment->id,
			    what);
}

/* A session that attached a named segment did it, but it is not known which.
 * All lose this segment and nothing else.  Their faults in it are refused from
 * now on. */
static void detach_everybody(struct segment *segment)
{
	struct attachment *a = LIST_FIRST(&segment->attachments);

	while (a != NULL) {
		struct attachment *next = LIST_NEXT(a, of_segment);

		a->count = 1;
		session_detach(a->session, a);
		a = next;
	}
}

static void note_spoiled(struct spoil *sp, struct segment *segment,
			 const char *reason)
{
	char name[WIRE_NAME_BYTES_MAX + 1];

	segment->is_spoiled = true;
	(void)desks_close_book(sp->desks, segment);
	sp->stats->segments_spoiled++;
	log_event(LOG_LEVEL_WARNING, "segment-spoiled",
		  "segment=%u name=\"%s\" uid=%u reason=\"%s\"", segment->id,
		  system_printable(segment->name, name, sizeof(name)),
		  segment->uid, reason);
}

static void spoil_segment(struct spoil *sp, struct segment *segment)
{
	note_spoiled(sp, segment, "a client wrote to its data file past memd");
	if (segment->name[0] == '\0')
		close_owner(segment, "was written to past memd");
	else
		detach_everybody(segment);
}

/* No page of it can be taken out any more, so end its sessions or unlink it.
 * It is freed when nobody has it attached. */
static void let_segment_go(struct spoil *sp, struct segment *segment,
			   const char *what)
{
	if (segment->name[0] == '\0') {
		close_owner(segment, what);
	} else {
		bool is_attached = segment->attached_count != 0;

		/* If nobody has attached it, unlinking frees it. */
		segments_unlink(sp->segments, segment);
		if (is_attached)
			detach_everybody(segment);
	}
}

void spoil_look(struct spoil *sp)
{
	struct segment *segment = TAILQ_FIRST(&sp->segments->all), *next;
	unsigned looked = 0;

	/* The last detach frees an unlinked segment, so take `next` before. */
	for (; segment != NULL; segment = next) {
		next = TAILQ_NEXT(segment, link);
		if (segment->id < sp->cursor)
			continue;
		if (looked++ == SEGMENTS_PER_TICK) {
			sp->cursor = segment->id;
			return;
		}
		if (!segment->is_spoiled && was_written_past(sp, segment))
			spoil_segment(sp, segment);
	}
	sp->cursor = 0;
}

/* ---- locks */

/* One of the sessions that may write to the segment did it.  Log them all. */
static void log_suspects(const struct segment *segment)
{
	char name[WIRE_NAME_BYTES_MAX + 1];
	const struct attachment *a;

	(void)system_printable(segment->name, name, sizeof(name));
	LIST_FOREACH(a, &segment->attachments, of_segment) {
		const struct session *s = a->session;

		if (!a->is_read_only)
			log_event(LOG_LEVEL_WARNING, "segment-locked",
				  "segment=%u name=\"%s\" session=%u pid=%d "
				  "uid=%u command=\"%s\" reason=\"a write(2) "
				  "to its data file does not end\"",
				  segment->id, name, s->id,
				  s->main->peer.pid, s->main->peer.uid,
				  s->command);
	}
}

/* Pages that were to be captured are zeros now. */
static void give_up_huge(struct spoil *sp, struct segment *segment)
{
	note_spoiled(sp, segment, "a client made huge pages of its data file");
	let_segment_go(sp, segment, "was made of huge pages by a client "
	       "(MADV_COLLAPSE)");
}

static void note_locked(struct spoil *sp, const struct backing_report *report,
			const struct segment *segment)
{
	sp->stats->segments_locked++;
	if (segment != NULL)
		log_suspects(segment);
	else
		log_event(LOG_LEVEL_WARNING, "segment-locked",
			  "uid=%u reason=\"a write(2) to the data file of a "
			  "segment that is gone does not end\"",
			  report->user);
}

static void spoil_take(void *arg)
{
	struct spoil *sp = arg;
	struct backing_report report;

	while (backing_next_report(sp->engine->backing, &report)) {
		struct segment *segment = segments_find_pager_id(
			sp->segments, report.segment);

		if (report.why == BACKING_LOCKED)
			note_locked(sp, &report, segment);
		else if (segment != NULL)
			give_up_huge(sp, segment);
	}
}

void spoil_wake(struct spoil *sp)
{
	if (backing_has_report(sp->engine->backing))
		defer(sp->deferred, &sp->work);
}

void spoil_init(struct spoil *sp)
{
	sp->work = (struct deferred_work){ .run = spoil_take, .ctx = sp };
}
