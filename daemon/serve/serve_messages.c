/* SPDX-License-Identifier: MIT */
#include "daemon/serve/serve_messages.h"

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

static const struct message_kind serve_messages[] = {
	{ T(HELLO), &memd__hello__descriptor, handle_hello, ON_NEW, true,
	  false, FROM_ANYWHERE, false },
	{ T(MAILBOX), NULL, handle_mailbox, ON_MAIN, true, false,
	  FROM_HERE, false },
	{ T(DESK), &memd__desk__descriptor, handle_desk, ON_MAIN, true, false,
	  FROM_HERE, false },
	{ T(RING), NULL, handle_ring, ON_MAIN, false, false, FROM_HERE,
	  false },
	{ T(USERFAULTFD), NULL, handle_userfaultfd, ON_MAIN, false, false,
	  FROM_HERE, false },
	{ T(GOODBYE), NULL, handle_goodbye, ON_MAIN, false, false,
	  FROM_HERE, false },
	{ T(SEGMENT_CREATE), &memd__segment_create__descriptor,
	  handle_segment_create, ON_MAIN, true, false, FROM_HERE, false },
	{ T(SEGMENT_ATTACH), &memd__segment_attach__descriptor,
	  handle_segment_attach, ON_MAIN, true, false, FROM_HERE, false },
	{ T(SEGMENT_DETACH), &memd__segment_detach__descriptor,
	  handle_segment_detach, ON_MAIN, true, false, FROM_HERE, false },
	{ T(SEGMENT_UNLINK), &memd__segment_unlink__descriptor,
	  handle_segment_unlink, ON_MAIN, true, false, FROM_HERE_OR_ADMIN,
	  false },
	{ T(SEGMENT_MAPPED), &memd__segment_mapped__descriptor,
	  handle_segment_mapped, ON_MAIN, false, false, FROM_HERE, false },
	{ T(FAULT), &memd__fault__descriptor, handle_fault, ON_MAIN, true,
	  false, FROM_HERE, false },
	{ T(TOUCHED), &memd__touched__descriptor, handle_touched, ON_MAIN,
	  false, false, FROM_HERE, false },
	{ T(ADVISE), &memd__advise__descriptor, handle_advise, ON_MAIN, true,
	  false, FROM_HERE, false },
	{ T(PIN), &memd__pin__descriptor, handle_pin, ON_MAIN, true, false,
	  FROM_HERE, false },
	{ T(UNPIN), &memd__pin__descriptor, handle_unpin, ON_MAIN, true,
	  false, FROM_HERE, false },
	{ T(SESSION_STATS), NULL, handle_session_stats, ON_MAIN, true,
	  false, FROM_HERE, false },
};

void serve_messages_add(struct conns *all, struct serve *room)
{
	dispatch_add(all, serve_messages, ARRAY_SIZE(serve_messages),
		     room);
}
