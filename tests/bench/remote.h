/* SPDX-License-Identifier: MIT */
/* What a page from another host costs: who is measured, and how. */
#ifndef MEMD_TESTS_BENCH_REMOTE_H
#define MEMD_TESTS_BENCH_REMOTE_H

#include "common/checks.h"
#include "tests/bench/remote_place.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	REMOTE_BLOCK_MAX = 1 << 20,
	REMOTE_DEPTH_MAX = 32,
	REMOTE_SPACE_BYTES = 128 << 20,	/* that is read from */
};

struct remote_work {
	size_t block_bytes;
	unsigned depth;			/* requests under way */
	size_t count;			/* requests in all */
	bool is_random;
};

struct remote_result {
	bool is_done;			/* false: could not be had */
	double mean_ns;			/* from one end to the next */
	double p50_ns, p99_ns;		/* of one request */
};

/* Latencies of one run. */
struct remote_meter {
	uint64_t *ns;
	size_t count, size;
	uint64_t start_ns;
};

int remote_meter_init(struct remote_meter *m, size_t count) MUST_CHECK;
void remote_meter_add(struct remote_meter *m, uint64_t ns);
/* Also frees it. */
void remote_meter_end(struct remote_meter *m, struct remote_result *ret_result);

/* Where request number i begins. */
uint64_t remote_offset(const struct remote_work *work, size_t i);

/* A bare TCP connection to the other host, to a process that answers a request
 * of 24 bytes with as many bytes as it asks for: those, of as much memory as
 * the others have, or always the same.  0 or -1, said why on stderr. */
int remote_ping(const struct remote_place *place,
		const struct remote_work *work, bool is_spread,
		struct remote_result *ret_result) MUST_CHECK;

/* libnbd reading from `nbdkit memory`; not done where there is none. */
int remote_nbd(const struct remote_place *place,
	       const struct remote_work *work,
	       struct remote_result *ret_result) MUST_CHECK;

/* The swap store on the memd at `address`, its slots in that one's frames. */
int remote_store(const char *address, const struct remote_work *work,
		 struct remote_result *ret_result) MUST_CHECK;

/* A program's faults on memory of the memd at `address`, at random, one
 * thread; every word is compared. */
int remote_faults(const char *address, size_t count,
		  struct remote_result *ret_result) MUST_CHECK;

/* ---- remote_report.c: what is said of it */

enum remote_who {
	REMOTE_PING, REMOTE_PING_SPREAD, REMOTE_STORE, REMOTE_NBD, REMOTE_WHO,
};

enum {
	REMOTE_SMALL, REMOTE_SMALL_DEEP, REMOTE_LARGE, REMOTE_LARGE_DEEP,
	REMOTE_IN_ORDER, REMOTE_ROWS,
};

struct remote_row {
	const char *name;
	struct remote_work work;
	struct remote_result middle[REMOTE_WHO];	/* of several runs */
};

/* A program's faults, and bare round trips in turn with them. */
struct remote_faulting {
	struct remote_result faults, bare;	/* not done: could not be */
};

/* With processors that sleep when they have nothing to do, as they do here, and
 * with some that do not. */
enum { REMOTE_AS_IT_IS, REMOTE_AWAKE, REMOTE_FAULTINGS };

enum { REMOTE_LOOPBACK, REMOTE_VETH, REMOTE_PLACES };

struct remote_section {
	const char *place;		/* NULL: not measured */
	struct remote_row row[REMOTE_ROWS];
	struct remote_faulting faulting[REMOTE_FAULTINGS];
};

struct remote_report {
	struct remote_section section[REMOTE_PLACES];
};

/* For terminals; for docs/performance.md, between its markers; and an object
 * of its own. */
void remote_report_text(const struct remote_report *rp, FILE *to);
void remote_report_markdown(const struct remote_report *rp, FILE *to);
void remote_report_json(const struct remote_report *rp, FILE *to);

#endif
