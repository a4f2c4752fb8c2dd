/* SPDX-License-Identifier: MIT */
/* Keeping the machine's processors from sleeping, so that what is measured is
 * not how long they take to wake: a request to the kernel's power management
 * (its pm_qos_interface.rst), which ends with whoever made it. */
#ifndef MEMD_TESTS_BENCH_AWAKE_H
#define MEMD_TESTS_BENCH_AWAKE_H

/* Returns a descriptor for awake_end(), or -errno: most often it takes root. */
int awake_begin(void);

void awake_end(int fd);

#endif
