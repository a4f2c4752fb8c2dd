/* SPDX-License-Identifier: MIT */
/* Error texts: a table for errno numbers, and the last error text of the
 * calling thread.  Prints nothing.
 *
 * Threads: any.  errors_set() and errors_text() use thread-local memory and
 * must not be called from signal handlers. */
#ifndef MEMD_CLIENT_LINK_ERRORS_H
#define MEMD_CLIENT_LINK_ERRORS_H

#include "common/checks.h"
#include <stddef.h>

enum { ERRORS_TEXT_BYTES = 1025 };	/* WIRE_TEXT_BYTES_MAX and the NUL */

/* Set the text of memclient_error().  Returns `error`, so that a caller can
 * write `return errors_set(-EINVAL, "…")`. */
int errors_set(int error, const char *format, ...) PRINTF_LIKE(2, 3);

/* The text set last; "no error" if none was. */
const char *errors_text(void);

/* The text of an errno number of either sign.  Static. */
const char *errors_name(int error);

/* Copy a text that came from the daemon.  It is cut to fit and always
 * terminated.  Control characters are replaced, so that a server cannot send
 * escape sequences to a terminal. */
void errors_copy(char *to, size_t to_bytes, const char *from);

/* The errno number that a server has sent, as -errno; -EPROTO if it is none. */
int errors_from_wire(unsigned code);

#endif
