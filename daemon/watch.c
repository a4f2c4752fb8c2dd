/* SPDX-License-Identifier: MIT */
#include "daemon/watch.h"

#include "common/log.h"
#include "daemon/daemon.h"
#include "daemon/session.h"
#include "daemon/system.h"
#include <errno.h>

/* Segments looked at in one second, so that thousands of them cost nobody a
 * fault. */
enum { SEGMENTS_PER_TICK = 512 };

static void watch_rates(struct daemon *d)
{
	uint64_t faults = stats_fault_count(&d->stats);
	struct session *s;

	d->stats.faults_per_s = stats_rate(d->stats.faults_per_s, faults,
					   d->stats.last_faults);
	d->stats.last_faults = faults;
	TAILQ_FOREACH(s, &d->server.sessions, link) {
		faults = session_fault_count(s);
		s->faults_per_s = stats_rate(s->faults_per_s, faults,
					     s->last_faults);
		s->last_faults = faults;
	}
}

static void watch_starvation(struct daemon *d)
{
	struct pager_stats stats;
	bool is_starved;

	pager_stats_get(d->engine.pager, &stats);
	is_starved = stats.faults_waiting != 0 && stats.free_frames == 0;
	d->starved_ticks = is_starved ? d->starved_ticks + 1 : 0;
}

/* A page that is in the data file but not in a frame was put there by a
 * client, with write(2) or through a mapping without userfaultfd.  The pager
 * cannot tell its bytes from its own, and the pool's size means nothing to
 * it. */
static bool is_spoiled(const struct daemon *d, const struct segment *segment)
{
	struct segment_info info;
	uint64_t present = backing_present_units(d->engine.backing,
						 segment->pager_id);

	pager_segment_get(d->engine.pager, segment->pager_id, &info);
	return present > (info.resident + info.loading + info.evicting)
			 << segment->order;
}

/* Whose it is has done it. */
static void close_owner(const struct segment *segment)
{
	struct attachment *a;

	LIST_FOREACH(a, &segment->attachments, of_segment)
		conn_refuse(a->session->main, 0, -EIO,
			    "the data file of segment %u was written to past "
			    "memd", segment->id);
}

/* One of those who attached it has done it, and nobody knows who: the others
 * lose this segment, but nothing else of theirs.  Their faults in it are
 * refused from now on. */
static void detach_all(struct segment *segment)
{
	struct attachment *a = LIST_FIRST(&segment->attachments);

	while (a != NULL) {
		struct attachment *next = LIST_NEXT(a, of_segment);

		a->count = 1;
		session_detach(a->session, a);
		a = next;
	}
}

static void spoil(struct daemon *d, struct segment *segment)
{
	char name[WIRE_NAME_BYTES_MAX + 1];

	segment->is_spoiled = true;
	d->stats.segments_spoiled++;
	log_event(LOG_LEVEL_WARNING, "segment-spoiled",
		  "segment=%u name=\"%s\" uid=%u reason=\"a client wrote to "
		  "its data file past memd\"", segment->id,
		  system_printable(segment->name, name, sizeof(name)),
		  segment->uid);
	if (segment->name[0] == '\0')
		close_owner(segment);
	else
		detach_all(segment);
}

static void watch_data_files(struct daemon *d)
{
	struct segment *segment = TAILQ_FIRST(&d->segments.all), *next;
	unsigned looked = 0;

	/* An unlinked segment goes with its last attachment. */
	for (; segment != NULL; segment = next) {
		next = TAILQ_NEXT(segment, link);
		if (segment->id < d->spoil_cursor)
			continue;
		if (looked++ == SEGMENTS_PER_TICK) {
			d->spoil_cursor = segment->id;
			return;
		}
		if (!segment->is_spoiled && is_spoiled(d, segment))
			spoil(d, segment);
	}
	d->spoil_cursor = 0;
}

void watch_tick(struct daemon *d)
{
	watch_rates(d);
	watch_starvation(d);
	watch_data_files(d);
	server_close_overdue(d);
}
