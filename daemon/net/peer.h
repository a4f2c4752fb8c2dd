/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a socket, and what such a one may do to a thing
 * with an owner, a group and a mode: as files do it.  Of a program on another
 * host (remote.h) only its address is known, and with TLS the name in its
 * certificate; pid is 0 then, and uid whose limits count for it. */
#ifndef MEMD_NET_PEER_H
#define MEMD_NET_PEER_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	PEER_NOBODY = 65534,	/* also: unknown in our user namespace */
	PEER_HOST_BYTES = 64,
	PEER_NAME_BYTES = 256,
};

struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups;		/* supplementary; owned */
	size_t group_count;
	bool is_remote;
	char host[PEER_HOST_BYTES];	/* remote: its address, in numbers */
	char network[PEER_HOST_BYTES];	/* that, or the network that IPv6
					 * gives to one who may choose freely
					 * in it: limits are its */
	char name[PEER_NAME_BYTES];	/* in its certificate; empty: none */
};

/* Of the moment of connect(2).  Returns 0 or -errno. */
int peer_init(struct peer *peer, int fd) MUST_CHECK;
void peer_fini(struct peer *peer);

bool peer_is_in_group(const struct peer *peer, gid_t gid);

enum { PEER_READ = 4, PEER_WRITE = 2 };

/* Whether `mode` of something owned by uid and gid grants all of `want`.
 * Root may everything.  As for files, the first class that fits decides. */
bool peer_may(const struct peer *peer, uid_t uid, gid_t gid, unsigned mode,
	      unsigned want);

#endif
