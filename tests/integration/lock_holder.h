/* SPDX-License-Identifier: MIT */
/* A process that keeps the lock of a file (its inode) until it is ended: by a
 * write(2) from memory whose page faults nobody answers. */
#ifndef MEMD_TESTS_LOCK_HOLDER_H
#define MEMD_TESTS_LOCK_HOLDER_H

#include <sys/types.h>

/* 0, or -errno: this machine has no userfaultfd that sees faults of the
 * kernel. */
int lock_holder_check(void);

/* When this returns, the lock is held.  All assertions are cmocka's. */
pid_t lock_holder_start(int file);
/* The same by a read(2) of a file with O_DIRECT, which ext4 and XFS lock for
 * it.  It holds up only what changes the layout of the file. */
pid_t lock_holder_start_reader(int file);
void lock_holder_end(pid_t pid);

#endif
