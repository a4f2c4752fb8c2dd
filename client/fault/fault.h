/* SPDX-License-Identifier: MIT */
/* The table of faults: the pages that must come from the daemon, since when
 * threads wait for them, and what is to be done next.  It sends and maps
 * nothing.
 *
 * A page is in the table at most once, however many threads wait for it.  Every
 * fault is on the list of its state, so
 *	wanted + asked + delayed + reading + late + free == FAULTS_MAX
 * which faults_check() verifies.
 *
 * Threads: the library's thread.  Allocates nothing. */
#ifndef MEMD_CLIENT_FAULT_FAULT_H
#define MEMD_CLIENT_FAULT_FAULT_H

#include "client/region/region.h"
#include <sys/queue.h>

enum { FAULTS_MAX = 2048, FAULT_BUCKETS = 4096 };

/* wanted ─> reading ─> free    the library brings the page in by itself
 *              │
 *              └─────> wanted  it cannot
 *
 *           ┌──────────────< left again, link broken ┐
 *           v                                        │
 * free ─> wanted ──Fault sent──> asked ──FaultReply──┴─> free
 *           ^                      │
 *           └──time── delayed <────┘ EBUSY, ENOMEM, or no memory here
 *
 * wanted, asked, delayed ──deadline──> late ──a moment──> free
 *
 * late: the page is poisoned for a moment, so that the threads that wait for it
 * get SIGBUS.  Then the poison is removed, so that a thread that touches the
 * page later asks for it again. */
enum fault_state { FAULT_FREE, FAULT_WANTED, FAULT_ASKED, FAULT_DELAYED,
		   FAULT_READING, FAULT_LATE, FAULT_STATES };

struct own_fault;

struct fault {
	TAILQ_ENTRY(fault) link;	/* in the list of its state */
	SLIST_ENTRY(fault) bucket_link;
	enum fault_state state;
	struct region *region;
	uint64_t page;
	uintptr_t address;		/* the touched address in the page */
	uint64_t request_id;		/* asked: id of the Fault message */
	uint64_t asked_ns;		/* asked: when it was sent */
	struct own_fault *own;		/* reading: in own_faults.h */
	/* When it becomes late; late: when it becomes free. */
	uint64_t deadline_ns;
	/* delayed: when it becomes wanted again */
	uint64_t retry_ns;
	unsigned try_count;
	bool is_write;
	bool was_answered;		/* there was an answer, but no page */
};

TAILQ_HEAD(fault_list, fault);
SLIST_HEAD(fault_bucket, fault);

struct faults {
	struct fault_list list[FAULT_STATES];
	unsigned count[FAULT_STATES];
	struct fault_bucket bucket[FAULT_BUCKETS];
	uint64_t next_ns;	/* no fault is due before this time */
	struct fault fault[FAULTS_MAX];
};

void faults_init(struct faults *fs);

struct fault *faults_find(struct faults *fs, const struct region *r,
			  uint64_t page);

/* Add the page of `address` as wanted.  It must not be in the table.  NULL: the
 * table is full. */
struct fault *faults_add(struct faults *fs, struct region *r, uintptr_t address,
			 uint64_t deadline_ns);

void faults_remove(struct faults *fs, struct fault *f);

void fault_enter_asked(struct faults *fs, struct fault *f,
		       uint64_t request_id);
void fault_enter_wanted(struct faults *fs, struct fault *f);
void fault_enter_reading(struct faults *fs, struct fault *f,
			 struct own_fault *own);
void fault_enter_delayed(struct faults *fs, struct fault *f, uint64_t now_ns);

void fault_enter_late(struct faults *fs, struct fault *f, uint64_t until_ns);

/* Set another deadline. */
void fault_postpone(struct faults *fs, struct fault *f, uint64_t deadline_ns);

/* The process was stopped for lost_ns, so no answer could be taken: move all
 * deadlines by that. */
void faults_postpone(struct faults *fs, uint64_t lost_ns);

/* The connection broke: asked faults get no answer, so they become wanted
 * again. */
void faults_forget_asked(struct faults *fs);

/* Make no deadline later than `latest_ns`, when an outage has lasted too
 * long. */
void faults_cap_deadlines(struct faults *fs, uint64_t latest_ns);

/* Make delayed faults wanted when their time has come.  Returns a fault that is
 * past its deadline; the caller deals with it and calls again.  NULL: there is
 * none, and next_ns is set. */
struct fault *faults_expire(struct faults *fs, uint64_t now_ns);

void faults_check(const struct faults *fs);

#endif
