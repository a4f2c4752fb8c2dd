/* SPDX-License-Identifier: MIT */
/* Users and groups by name, those of directory services (LDAP, sssd …) too.
 * They may take as long as they like to answer, so they are asked on a thread,
 * and what they said is kept for a while.
 *
 * Threads: one, that of the event loop. */
#ifndef MEMD_SYSTEM_NAMES_H
#define MEMD_SYSTEM_NAMES_H

#include "common/checks.h"
#include <sys/types.h>

/* As system_find_group() and system_find_user(), and then the services.
 * Returns 0, -ENOENT, or -EAGAIN: they are being asked, ask again. */
int names_find_group(const char *text, gid_t *ret_gid) MUST_CHECK;
int names_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
	MUST_CHECK;

/* The same, waiting that long at most: where nobody else waits. */
int names_await_group(const char *text, unsigned patience_ms, gid_t *ret_gid)
	MUST_CHECK;
int names_await_user(const char *text, unsigned patience_ms, uid_t *ret_uid,
		     gid_t *ret_gid) MUST_CHECK;

#endif
