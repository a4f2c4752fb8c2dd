/* SPDX-License-Identifier: MIT */
/* The faults that the daemon must answer: which pages are waited for, since
 * when, and what is to be done next about each.  Sends nothing and maps
 * nothing; the handler does.
 *
 * A page is in the table at most once, however many threads wait for it.
 * Every fault is on the list of its state, so
 *	wanted + asked + delayed + late + free == FAULTS_MAX
 * which faults_check() recounts.
 *
 * Threads: the handler.  Allocates nothing after faults_init(). */
#ifndef MEMD_CLIENT_FAULT_FAULT_H
#define MEMD_CLIENT_FAULT_FAULT_H

#include "client/region/region.h"
#include <sys/queue.h>

enum { FAULTS_MAX = 2048, FAULT_BUCKETS = 4096 };

/*           ┌──────────────< too late, link broken ──┐
 *           v                                        │
 * free ─> wanted ──Fault sent──> asked ──FaultReply──┴─> free
 *           ^                      │
 *           └──time── delayed <────┘ EBUSY, ENOMEM, or no memory here
 *
 * any of them ──deadline──> late ──a moment──> free
 *
 * late: the page is poisoned for a moment, so that the threads that wait for it
 * get SIGBUS.  Then the poison is taken away, so that a thread that touches the
 * page later asks for it again. */
enum fault_state { FAULT_FREE, FAULT_WANTED, FAULT_ASKED, FAULT_DELAYED,
		   FAULT_LATE, FAULT_STATES };

struct fault {
	TAILQ_ENTRY(fault) link;	/* list of its state */
	SLIST_ENTRY(fault) bucket_link;
	enum fault_state state;
	struct region *region;
	uint64_t page;
	uintptr_t address;		/* in the page: what was touched */
	uint64_t request_id;		/* asked: of the Fault message, */
	uint64_t asked_ns;		/* which was sent then */
	uint64_t deadline_ns;		/* then it is late; late: then free */
	uint64_t retry_ns;		/* delayed: then it is wanted again */
	unsigned try_count;
	bool is_write;
	bool was_answered;		/* and it was no page */
};

TAILQ_HEAD(fault_list, fault);
SLIST_HEAD(fault_bucket, fault);

struct faults {
	struct fault_list list[FAULT_STATES];
	unsigned count[FAULT_STATES];
	struct fault_bucket bucket[FAULT_BUCKETS];
	uint64_t next_ns;	/* no fault's time comes before this */
	struct fault fault[FAULTS_MAX];
};

void faults_init(struct faults *fs);

struct fault *faults_find(struct faults *fs, const struct region *r,
			  uint64_t page);

/* Add a wanted page, that at `address`; it must not be there.  NULL when the
 * table is full. */
struct fault *faults_add(struct faults *fs, struct region *r, uintptr_t address,
			 uint64_t deadline_ns);

void faults_remove(struct faults *fs, struct fault *f);

void fault_enter_asked(struct faults *fs, struct fault *f,
		       uint64_t request_id);
void fault_enter_wanted(struct faults *fs, struct fault *f);
void fault_enter_delayed(struct faults *fs, struct fault *f, uint64_t now_ns);

void fault_enter_late(struct faults *fs, struct fault *f, uint64_t until_ns);

/* Give the fault another deadline. */
void fault_postpone(struct faults *fs, struct fault *f, uint64_t deadline_ns);

/* Move all deadlines later by `lost_ns`: for so long the process was stopped,
 * and no answer could be taken. */
void faults_postpone(struct faults *fs, uint64_t lost_ns);

/* The connection broke, so the asked faults get no answer: they are wanted
 * again. */
void faults_forget_asked(struct faults *fs);

/* Make no deadline later than `latest_ns` (an outage ends then). */
void faults_cap_deadlines(struct faults *fs, uint64_t latest_ns);

/* Move the delayed whose time has come to wanted.  Returns the first fault
 * that is past its deadline (the caller removes it and calls again), or NULL,
 * with next_ns set anew. */
struct fault *faults_expire(struct faults *fs, uint64_t now_ns);

void faults_check(const struct faults *fs);

#endif
