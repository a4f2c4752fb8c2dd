/* SPDX-License-Identifier: MIT */
/* Finds users and groups by name, also those of directory services (LDAP, sssd
 * …).  A service may take long to answer, so a thread asks it, and the answer
 * is kept for a while.
 *
 * Threads: call only from the thread of the event loop. */
#ifndef MEMD_SYSTEM_NAMES_H
#define MEMD_SYSTEM_NAMES_H

#include "common/checks.h"
#include <sys/types.h>

/* As system_find_group() and system_find_user(), and if these find nothing, ask
 * the services.  Returns 0, -ENOENT, or -EAGAIN: the answer is not there yet;
 * call again. */
int names_find_group(const char *text, gid_t *ret_gid) MUST_CHECK;
int names_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
	MUST_CHECK;

/* The same, but wait up to patience_ms.  Only where nobody is served
 * meanwhile. */
int names_await_group(const char *text, unsigned patience_ms, gid_t *ret_gid)
	MUST_CHECK;
int names_await_user(const char *text, unsigned patience_ms, uid_t *ret_uid,
		     gid_t *ret_gid) MUST_CHECK;

#endif
