/* SPDX-License-Identifier: MIT */
/* All findings, in the order of `memd --check`:
 *
 *   FINDING(name, topic, event, moments)
 *
 * The function finding_NAME() checks it.  Include this where FINDING is
 * defined. */

/* names.c */
FINDING(environment, "settings", "environment",
	FINDING_CHECK | FINDING_SETTINGS)
/* kernel.c */
FINDING(kernel, "kernel", NULL, FINDING_CHECK | FINDING_BARE)
FINDING(userfaultfd, "userfaultfd", NULL, FINDING_CHECK | FINDING_BARE)
FINDING(full_userfaultfd, "userfaultfd for programs", NULL,
	FINDING_CHECK | FINDING_BARE)
FINDING(capture, "eviction", NULL, FINDING_CHECK | FINDING_BARE)
FINDING(huge_pages, "shmem huge pages", NULL, FINDING_CHECK)
/* limits.c */
FINDING(memory, "memory", NULL, FINDING_CHECK)
FINDING(memory_high, "memory", "memory-high",
	FINDING_CHECK | FINDING_SETTINGS | FINDING_STATUS)
FINDING(tasks, "tasks", "few-tasks", FINDING_CHECK | FINDING_SETTINGS)
FINDING(io_refused, "tasks", "io-refused", FINDING_STATUS)
FINDING(missing_helpers, "tasks", "helpers-missing", FINDING_STATUS)
FINDING(descriptors, "open files", NULL, FINDING_CHECK)
FINDING(mappings, "mappings", NULL, FINDING_CHECK)
/* names.c */
FINDING(admin_group, "admin group", "admin-group", FINDING_CHECK)
FINDING(socket_group, "socket", NULL, FINDING_CHECK)
/* files.c */
FINDING(socket, "socket", NULL, FINDING_CHECK)
/* names.c */
FINDING(users, "other hosts", "user-unknown", FINDING_CHECK | FINDING_SETTINGS)
/* files.c */
FINDING(mem, "store", NULL, FINDING_CHECK | FINDING_STATUS)
FINDING(io_uring, "io_uring", "store-fallback",
	FINDING_CHECK | FINDING_STARTED | FINDING_STATUS)
FINDING(swap_cached, "swap_dir", "swap-not-direct",
	FINDING_STARTED | FINDING_STATUS)
FINDING(swap_copies, "swap_dir", "swap-copied",
	FINDING_CHECK | FINDING_STARTED)
FINDING(swap_shared, "swap_dir", "swap-shared",
	FINDING_CHECK | FINDING_STARTED)
FINDING(swap_dir, "swap_dir", NULL, FINDING_CHECK)
