/* SPDX-License-Identifier: MIT */
#include "daemon/serve/session_group.h"

#include "common/log.h"
#include "common/units.h"
#include "daemon/serve/session.h"
#include "daemon/system/system.h"

uint64_t session_group_needed(const struct session *s)
{
	uint64_t limit = account_frames(s->account->parent);
	struct pager_stats st;

	pager_stats_get(s->all->segments->engine->pager, &st);
	if (limit == 0 || limit > st.frame_count)
		limit = st.frame_count;
	return limit * PAGER_UNIT_BYTES * 2;
}

static void log_group(const struct session *s, uint64_t needed, bool is_small)
{
	char limit_text[16], needed_text[16];

	log_event(LOG_LEVEL_INFO, is_small ? "group-small" : "group-large",
		  "session=%u pid=%d uid=%u command=\"%s\" limit=%s needed=%s",
		  s->id, s->main->peer.pid, s->main->peer.uid, s->command,
		  s->group_bytes == UINT64_MAX ? "none" :
		  units_format_size(s->group_bytes, limit_text,
				    sizeof(limit_text)),
		  units_format_size(needed, needed_text, sizeof(needed_text)));
}

bool session_group_read(struct session *s)
{
	uint64_t needed;
	bool is_small;

	if (s->is_admin_only || s->main->peer.is_remote)
		return true;
	needed = session_group_needed(s);
	s->group_bytes = system_group_memory(s->main->peer.pid);
	is_small = s->group_bytes < needed;
	if (s->desk != NULL && desks_bar(s->desk, is_small))
		log_group(s, needed, is_small);
	return !is_small;
}

void sessions_read_groups(struct sessions *ss, unsigned count)
{
	for (count = MIN(count, ss->count); count > 0; count--) {
		struct session *s = ss->next_group != NULL ?
				    ss->next_group : TAILQ_FIRST(&ss->list);

		ss->next_group = TAILQ_NEXT(s, link);
		(void)session_group_read(s);
	}
}
