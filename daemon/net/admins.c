/* SPDX-License-Identifier: MIT */
#include "daemon/net/admins.h"

#include "daemon/config/words.h"
#include "daemon/system/system.h"
#include <string.h>
#include <unistd.h>

/* PEER_NOBODY may stand for several users.  It counts as memd's own user only
 * if it surely is one user, or if the operator has set allow_nobody. */
static bool is_own_user(const struct admins *admins, uid_t uid)
{
	bool is_allowed = strcmp(admins->config->allow_nobody, "yes") == 0;

	return uid == geteuid() &&
	       (uid != PEER_NOBODY || admins->is_embedded || is_allowed ||
		system_knows_all_users());
}

bool admins_have(const struct admins *admins, const struct peer *peer)
{
	/* A program on another host has a uid only for its limits.  Only its
	 * certificate can make it an administrator. */
	if (peer->is_remote)
		return peer->name[0] != '\0' &&
		       words_have(admins->config->tls_admins,
				  peer->name);
	return peer->uid == 0 || is_own_user(admins, peer->uid) ||
	       (admins->has_group && peer_is_in_group(peer, admins->group));
}
