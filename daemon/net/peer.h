/* SPDX-License-Identifier: MIT */
/* The program at the other end of a socket, and what it may do to an object
 * that has an owner, a group and a mode, with the rules for files.
 *
 * For a program on another host (remote.h) only its address is known, and with
 * TLS the name in its certificate.  Its pid is 0, and its uid is the user whose
 * limits it uses. */
#ifndef MEMD_NET_PEER_H
#define MEMD_NET_PEER_H

#include "common/checks.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	PEER_NOBODY = 65534,	/* also shown for users that do not exist in
				 * memd's user namespace */
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
	char host[PEER_HOST_BYTES];	/* remote: its address, numeric */
	char network[PEER_HOST_BYTES];	/* remote: its address; for IPv6 its /64
					 * network, because one host can use any
					 * address in it.  Limits count by
					 * this */
	char name[PEER_NAME_BYTES];	/* remote: in its certificate; empty: no
					 * certificate */
};

/* Fill in `peer` as it was at the time of connect(2).  Returns 0 or -errno. */
int peer_init(struct peer *peer, int fd) MUST_CHECK;
void peer_fini(struct peer *peer);

bool peer_is_in_group(const struct peer *peer, gid_t gid);

enum { PEER_READ = 4, PEER_WRITE = 2 };

/* Whether `mode` of an object owned by uid and gid grants all of `want`.  Root
 * may do everything.  As for files, the first class that fits decides: owner,
 * group, others. */
bool peer_may(const struct peer *peer, uid_t uid, gid_t gid, unsigned mode,
	      unsigned want);

#endif
