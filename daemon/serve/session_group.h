/* SPDX-License-Identifier: MIT */
/* What the memory cgroup of a session's program allows.  Pages that a program
 * brings in by itself are charged to it until memd evicts them, and the kernel
 * would end a program with a small cgroup and many such pages.  So a session
 * with a small one is lent nothing.
 *
 * The limit can change at any time, and nobody tells.  So it is read again, of
 * a few sessions at a time: each costs some system calls, and no fault waits
 * for one. */
#ifndef MEMD_SERVE_SESSION_GROUP_H
#define MEMD_SERVE_SESSION_GROUP_H

#include <stdbool.h>
#include <stdint.h>

struct session;
struct sessions;

enum {
	/* How many to read at once: each second, and for a list. */
	SESSION_GROUPS_TICK = 4,
	SESSION_GROUPS_LIST = 64,
};

/* The least that the cgroup must allow: twice all frames that the user may
 * have, of the whole pool at most. */
uint64_t session_group_needed(const struct session *s);

/* Read the limit, and lend accordingly.  Returns false if it is too small. */
bool session_group_read(struct session *s);

/* The same for the next `count` sessions, in turn. */
void sessions_read_groups(struct sessions *ss, unsigned count);

#endif
