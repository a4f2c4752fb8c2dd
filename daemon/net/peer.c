/* SPDX-License-Identifier: MIT */
#include "daemon/net/peer.h"

#include <errno.h>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static int read_groups(struct peer *peer, int fd)
{
	socklen_t length = 0;

	/* The first call only asks how many there are. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) == 0)
		return 0;
	if (errno != ERANGE)
		return -errno;
	peer->groups = malloc(length);
	if (peer->groups == NULL)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups,
		       &length) != 0)
		return -errno;
	peer->group_count = length / sizeof(gid_t);
	return 0;
}

int peer_init(struct peer *peer, int fd)
{
	struct ucred cred;
	socklen_t length = sizeof(cred);
	int err;

	*peer = (struct peer){ 0 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) != 0)
		return -errno;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	err = read_groups(peer, fd);
	if (err != 0)
		peer_fini(peer);
	return err;
}

void peer_fini(struct peer *peer)
{
	free(peer->groups);
	*peer = (struct peer){ 0 };
}

bool peer_is_in_group(const struct peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->group_count; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

bool peer_may(const struct peer *peer, uid_t uid, gid_t gid, unsigned mode,
	      unsigned want)
{
	unsigned granted = mode & 7;

	if (peer->uid == 0)
		return true;
	if (peer->uid == uid)
		granted = mode >> 6 & 7;
	else if (peer_is_in_group(peer, gid))
		granted = mode >> 3 & 7;
	return (granted & want) == want;
}
