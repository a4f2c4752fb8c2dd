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

static void close_writers(struct daemon *d, struct segment *segment)
{
	char name[WIRE_NAME_BYTES_MAX + 1];
	struct attachment *a;

	segment->is_spoiled = true;
	d->stats.segments_spoiled++;
	log_event(LOG_LEVEL_WARNING, "segment-spoiled",
		  "segment=%u name=\"%s\" uid=%u reason=\"a client wrote to "
		  "its data file past memd\"", segment->id,
		  system_printable(segment->name, name, sizeof(name)),
		  segment->uid);
	LIST_FOREACH(a, &segment->attachments, of_segment)
		if (!a->is_read_only)
			conn_refuse(a->session->main, 0, -EIO,
				    "the data file of segment %u was written "
				    "to past memd", segment->id);
}

static void watch_data_files(struct daemon *d)
{
	struct segment *segment;
	unsigned looked = 0;

	TAILQ_FOREACH(segment, &d->segments.all, link) {
		if (segment->id < d->spoil_cursor)
			continue;
		if (looked++ == SEGMENTS_PER_TICK) {
			d->spoil_cursor = segment->id;
			return;
		}
		if (!segment->is_spoiled && is_spoiled(d, segment))
			close_writers(d, segment);
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
