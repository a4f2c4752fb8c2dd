/* SPDX-License-Identifier: MIT */
/* Checks of what callers pass: options with a size, lengths, names, addresses.
 * All int functions return 0, or -EINVAL with an error text. */
#ifndef MEMD_CLIENT_OPTIONS_H
#define MEMD_CLIENT_OPTIONS_H

#include "client/link/settings.h"
#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memclient_options;

/* Copy a struct that begins with its size.  If it is shorter than ours, because
 * the program is older, the rest is filled with zeros.  If it is longer, the
 * part that we do not know must be zeros.  NULL: all zeros.  `what` names the
 * struct in error texts. */
int options_take(void *to, size_t to_bytes, const void *from, const char *what)
	MUST_CHECK;

/* Check a page size; 0 becomes 4096. */
int options_check_page_size(uint32_t *page_size) MUST_CHECK;
int options_check_length(size_t length) MUST_CHECK;
int options_check_name(const char *name) MUST_CHECK;

/* Returns `address`; if it is NULL, the address in the environment; if there is
 * none, the address of the system's daemon.  ret_is_old: see address.h. */
const char *options_find_address(const char *address, bool *ret_is_old);

/* Fill in `s`, which must be all zeros, for the address of a socket. */
int options_set_settings(struct settings *s, const char *address,
			 const struct memclient_options *options) MUST_CHECK;

#endif
