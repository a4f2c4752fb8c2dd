/* SPDX-License-Identifier: MIT */
/* Flights: captures, from the splice until their bytes are fetched.  A puncher
 * makes the punches, and memd goes on with other things meanwhile.
 *
 *             open, add            launch            its punches are done
 *    FREE ──────────────▶ OPEN ─────────────▶ FLYING ──────────▶ LANDED
 *     ▲                    │                   ▲  │                ▲ │
 *     │                    │                   └──┘                │ │
 *     │                    │      its puncher has ended:           │ │
 *     │                    │      another begins again             │ │
 *     │                    └───────────────────────────────────────┘ │
 *     │                     no puncher could take it                 │
 *     └──────────────────────────────────────────────────────────────┘
 *       close
 *
 * All of a flight belongs to one *user*, who is charged with the pages.  A
 * client can keep the lock of its data file for ever, so a user must not keep
 * many punchers:
 *
 *   L1  All flights of a user are with one puncher, at most FLIGHTS_OF_USER
 *       at a time.  So at most one puncher of a user can be stuck.  While one
 *       of its flights is stuck, the user gets no others.
 *   L2  memd sleeps for a flight for FLIGHT_LENT_NS at most, so that the
 *       puncher has its CPU: about as long as the punches take.  If that was
 *       too short, memd goes on, and does not sleep for that user as long as
 *       one of its flights is FLYING.
 *   L3  A flight that is FLYING may have punched nothing, a part or all.  So it
 *       is never given up: if its puncher has ended, another makes the same
 *       punches again, which does no harm, because nothing is installed there
 *       meanwhile.
 *   L4  A flight is *stuck* if its puncher was in one and the same
 *       uninterruptible sleep at two looks, a second apart.  The one that the
 *       puncher is at is *in the way* of the others.  On a busy machine
 *       a puncher is runnable, not asleep, so slowness alone never counts.
 *       Nothing is given up because of it: it only says what to tell.
 *
 * Threads: one. */
#ifndef MEMD_BACKING_FLIGHTS_H
#define MEMD_BACKING_FLIGHTS_H

#include "daemon/backing/capture_pipes.h"
#include "daemon/backing/punchers.h"
#include "daemon/pager/pager.h"

enum { FLIGHTS_OF_USER = 4 };

enum flight_state {
	FLIGHT_FREE, FLIGHT_OPEN, FLIGHT_FLYING, FLIGHT_LANDED, FLIGHT_STATES
};

/* One run of units. */
struct flight_run {
	struct pager_capture capture;
	/* Its bytes in the pipes, also if the splice has failed half way. */
	uint64_t bytes;
};

struct flight {
	enum flight_state state;
	uint32_t user;
	bool is_stuck;
	bool is_in_the_way;	/* it is what its puncher is stuck at */
	bool is_abandoned;	/* nobody asks for its results */
	bool is_told;		/* that it has landed, or is stuck */
	bool is_reported;	/* that it is in the way */
	/* FLYING: who makes its punches, and the number of the first one's
	 * order.  NULL: nobody yet. */
	struct puncher *puncher;
	uint32_t puncher_start, first;
	struct capture_pipes pipes;
	unsigned run_count, punch_count;
	struct flight_run run[PAGER_CAPTURES_MAX];
	/* Those of runs without an error. */
	struct punch punch[PAGER_CAPTURES_MAX];
	uint8_t run_of_punch[PAGER_CAPTURES_MAX];
};

struct flights;

/* has_helpers false: no processes; memd punches itself.  This is for an engine
 * whose files no other process has.  Returns 0, or as punchers_create() and
 * capture_pipes_init(). */
int flights_create(uint32_t files_max, bool has_helpers,
		   struct flights **ret_flights) MUST_CHECK;
void flights_destroy(struct flights *fs);

/* Returns NULL and sets *ret_error: -EAGAIN (L1, or there is none), -EBUSY (L1,
 * and one of the user's is stuck). */
struct flight *flights_open(struct flights *fs, uint32_t user,
			    int *ret_error);

/* Add a run of units [capture->unit, …) of the data file `fd`.  If it has a
 * `to`, references to its pages are taken into the pipes.  At most
 * PAGER_CAPTURES_MAX. */
void flight_add(struct flight *f, const struct pager_capture *capture, int fd);

/* Have the punches made.  is_lent: sleep for them (L2).  True: the flight has
 * LANDED; if there is no puncher for it, each run's error is -EAGAIN.  False:
 * it is FLYING. */
bool flights_launch(struct flights *fs, struct flight *f, bool is_lent);

/* Get the bytes of the runs of a LANDED flight, in their order.  Each goes to
 * its capture.to; what could not be read is noted in lost and lost_end. */
void flight_fetch(struct flight *f);

/* The results of a LANDED flight are not needed any more. */
void flights_close(struct flights *fs, struct flight *f);

/* Nobody will ask for the results of the flight: it closes itself when it has
 * landed. */
void flights_abandon(struct flights *fs, struct flight *f);

/* 1 … PAGER_TICKETS_MAX, and back. */
uint32_t flights_ticket(const struct flights *fs, const struct flight *f);
struct flight *flights_by_ticket(struct flights *fs, uint32_t ticket);

/* Becomes readable when a flight lands; -1: that never happens later. */
int flights_event_fd(const struct flights *fs);

/* Look which flights have landed. */
void flights_reap(struct flights *fs);

/* Call once a second: look which flights are stuck, and after the punchers. */
void flights_poll(struct flights *fs);

/* Returns, each once, a flight that has landed, or is stuck now (FLYING); NULL:
 * there is none. */
struct flight *flights_next_told(struct flights *fs);

/* Returns, each once, a flight that is in the way; NULL: there is none. */
struct flight *flights_next_report(struct flights *fs);
bool flights_has_report(const struct flights *fs);

/* The file whose punch a FLYING flight is in. */
segment_id flight_segment(const struct flight *f);

/* Number of flights that are in the way; whether one is of `user`; how many
 * have landed after all, since the start. */
unsigned flights_stuck_count(const struct flights *fs);
bool flights_is_blamed(const struct flights *fs, uint32_t user);
uint64_t flights_returned_count(const struct flights *fs);

/* The number means another file from now on, or none. */
void flights_forget(struct flights *fs, segment_id segment);

/* As in punchers.h. */
unsigned flights_missing_helpers(const struct flights *fs);
uint64_t flights_renewed_helpers(const struct flights *fs);

#endif
