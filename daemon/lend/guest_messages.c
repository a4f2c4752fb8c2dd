/* SPDX-License-Identifier: MIT */
#include "daemon/lend/guest_messages.h"

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

static const struct message_kind guest_messages[] = {
	{ T(STORE_OPEN), &memd__store_open__descriptor, handle_store_open,
	  ON_MAIN, true, false, FROM_ELSEWHERE, false },
	{ T(STORE_READ), &memd__store_range__descriptor, handle_store_read,
	  ON_MAIN, true, false, FROM_ELSEWHERE, false },
	{ T(STORE_WRITE), &memd__store_range__descriptor, handle_store_write,
	  ON_MAIN, true, false, FROM_ELSEWHERE, true },
	{ T(STORE_DISCARD), &memd__store_discard__descriptor,
	  handle_store_discard, ON_MAIN, false, false, FROM_ELSEWHERE,
	  false },
	{ T(STORE_CLOSE), NULL, handle_store_close, ON_MAIN, true, false,
	  FROM_ELSEWHERE, false },
};

void guest_messages_add(struct conns *all, struct guests *room)
{
	dispatch_add(all, guest_messages, ARRAY_SIZE(guest_messages),
		     room);
}
