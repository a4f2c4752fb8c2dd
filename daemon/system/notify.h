/* SPDX-License-Identifier: MIT */
/* Messages to the service manager, as sd_notify(3) sends them, but never
 * waiting for one who does not read: all programs that use memd would wait
 * with it. */
#ifndef MEMD_SYSTEM_NOTIFY_H
#define MEMD_SYSTEM_NOTIFY_H

#include "common/checks.h"

/* Until this is called nobody is told anything: the manager is that of memd
 * itself, and not of a program that has it inside. */
void notify_init(void);

/* Dropped when it cannot be sent at once: status lines, watchdog. */
void notify_send(const char *format, ...) PRINTF_LIKE(1, 2);

/* Kept until the manager takes it, as it waits for that: ready, reloading,
 * stopping. */
void notify_send_surely(const char *format, ...) PRINTF_LIKE(1, 2);

/* Try again to send what is kept. */
void notify_retry(void);

#endif
