/* SPDX-License-Identifier: MIT */
#include "daemon/backing/flights.h"

#include "common/clock.h"
#include "daemon/backing/punch_helper.h"
#include <errno.h>

#define FLIGHT_LENT_NS		UINT64_C(200000)

enum {
	/* Flights that keep their pipes when they are FREE. */
	PIPES_KEPT = FLIGHTS_OF_USER,
};

struct flights {
	struct flight all[PAGER_TICKETS_MAX];
	unsigned flying_count;
	uint64_t returned_count;	/* stuck ones that have landed */
	struct punchers *punchers;	/* NULL: no helpers */
};

static const uint8_t flight_may_enter[FLIGHT_STATES] = {
	[FLIGHT_FREE] = BIT(FLIGHT_OPEN),
	[FLIGHT_OPEN] = BIT(FLIGHT_FLYING) | BIT(FLIGHT_LANDED),
	[FLIGHT_FLYING] = BIT(FLIGHT_LANDED),
	[FLIGHT_LANDED] = BIT(FLIGHT_FREE),
};

static void flight_enter(struct flights *fs, struct flight *f,
			 enum flight_state next)
{
	ASSERT(flight_may_enter[f->state] & BIT(next));
	fs->flying_count -= f->state == FLIGHT_FLYING;
	f->state = next;
	fs->flying_count += f->state == FLIGHT_FLYING;
}

int flights_create(uint32_t files_max, bool has_helpers,
		   struct flights **ret_flights)
{
	struct flights *fs = calloc(1, sizeof(*fs));
	int err = 0;

	if (fs == NULL)
		return -ENOMEM;
	if (has_helpers)
		err = punchers_create(files_max, 1, PUNCHERS_KEPT,
				      &fs->punchers);
	/* There is memory for the pipes of one at least. */
	if (err == 0)
		err = capture_pipes_init(&fs->all[0].pipes);
	if (err != 0) {
		flights_destroy(fs);
		return err;
	}
	*ret_flights = fs;
	return 0;
}

void flights_destroy(struct flights *fs)
{
	if (fs == NULL)
		return;
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		capture_pipes_fini(&fs->all[i].pipes);
	punchers_destroy(fs->punchers);
	free(fs);
}

/* ---- who may fly */

static unsigned count_flying(const struct flights *fs, uint32_t user)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PAGER_TICKETS_MAX && fs->flying_count; i++)
		count += fs->all[i].state == FLIGHT_FLYING &&
			 fs->all[i].user == user;
	return count;
}

/* L1.  0, -EAGAIN or -EBUSY. */
static int flight_refusal(const struct flights *fs, uint32_t user)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX && fs->flying_count; i++)
		if (fs->all[i].state == FLIGHT_FLYING &&
		    fs->all[i].user == user && fs->all[i].is_stuck)
			return -EBUSY;
	return count_flying(fs, user) < FLIGHTS_OF_USER ? 0 : -EAGAIN;
}

/* ---- the way of a flight */

static void flights_look(struct flights *fs);
static void flight_look(struct flights *fs, struct flight *f);

struct flight *flights_open(struct flights *fs, uint32_t user,
			    int *ret_error)
{
	flights_look(fs);
	*ret_error = flight_refusal(fs, user);
	for (unsigned i = 0; i < PAGER_TICKETS_MAX && *ret_error == 0; i++) {
		struct flight *f = &fs->all[i];

		if (f->state != FLIGHT_FREE)
			continue;
		flight_enter(fs, f, FLIGHT_OPEN);
		f->user = user;
		f->is_stuck = f->is_in_the_way = f->is_reported = false;
		f->is_abandoned = f->is_told = false;
		f->puncher = NULL;
		f->run_count = f->punch_count = 0;
		capture_pipes_start(&f->pipes);
		return f;
	}
	if (*ret_error == 0)
		*ret_error = -EAGAIN;
	return NULL;
}

/* All of it must be in the pipes before any of it is punched (B2). */
static int splice_run(struct flight *f, struct flight_run *run, int fd)
{
	int err = 0;

	if (f->pipes.count == 0)
		err = capture_pipes_init(&f->pipes);
	if (err != 0) {
		capture_pipes_fini(&f->pipes);
		return err;
	}
	return capture_pipes_take(&f->pipes, fd,
				  run->capture.unit * PAGER_UNIT_BYTES,
				  run->capture.count * PAGER_UNIT_BYTES,
				  &run->bytes);
}

