/* SPDX-License-Identifier: MIT */
/* What a test asks a running memd over its admin messages. */
#ifndef MEMD_TESTS_TESTADMIN_H
#define MEMD_TESTS_TESTADMIN_H

#include "tests/integration/testmemd.h"
#include <stdbool.h>
#include <stdint.h>

struct testadmin_status {
	uint64_t pool_frames, free_frames, pinned_frames;
	uint64_t slot_count, free_slots, quarantined_slots;
	uint64_t committed_pages, sessions, segments, faults, pages_lost;
	char store[16];
};

/* Returns 0, or -1 after printing why. */
int testadmin_status(const struct testmemd *tm,
		     struct testadmin_status *ret_status);

/* A counter by its name, as `memctl stats` shows it.  Returns 0, or -1 after
 * printing why. */
int testadmin_counter(const struct testmemd *tm, const char *name,
		      uint64_t *ret_value);

/* What the sessions of a process have, and have had. */
struct testadmin_use {
	uint64_t resident_bytes, faults, faults_one_sided;
	/* Of its cgroup, as the last of its sessions says; 0: no limit. */
	uint64_t memory_limit_bytes, memory_needed_bytes;
};

/* Of these processes, and in ret_use[count] of all others.  Returns 0, or -1
 * after printing why. */
int testadmin_use(const struct testmemd *tm, const pid_t *pid, unsigned count,
		  struct testadmin_use *ret_use);

/* Returns 0 when faults came in mailboxes, or none did, as `is_mailbox` says;
 * else -1 after printing how many did. */
int testadmin_check_carrier(const struct testmemd *tm, bool is_mailbox);

/* Wait until nothing is left of any client: no segment, all frames and slots
 * free, no session but the asking one.  Returns 0, or -1 after printing what
 * is left after a minute. */
int testadmin_await_empty(const struct testmemd *tm);

/* How many descriptors memd has open. */
int testadmin_open_files(const struct testmemd *tm);

#endif
