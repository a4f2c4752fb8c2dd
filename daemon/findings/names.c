/* SPDX-License-Identifier: MIT */
/* Findings about names: environment variables, groups and users. */
#include "daemon/findings/findings.h"

#include "daemon/config/words.h"
#include "daemon/system/names.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>

/* A warning, not an error: the variable may belong to another program. */
void finding_environment(struct findings_ask *ask)
{
	char variable[96], meant[64], shown[96];
	const struct config_key *key;
	size_t idx = 0;

	while ((key = config_find_misspelt(&idx, variable,
					   sizeof(variable))) != NULL) {
		system_printable(variable, shown, sizeof(shown));
		snprintf(ask->fields, sizeof(ask->fields), "name=\"%s\" ",
			 shown);
		finding_warn(ask, "%s in the environment sets nothing\ndid you "
			     "mean %s?", shown, config_variable(key, meant,
			     sizeof(meant)));
	}
}

/* ---- groups */

static int find_group(const struct findings_ask *ask, const char *group,
		      gid_t *ret_gid)
{
	return ask->moment != FINDING_CHECK ? ask->error :
		names_await_group(group, ask->patience_ms, ret_gid);
}

void finding_admin_group(struct findings_ask *ask)
{
	const char *group = ask->config->admin_group;
	gid_t gid = 0;

	snprintf(ask->fields, sizeof(ask->fields), "group=\"%s\" ", group);
	if (group[0] == '\0')
		finding_ok(ask, "none: only root and memd's own user may "
			   "administrate");
	else if (find_group(ask, group, &gid) == 0)
		finding_ok(ask, "%s is gid %u", group, gid);
	else
		finding_warn(ask, "no group \"%s\" here\ngroupadd --system %s, "
			     "then reload", group, group);
}

void finding_socket_group(struct findings_ask *ask)
{
	const char *group = ask->config->socket_group;
	gid_t gid;

	if (group[0] != '\0' && ask->config->socket[0] == '/' &&
	    find_group(ask, group, &gid) != 0)
		finding_fail(ask, "socket_group: no group \"%s\" here\n"
			     "groupadd --system %s, or give a number", group,
			     group);
}

/* ---- users */

/* A warning, not an error: the user may be added later, and other users can be
 * served.  `where`: the setting, or the word in it. */
static void look_for_user(struct findings_ask *ask, const char *setting,
			  const char *where, const char *user,
			  const char *whose)
{
	char shown[CONFIG_TEXT_BYTES];
	uid_t uid;
	gid_t gid;
	int err = names_await_user(user, ask->patience_ms, &uid, &gid);

	/* While the answer is still awaited, the log gets no warning. */
	if (err == 0 || (err == -EAGAIN && ask->moment != FINDING_CHECK))
		return;
	system_printable(user, shown, sizeof(shown));
	snprintf(ask->fields, sizeof(ask->fields), "setting=%s user=\"%s\" ",
		 setting, shown);
	finding_warn(ask, "%s: no user \"%s\" here, so %s are refused\nuseradd "
		     "--system %s, or name another one and reload", where,
		     shown, whose, shown);
}

void finding_users(struct findings_ask *ask)
{
	const struct config *config = ask->config;
	const char *words = config->tls_users, *word;
	char where[2 * CONFIG_TEXT_BYTES], user[CONFIG_TEXT_BYTES];
	size_t length;

	if (config->listen_tcp[0] == '\0')
		return;
	while ((length = words_next(&words, &word)) != 0) {
		const char *sign = memchr(word, '=', length);

		ASSERT(sign != NULL);	/* config_check() refuses it */
		snprintf(user, sizeof(user), "%.*s",
			 (int)(word + length - sign - 1), sign + 1);
		snprintf(where, sizeof(where), "tls_users: \"%.*s\"",
			 (int)length, word);
		look_for_user(ask, "tls_users", where, user, "its programs");
	}
	if (config->tcp_user[0] != '\0')
		look_for_user(ask, "tcp_user", "tcp_user", config->tcp_user,
			      "programs without certificates");
}
