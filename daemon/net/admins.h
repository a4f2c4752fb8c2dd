/* SPDX-License-Identifier: MIT */
/* Administrators: which peers may send what memctl sends. */
#ifndef MEMD_NET_ADMINS_H
#define MEMD_NET_ADMINS_H

#include "daemon/config/config.h"
#include "daemon/net/peer.h"

struct admins {
	const struct config *config;
	bool is_embedded;		/* only memd's own user */
	bool has_group;
	bool is_group_due;		/* admin_group is still being looked
					 * up */
	gid_t group;			/* the group admin_group */
};

/* Whether `peer` is an administrator. */
bool admins_have(const struct admins *admins, const struct peer *peer);

#endif
