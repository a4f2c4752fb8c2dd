/* SPDX-License-Identifier: MIT */
/* Errors in words: a table for errno numbers, and the calling thread's last
 * error text.  Decides nothing and prints nothing.
 *
 * Threads: any; but errors_set() and errors_text() use thread-local memory
 * and are not for signal handlers. */
#ifndef MEMD_CLIENT_LINK_ERRORS_H
#define MEMD_CLIENT_LINK_ERRORS_H

#include "common/checks.h"
#include <stddef.h>

enum { ERRORS_TEXT_BYTES = 1025 };	/* WIRE_TEXT_BYTES_MAX and the NUL */

/* Keep the text for memclient_error().  Returns `error`, so that callers can
 * say `return errors_set(-EINVAL, "…")`. */
int errors_set(int error, const char *format, ...) PRINTF_LIKE(2, 3);

/* The text kept last, "no error" before the first. */
const char *errors_text(void);

/* Text of an errno number of either sign.  Static. */
const char *errors_name(int error);

/* Copy a text that somebody else wrote: cut to fit, always terminated, and
 * with everything that is not printable replaced, so that a server cannot
 * send escape sequences to a terminal. */
void errors_copy(char *to, size_t to_bytes, const char *from);

/* The errno a server sent, as -errno: -EPROTO when it is not one. */
int errors_from_wire(unsigned code);

#endif
