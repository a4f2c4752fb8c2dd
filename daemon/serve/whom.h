/* SPDX-License-Identifier: MIT */
/* Whom an administrator means: the sessions of a process, one session, or
 * everybody.  The process of a session is not known, and its pid 0, where it is
 * in a pid namespace that memd does not see into, or on another host. */
#ifndef MEMD_SERVE_WHOM_H
#define MEMD_SERVE_WHOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct whom {
	pid_t pid;		/* 0: not by that */
	uint32_t session;	/* 0: not by that; both 0: everybody */
};

static inline bool whom_is_everybody(const struct whom *whom)
{
	return whom->pid == 0 && whom->session == 0;
}

static inline bool whom_is(const struct whom *whom, pid_t pid,
			   uint32_t session)
{
	if (whom->session != 0)
		return whom->session == session;
	return whom->pid == 0 || whom->pid == pid;
}

#endif