void flight_add(struct flight *f, const struct pager_capture *capture, int fd)
{
	struct flight_run *run = &f->run[f->run_count];

	ASSERT(f->state == FLIGHT_OPEN && f->run_count < PAGER_CAPTURES_MAX);
	*run = (struct flight_run){ .capture = *capture };
	run->capture.error = capture->to != NULL ? splice_run(f, run, fd) : 0;
	if (run->capture.error == 0) {
		f->run_of_punch[f->punch_count] = (uint8_t)f->run_count;
		f->punch[f->punch_count++] = (struct punch){
			.file = capture->segment,
			.fd = fd,
			.offset = capture->unit * PAGER_UNIT_BYTES,
			.length = capture->count * PAGER_UNIT_BYTES,
		};
	}
	f->run_count++;
}

/* All punches of the flight have a result. */
static void flight_land(struct flights *fs, struct flight *f)
{
	for (unsigned i = 0; i < f->punch_count; i++)
		f->run[f->run_of_punch[i]].capture.error = f->punch[i].error;
	fs->returned_count += f->is_in_the_way;
	f->is_stuck = f->is_in_the_way = f->is_told = false;
	f->puncher = NULL;
	flight_enter(fs, f, FLIGHT_LANDED);
	if (f->is_abandoned)
		flights_close(fs, f);
}

static void flight_set_errors(struct flight *f, int error)
{
	for (unsigned i = 0; i < f->punch_count; i++)
		f->punch[i].error = error;
}

static void punch_alone(struct flight *f)
{
	for (unsigned i = 0; i < f->punch_count; i++) {
		struct punch *pu = &f->punch[i];

		pu->error = punch_range(pu->fd, pu->offset, pu->length,
					&pu->next_data);
	}
}

/* A run whose bytes are not needed must not fail later: what a client writes
 * after it was told so would go with it.  So such a punch is made again. */
static bool must_try_again(const struct flight *f)
{
	if (f->state != FLIGHT_FLYING || f->is_abandoned)
		return false;
	for (unsigned i = 0; i < f->punch_count; i++)
		if (f->punch[i].error != 0 &&
		    f->run[f->run_of_punch[i]].capture.to == NULL)
			return true;
	return false;
}

/* Give the punches to a puncher.  False: there is none. */
static bool flight_start(struct flights *fs, struct flight *f, bool is_lent)
{
	if (punchers_punch(fs->punchers, f->user, f->punch, f->punch_count,
			   is_lent, &f->puncher, &f->first) != 0)
		return false;
	f->puncher_start = f->puncher->starts;
	return true;
}

bool flights_launch(struct flights *fs, struct flight *f, bool is_lent)
{
	is_lent = is_lent && count_flying(fs, f->user) == 0;
	if (fs->punchers == NULL || f->punch_count == 0) {
		punch_alone(f);
		flight_land(fs, f);
		return true;
	}
	if (!flight_start(fs, f, is_lent)) {
		flight_set_errors(f, -EAGAIN);
		flight_land(fs, f);
		return true;
	}
	flight_enter(fs, f, FLIGHT_FLYING);
	if (is_lent) {
		puncher_lend(f->puncher, f->first, f->punch_count,
			     FLIGHT_LENT_NS);
		flight_look(fs, f);
	}
	return f->state == FLIGHT_LANDED;
}

void flight_fetch(struct flight *f)
{
	ASSERT(f->state == FLIGHT_LANDED);
	for (unsigned i = 0; i < f->run_count; i++)
		capture_pipes_read(&f->pipes, &f->run[i].capture,
				   f->run[i].bytes);
}

void flights_close(struct flights *fs, struct flight *f)
{
	flight_enter(fs, f, FLIGHT_FREE);
	if (f >= fs->all + PIPES_KEPT)
		capture_pipes_fini(&f->pipes);
}

void flights_abandon(struct flights *fs, struct flight *f)
{
	f->is_abandoned = true;
	if (f->state == FLIGHT_LANDED)
		flights_close(fs, f);
	else if (f->puncher == NULL)
		flight_land(fs, f);
}

/* ---- flights that land later */

uint32_t flights_ticket(const struct flights *fs, const struct flight *f)
{
	return (uint32_t)(f - fs->all) + 1;
}

struct flight *flights_by_ticket(struct flights *fs, uint32_t ticket)
{
	ASSERT(ticket >= 1 && ticket <= PAGER_TICKETS_MAX);
	return &fs->all[ticket - 1];
}

