/* SPDX-License-Identifier: MIT */
/* What this machine gives to a process: memory, descriptors, tasks, users and
 * groups.  Reads /proc, /sys, /etc/group and /etc/passwd.  Changes nothing but
 * resource limits. */
#ifndef MEMD_SYSTEM_SYSTEM_H
#define MEMD_SYSTEM_SYSTEM_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Most bytes of memory that this process can have, and the file that says so:
 * /proc/meminfo or the memory.max of a cgroup.  UINT64_MAX if nothing can be
 * read. */
uint64_t system_memory_bytes(char *ret_source, size_t source_size);

/* Most bytes of memory that the cgroups of a process let it have.  UINT64_MAX:
 * they set no limit, or it cannot be read. */
uint64_t system_group_memory(pid_t pid);
/* The same of a process whose cgroups are in the file `groups`, as in
 * /proc/PID/cgroup, and are folders below `root`, as below /sys/fs/cgroup. */
uint64_t system_group_memory_in(const char *groups, const char *root);

/* The number of bytes above which the kernel slows this process down
 * (memory.high), and the file that says so.  UINT64_MAX: no limit. */
uint64_t system_memory_high(char *ret_source, size_t source_size);

/* How many processes and threads there may be, including this one: pids.max of
 * a cgroup, or RLIMIT_NPROC of the user; and where the limit is from.
 * UINT64_MAX: no limit; the source is empty then. */
uint64_t system_task_limit(char *ret_source, size_t source_size);

/* Read the first line of a small file, without its newline.  Returns 0 or
 * -errno. */
int system_read_line(const char *path, char *ret_line, size_t line_size)
	MUST_CHECK;

/* Raise the soft limits of open files and locked memory to the hard ones. */
void system_raise_limits(void);

/* How many descriptors this process may have open. */
uint64_t system_descriptor_limit(void);

/* Find a group by its number, or by its name in /etc/group.  Does not ask
 * directory services, because they may block; names.h asks them.  Returns 0,
 * -ENOENT, or -errno of reading the file. */
int system_find_group(const char *text, gid_t *ret_gid) MUST_CHECK;

/* The same for a user and /etc/passwd.  For a number that has no entry there,
 * the group is unknown: (gid_t)-1. */
int system_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
	MUST_CHECK;

/* Whether each uid stands for one user here.  Not in a user namespace that does
 * not map all users: it shows all others as 65534. */
bool system_knows_all_users(void);

/* Copy text from a client, for logs and terminals.  Control characters, quotes
 * and backslashes become question marks.  `to` may be `from`.  Returns `to`. */
char *system_printable(const char *from, char *to, size_t to_size);

/* Fill in random bytes; length <= 256. */
void system_random(void *to, size_t length);

#endif
