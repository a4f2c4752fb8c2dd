/* SPDX-License-Identifier: MIT */
/* EXIT STATUS of memd(8), besides EXIT_SUCCESS and EXIT_FAILURE. */
#ifndef MEMD_CONFIG_EXIT_STATUS_H
#define MEMD_CONFIG_EXIT_STATUS_H

enum { EXIT_BAD_CONFIG = 2, EXIT_KERNEL_REFUSES = 3 };

#endif
