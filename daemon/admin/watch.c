/* SPDX-License-Identifier: MIT */
#include "daemon/admin/watch.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/net/certificates.h"
#include "daemon/daemon.h"
#include "daemon/net/conn_output.h"
#include "daemon/reload.h"
#include "daemon/net/remote.h"
#include "daemon/serve/session.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>

#define DAY_NS	(UINT64_C(86400) * 1000000000)

/* About once a second: a tick may come a little early. */
#define WATCH_NS	UINT64_C(900000000)

/* Segments looked at in one second, so that thousands of them cost nobody a
 * fault. */
enum { SEGMENTS_PER_TICK = 512 };

static void watch_rates(struct daemon *d, uint64_t elapsed_ns)
{
	uint64_t faults = stats_fault_count(&d->stats);
	struct session *s;

	d->stats.faults_per_s = stats_rate(d->stats.faults_per_s, faults,
					   d->stats.last_faults, elapsed_ns);
	d->stats.last_faults = faults;
	TAILQ_FOREACH(s, &d->sessions.list, link) {
		faults = session_fault_count(s);
		s->faults_per_s = stats_rate(s->faults_per_s, faults,
					     s->last_faults, elapsed_ns);
		s->last_faults = faults;
	}
	guests_watch_rates(&d->guests, elapsed_ns);
}

