/* SPDX-License-Identifier: MIT */
/* Administrators of memd: may this peer ask what memctl asks? */
#ifndef MEMD_NET_ADMINS_H
#define MEMD_NET_ADMINS_H

#include "daemon/config/config.h"
#include "daemon/net/peer.h"

struct admins {
	const struct config *config;
	bool is_embedded;		/* its user alone */
	bool has_group;
	bool is_group_due;		/* is being looked up */
	gid_t group;			/* of admin_group */
};

bool admins_have(const struct admins *admins, const struct peer *peer);

#endif
