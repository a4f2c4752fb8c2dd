/* SPDX-License-Identifier: MIT */
/* What this machine gives to a process: memory, descriptors, groups.  Reads
 * /proc, /sys and /etc/group; changes nothing but resource limits. */
#ifndef MEMD_SYSTEM_SYSTEM_H
#define MEMD_SYSTEM_SYSTEM_H

#include "common/checks.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of memory this process can ever have, and the file that says so:
 * /proc/meminfo or the memory.max of a cgroup it is in.  UINT64_MAX when
 * nothing can be read. */
uint64_t system_memory_bytes(char *ret_source, size_t source_size);

/* Above how many bytes the kernel slows this process down (memory.high), and
 * the file that says so.  UINT64_MAX: nowhere. */
uint64_t system_memory_high(char *ret_source, size_t source_size);

/* How many processes and threads there may be, this one included: pids.max of
 * a cgroup, or the user's RLIMIT_NPROC; and who says so.  UINT64_MAX: no
 * limit; the source is empty then. */
uint64_t system_task_limit(char *ret_source, size_t source_size);

/* First line of a small file, without its newline.  0 or -errno. */
int system_read_line(const char *path, char *ret_line, size_t line_size)
	MUST_CHECK;

/* Raise the soft limits of open files and locked memory to the hard ones. */
void system_raise_limits(void);

/* How many descriptors this process may have open. */
uint64_t system_descriptor_limit(void);

/* A group by number or by its name in /etc/group.  Directory services are
 * not asked, as they may block: names.h does.  Returns 0, -ENOENT, or -errno
 * of reading the file. */
int system_find_group(const char *text, gid_t *ret_gid) MUST_CHECK;

/* The same for a user and /etc/passwd.  Of a number without an entry there
 * the group is unknown: (gid_t)-1. */
int system_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
	MUST_CHECK;

/* Does each uid stand for one user here?  Not in a user namespace that leaves
 * some out: all of those are 65534 in it. */
bool system_knows_all_users(void);

/* Copy text that a client gave, for logs and terminals: control characters,
 * quotes and backslashes become question marks.  Returns to. */
char *system_printable(const char *from, char *to, size_t to_size);

/* 128 random bits and the like. */
void system_random(void *to, size_t length);

#endif
