/* SPDX-License-Identifier: MIT */
/* Where the other host of a benchmark is: on loopback, or in a network
 * namespace of its own behind a pair of virtual cables (veth). */
#ifndef MEMD_TESTS_BENCH_REMOTE_PLACE_H
#define MEMD_TESTS_BENCH_REMOTE_PLACE_H

#include "common/checks.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct remote_place {
	const char *name;		/* "loopback", "veth" */
	const char *address;		/* of the other host */
	int here_fd, there_fd;		/* the namespaces; -1: there is one */
};

void remote_place_loopback(struct remote_place *place);

/* Two new namespaces, which end with this process and its children; it is in
 * one of them from now on.  0, or -1 where that is not allowed, said why on
 * stderr. */
int remote_place_veth(struct remote_place *place) MUST_CHECK;

/* Sockets made, and processes begun, in between are on the other host.  For
 * one thread. */
void remote_place_enter(const struct remote_place *place);
void remote_place_leave(const struct remote_place *place);

/* A listening socket on the other host, at a port that the kernel chose: its
 * descriptor, without O_CLOEXEC, or -1, said why on stderr. */
int remote_place_listen(const struct remote_place *place,
			struct sockaddr_in *ret_sin) MUST_CHECK;

#endif
