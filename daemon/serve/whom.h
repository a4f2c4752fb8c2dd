/* SPDX-License-Identifier: MIT */
/* The sessions that an administrator's request is about: those of a process,
 * one, or all.  Sessions of other hosts, and of pid namespaces that
 * memd cannot see into, have pid 0. */
#ifndef MEMD_SERVE_WHOM_H
#define MEMD_SERVE_WHOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct whom {
	pid_t pid;		/* 0: any process */
	uint32_t session;	/* 0: any session; both 0: everybody */
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
