/* SPDX-License-Identifier: MIT */
#include "daemon/admin/admin_messages.h"

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

static const struct message_kind admin_messages[] = {
	{ T(STATUS), NULL, handle_status, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(SESSIONS), NULL, handle_sessions, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(SEGMENTS), NULL, handle_segments, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(GUESTS), NULL, handle_guests, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(GUEST_DROP), &memd__guest_drop__descriptor, handle_guest_drop,
	  ON_MAIN, true, true, FROM_ANYWHERE, false },
	{ T(MAPS), &memd__maps_request__descriptor, handle_maps, ON_MAIN,
	  true, true, FROM_ANYWHERE, false },
	{ T(COUNTERS), NULL, handle_counters, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(FAULT_STATS), NULL, handle_fault_stats, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(TRACE), &memd__trace_request__descriptor, handle_trace, ON_MAIN,
	  true, true, FROM_ANYWHERE, false },
	{ T(EVICT), &memd__evict_request__descriptor, handle_evict, ON_MAIN,
	  true, true, FROM_ANYWHERE, false },
	{ T(REPLAY), &memd__replay_request__descriptor, handle_replay,
	  ON_MAIN, true, true, FROM_ANYWHERE, false },
	{ T(DISCONNECT), &memd__disconnect__descriptor, handle_disconnect,
	  ON_MAIN, true, true, FROM_ANYWHERE, false },
	{ T(LIMIT_SET), &memd__limit__descriptor, handle_limit_set, ON_MAIN,
	  true, true, FROM_ANYWHERE, false },
	{ T(LIMITS), NULL, handle_limits, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(CONFIG), NULL, handle_config, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
};

void admin_messages_add(struct conns *all, struct admin *room)
{
	dispatch_add(all, admin_messages, ARRAY_SIZE(admin_messages),
		     room);
}
