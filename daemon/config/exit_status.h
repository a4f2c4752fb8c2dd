/* SPDX-License-Identifier: MIT */
/* memd(8), EXIT STATUS: those besides EXIT_SUCCESS and EXIT_FAILURE. */
#ifndef MEMD_CONFIG_EXIT_STATUS_H
#define MEMD_CONFIG_EXIT_STATUS_H

enum { EXIT_BAD_CONFIG = 2, EXIT_KERNEL_REFUSES = 3 };

#endif
