/* SPDX-License-Identifier: MIT */
/* Which protobuf message the body of each message type is, read off
 * memd.proto by hand, for tests and fuzz targets that walk over all of them.
 * Not for production code, which knows the type it is waiting for. */
#ifndef MEMD_TESTS_PROTO_DESCRIPTORS_H
#define MEMD_TESTS_PROTO_DESCRIPTORS_H

#include "proto/wire.h"

struct type_descriptor {
	uint16_t type;
	const ProtobufCMessageDescriptor *body;	/* NULL: no body */
};

#define BODY(TYPE, message) \
	{ MEMD__MESSAGE_TYPE__TYPE_##TYPE, &memd__##message##__descriptor }
#define NO_BODY(TYPE)	{ MEMD__MESSAGE_TYPE__TYPE_##TYPE, NULL }

static const struct type_descriptor type_descriptors[] = {
	NO_BODY(NONE),
	BODY(HELLO, hello),
	BODY(HELLO_REPLY, hello_reply),
	BODY(ERROR, error),
	NO_BODY(OK),
	NO_BODY(MAILBOX),
	BODY(MAILBOX_REPLY, mailbox_reply),
	NO_BODY(RING),
	BODY(DESK, desk),
	BODY(DESK_REPLY, desk_reply),
	BODY(AREA_FILE, area_file),
	NO_BODY(USERFAULTFD),
	BODY(SEGMENT_CREATE, segment_create),
	BODY(SEGMENT_ATTACH, segment_attach),
	BODY(SEGMENT_DETACH, segment_detach),
	BODY(SEGMENT_UNLINK, segment_unlink),
	BODY(SEGMENT_REPLY, segment_reply),
	BODY(SEGMENT_MAPPED, segment_mapped),
	BODY(SEGMENT_UNLINK_REPLY, segment_unlink_reply),
	NO_BODY(GOODBYE),
	BODY(FAULT, fault),
	BODY(FAULT_REPLY, fault_reply),
	BODY(AGE, age),
	BODY(TOUCHED, touched),
	BODY(ADVISE, advise),
	BODY(PIN, pin),
	BODY(UNPIN, pin),
	NO_BODY(SESSION_STATS),
	BODY(SESSION_STATS_REPLY, session_stats_reply),
	BODY(READY, ready),
	BODY(STORE_OPEN, store_open),
	BODY(STORE_OPEN_REPLY, store_open_reply),
	BODY(STORE_READ, store_range),
	NO_BODY(STORE_BYTES),
	BODY(STORE_WRITE, store_range),
	BODY(STORE_DISCARD, store_discard),
	NO_BODY(STORE_CLOSE),
	NO_BODY(GUESTS),
	BODY(GUESTS_REPLY, guests_reply),
	BODY(GUEST_DROP, guest_drop),
	NO_BODY(STATUS),
	BODY(STATUS_REPLY, status_reply),
	NO_BODY(SESSIONS),
	BODY(SESSIONS_REPLY, sessions_reply),
	NO_BODY(SEGMENTS),
	BODY(SEGMENTS_REPLY, segments_reply),
	BODY(MAPS, maps_request),
	NO_BODY(COUNTERS),
	BODY(COUNTERS_REPLY, counters_reply),
	NO_BODY(FAULT_STATS),
	BODY(FAULT_STATS_REPLY, fault_stats_reply),
	BODY(TRACE, trace_request),
	BODY(TRACE_EVENTS, trace_events),
	BODY(EVICT, evict_request),
	BODY(EVICT_REPLY, evict_reply),
	BODY(REPLAY, replay_request),
	BODY(REPLAY_REPLY, replay_reply),
	BODY(DISCONNECT, disconnect),
	BODY(DISCONNECT_REPLY, disconnect_reply),
	BODY(LIMIT_SET, limit),
	NO_BODY(LIMITS),
	BODY(LIMITS_REPLY, limits_reply),
	NO_BODY(CONFIG),
	BODY(CONFIG_REPLY, config_reply),
};

#undef BODY
#undef NO_BODY

static inline const struct type_descriptor *type_descriptor_find(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_descriptors); i++) {
		if (type_descriptors[i].type == type)
			return &type_descriptors[i];
	}
	return NULL;
}

#endif
