/* SPDX-License-Identifier: MIT */
/* Sends messages to the service manager, as sd_notify(3) does, but never
 * blocks: all programs that use memd would wait as well. */
#ifndef MEMD_SYSTEM_NOTIFY_H
#define MEMD_SYSTEM_NOTIFY_H

#include "common/checks.h"

/* Call once in memd as a process.  Without this call nothing is sent: in an
 * embedded memd, the manager is that of the program. */
void notify_init(void);

/* Send now or not at all: for status lines and the watchdog. */
void notify_send(const char *format, ...) PRINTF_LIKE(1, 2);

/* Keep the message until the manager takes it, because the manager waits for
 * it: ready, reloading, stopping. */
void notify_send_surely(const char *format, ...) PRINTF_LIKE(1, 2);

/* Try again to send the messages that are kept. */
void notify_retry(void);

#endif