int flights_event_fd(const struct flights *fs)
{
	return fs->punchers != NULL ? punchers_event_fd(fs->punchers) : -1;
}

/* L3: its puncher has ended. */
static bool is_orphan(const struct flight *f)
{
	return f->puncher != NULL && (f->puncher->state == PUNCHER_DEAD ||
				      f->puncher->starts != f->puncher_start);
}

static void flight_look(struct flights *fs, struct flight *f)
{
	bool is_done = false;

	if (is_orphan(f)) {
		f->puncher = NULL;
		f->is_stuck = f->is_in_the_way = false;
	}
	if (f->puncher != NULL)
		is_done = puncher_has_done(f->puncher, f->first,
					   f->punch_count);
	if (is_done) {
		puncher_results(f->puncher, f->first, f->punch,
				f->punch_count);
		f->puncher = NULL;
	}
	/* The file of an abandoned flight may be gone. */
	if ((is_done && !must_try_again(f)) ||
	    (f->puncher == NULL && f->is_abandoned))
		flight_land(fs, f);
}

static void flights_look(struct flights *fs)
{
	if (fs->flying_count == 0)
		return;
	punchers_look(fs->punchers);
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		if (fs->all[i].state == FLIGHT_FLYING)
			flight_look(fs, &fs->all[i]);
}

void flights_reap(struct flights *fs)
{
	uint64_t events;

	if (fs->punchers != NULL)
		(void)!read(punchers_event_fd(fs->punchers), &events,
			    sizeof(events));
	flights_look(fs);
}

static void flight_is_stuck(struct flight *f)
{
	f->is_stuck = true;
	f->is_in_the_way |= puncher_is_at(f->puncher, f->first,
					  f->punch_count);
}

void flights_poll(struct flights *fs)
{
	flights_reap(fs);
	if (fs->punchers == NULL)
		return;
	punchers_poll(fs->punchers);
	flights_look(fs);
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++) {
		struct flight *f = &fs->all[i];

		if (f->state != FLIGHT_FLYING)
			continue;
		if (f->puncher == NULL)
			(void)flight_start(fs, f, false);
		else if (f->puncher->is_stuck)
			flight_is_stuck(f);
	}
}

struct flight *flights_next_told(struct flights *fs)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++) {
		struct flight *f = &fs->all[i];

		if (f->is_told || f->is_abandoned ||
		    (f->state != FLIGHT_LANDED &&
		     !(f->state == FLIGHT_FLYING && f->is_stuck)))
			continue;
		f->is_told = true;
		return f;
	}
	return NULL;
}

static bool is_unreported(const struct flight *f)
{
	return f->state == FLIGHT_FLYING && f->is_in_the_way &&
	       !f->is_reported;
}

struct flight *flights_next_report(struct flights *fs)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++) {
		struct flight *f = &fs->all[i];

		if (!is_unreported(f))
			continue;
		f->is_reported = true;
		return f;
	}
	return NULL;
}

bool flights_has_report(const struct flights *fs)
{
	for (unsigned i = 0; fs->flying_count && i < PAGER_TICKETS_MAX; i++)
		if (is_unreported(&fs->all[i]))
			return true;
	return false;
}

segment_id flight_segment(const struct flight *f)
{
	return f->puncher != NULL ? puncher_file(f->puncher) :
				    f->punch[0].file;
}

unsigned flights_stuck_count(const struct flights *fs)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		count += fs->all[i].state == FLIGHT_FLYING &&
			 fs->all[i].is_in_the_way;
	return count;
}

bool flights_is_blamed(const struct flights *fs, uint32_t user)
{
	for (unsigned i = 0; i < PAGER_TICKETS_MAX; i++)
		if (fs->all[i].state == FLIGHT_FLYING &&
		    fs->all[i].is_stuck && fs->all[i].user == user)
			return true;
	return false;
}

uint64_t flights_returned_count(const struct flights *fs)
{
	return fs->returned_count;
}

void flights_forget(struct flights *fs, segment_id segment)
{
	if (fs->punchers != NULL)
		punchers_forget(fs->punchers, segment);
}

unsigned flights_missing_helpers(const struct flights *fs)
{
	return fs->punchers != NULL ? punchers_missing_count(fs->punchers) : 0;
}

uint64_t flights_renewed_helpers(const struct flights *fs)
{
	return fs->punchers != NULL ? punchers_renewed_count(fs->punchers) : 0;
}
