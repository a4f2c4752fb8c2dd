/* SPDX-License-Identifier: MIT */
/* What callers pass: options with a size, lengths, names, addresses.  All
 * return 0 or -EINVAL with an error text. */
#ifndef MEMD_CLIENT_OPTIONS_H
#define MEMD_CLIENT_OPTIONS_H

#include "client/link/settings.h"
#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memclient_options;

/* Copy a struct that begins with its size: a shorter one (an older program)
 * is filled up with zeros, a longer one must have zeros where we know
 * nothing.  NULL is all zeros.  `what` names the struct in error texts. */
int options_take(void *to, size_t to_bytes, const void *from, const char *what)
	MUST_CHECK;

/* 0 becomes 4096. */
int options_check_page_size(uint32_t *page_size) MUST_CHECK;
int options_check_length(size_t length) MUST_CHECK;
int options_check_name(const char *name) MUST_CHECK;

/* `address`, or where that is NULL the one of the environment, or where there
 * is none that of the daemon.  ret_is_old: address.h. */
const char *options_find_address(const char *address, bool *ret_is_old);

/* Of a socket.  `s` must be all zeros. */
int options_set_settings(struct settings *s, const char *address,
			 const struct memclient_options *options) MUST_CHECK;

#endif