static void watch_starvation(struct daemon *d, uint64_t elapsed_ns)
{
	struct pager_stats stats;
	bool is_starved;

	pager_stats_get(d->engine.pager, &stats);
	is_starved = stats.faults_waiting != 0 && stats.free_frames == 0;
	d->starved_ns = is_starved ? d->starved_ns + elapsed_ns : 0;
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
static void close_owner(const struct segment *segment, const char *what)
{
	struct attachment *a;

	LIST_FOREACH(a, &segment->attachments, of_segment)
		conn_refuse(a->session->main, 0, -EIO,
			    "the data file of segment %u %s", segment->id,
			    what);
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

static void note_spoiled(struct daemon *d, struct segment *segment,
			 const char *reason)
{
	char name[WIRE_NAME_BYTES_MAX + 1];

	segment->is_spoiled = true;
	d->stats.segments_spoiled++;
	log_event(LOG_LEVEL_WARNING, "segment-spoiled",
		  "segment=%u name=\"%s\" uid=%u reason=\"%s\"", segment->id,
		  system_printable(segment->name, name, sizeof(name)),
		  segment->uid, reason);
}

static void spoil(struct daemon *d, struct segment *segment)
{
	note_spoiled(d, segment, "a client wrote to its data file past memd");
	if (segment->name[0] == '\0')
		close_owner(segment, "was written to past memd");
	else
		detach_all(segment);
}

/* Nothing can be taken out of it any more: it goes as soon as nobody has it. */
static void let_go(struct daemon *d, struct segment *segment, const char *what)
{
	if (segment->name[0] == '\0') {
		close_owner(segment, what);
	} else {
		bool is_attached = segment->attached_count != 0;

		/* Where nobody has it, it goes with its name. */
		segments_unlink(&d->segments, segment);
		if (is_attached)
			detach_all(segment);
	}
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

/* ---- locks */

/* It is one of those who may write to it; a private segment has one. */
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

/* What is the session's alone goes with it.  Each of these files may be locked
 * as well: memd does not walk into one trap after the other. */
static void shun_private(struct daemon *d, const struct session *s)
{
	const struct attachment *a;

	for (a = s->attachments; a != NULL; a = a->hh.next)
		if (a->segment->name[0] == '\0')
			backing_shun(d->engine.backing, a->segment->pager_id);
}

/* Its pages cannot be had, and which of them are still there nobody knows: it
 * goes, as far as the client lets go of it. */
static void give_up_locked(struct daemon *d, struct segment *segment)
{
	const struct attachment *a;

	log_suspects(segment);
	segment->is_spoiled = true;
	d->stats.segments_locked++;
	if (segment->name[0] == '\0')
		LIST_FOREACH(a, &segment->attachments, of_segment)
			shun_private(d, a->session);
	let_go(d, segment, "is kept locked by a write(2) that does not end");
}

/* What was to be captured is zeroed. */
static void give_up_huge(struct daemon *d, struct segment *segment)
{
	note_spoiled(d, segment, "a client made huge pages of its data file");
	let_go(d, segment, "was made of huge pages by a client "
	       "(MADV_COLLAPSE)");
}

/* Found when it was being taken down already. */
static void note_locked(struct daemon *d, segment_id id)
{
	d->stats.segments_locked++;
	log_event(LOG_LEVEL_WARNING, "segment-locked",
		  "uid=%u reason=\"a write(2) to the data file of a segment "
		  "that is gone does not end\"",
		  backing_owner(d->engine.backing, id));
}

void watch_spoiled_files(struct daemon *d)
{
	enum backing_spoil why;
	segment_id id;

	while ((id = backing_take_spoiled(d->engine.backing, &why)) != 0) {
		struct segment *segment = segments_find_pager_id(&d->segments,
								 id);

		if (why == BACKING_HUGE && segment != NULL)
			give_up_huge(d, segment);
		else if (why == BACKING_LOCKED && segment != NULL)
			give_up_locked(d, segment);
		else if (why == BACKING_LOCKED)
			note_locked(d, id);
	}
}

static void watch_stuck_punches(struct daemon *d)
{
	unsigned count = engine_poll_data_files(&d->engine);

	if (count != 0)
		log_event(LOG_LEVEL_NOTICE, "segment-unlocked",
			  "count=%u left=%u", count,
			  backing_stuck_count(d->engine.backing));
}

static void watch_keeper(struct daemon *d)
{
	int result = keeper_tick(&d->keeper);

	if (result == 1)
		log_event(LOG_LEVEL_WARNING, "keeper-restarted",
			  "reason=\"it had been killed\"");
	else if (result < 0)
		log_event(LOG_LEVEL_ERROR, "keeper-missing",
			  "error=\"%s\" reason=\"if memd is killed now, "
			  "programs that end later may leave zeros to those "
			  "who share a segment with them\"",
			  strerror(-result));
}

/* Once is enough: the counter tells how often. */
static void watch_refusals(struct daemon *d)
{
	uint64_t refused = d->engine.store->refused;

	if (refused != 0 && d->io_refused == 0)
		log_event(LOG_LEVEL_WARNING, "io-refused",
			  "reason=\"the kernel has no threads for reads and "
			  "writes, memd waits for them itself\" cure=\"raise "
			  "TasksMax (docker: --pids-limit)\"");
	d->io_refused = refused;
}

static void watch_helpers(struct daemon *d)
{
	uint64_t renewed = backing_renewed_helpers(d->engine.backing);
	unsigned missing = backing_missing_helpers(d->engine.backing);

	if (renewed != d->stats.helpers_renewed)
		log_event(LOG_LEVEL_WARNING, "helpers-renewed",
			  "count=%llu reason=\"helper processes of memd had "
			  "been ended\"", (unsigned long long)
			  (renewed - d->stats.helpers_renewed));
	if (missing > d->missing_helpers)
		log_event(LOG_LEVEL_WARNING, "helpers-missing",
			  "count=%u cure=\"raise TasksMax, or the limit of "
			  "processes; memd goes on trying\"", missing);
	d->stats.helpers_renewed = renewed;
	d->missing_helpers = missing;
}

static void say_certificates(struct daemon *d, uint64_t now_ns)
{
	d->certificates_said_ns = now_ns;
	certificates_log(daemon_tls(d));
}

void watch_tick(struct daemon *d)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t elapsed_ns = now_ns - d->watched_ns;

	/* The service manager may want to hear of memd much more often. */
	if (elapsed_ns < WATCH_NS)
		return;
	d->watched_ns = now_ns;
	watch_rates(d, elapsed_ns);
	watch_starvation(d, elapsed_ns);
	watch_data_files(d);
	watch_stuck_punches(d);
	engine_look_again(&d->engine);
	watch_keeper(d);
	watch_helpers(d);
	watch_refusals(d);
	d->stats.log_dropped = log_dropped_count();
	/* A program's stderr is its own. */
	if (!d->is_embedded)
		store_watch_tick(&d->store_watch, d->engine.store);
	else
		renewal_tick(d);
	reload_find_admins(d);
	if (now_ns - d->certificates_said_ns >= DAY_NS)
		say_certificates(d, now_ns);
	if (d->sessions.must_look_again)
		sessions_look_again(d);
	server_close_overdue(&d->server);
	server_trim(&d->server);
	guests_expire(&d->guests);
}
