/* SPDX-License-Identifier: MIT */
#include "daemon/net/dispatch.h"

#include "daemon/daemon.h"
#include "daemon/net/remote.h"
#include "daemon/serve/session.h"
#include <errno.h>

enum {
	ON_NEW = BIT(CONN_NEW),
	ON_MAIN = BIT(CONN_MAIN),
	ON_LANE = BIT(CONN_LANE),
};

/* Segments and faults are for programs on this host, which share memory with
 * memd; stores are for those on others. */
enum message_from {
	FROM_HERE, FROM_ELSEWHERE, FROM_ANYWHERE,
	FROM_HERE_OR_ADMIN,	/* on another host */
};

struct message_kind {
	uint16_t type;
	const ProtobufCMessageDescriptor *descriptor;	/* NULL: no body */
	handler *handle;
	unsigned where;		/* on connections in these states */
	bool has_reply;		/* needs a request id */
	bool is_admin;
	enum message_from from;
	bool has_payload;
};

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

static const struct message_kind kinds[] = {
	{ T(HELLO), &memd__hello__descriptor, handle_hello, ON_NEW, true,
	  false, FROM_ANYWHERE, false },
	{ T(JOIN), &memd__join__descriptor, handle_join, ON_NEW, true,
	  false, FROM_HERE, false },
	{ T(MAILBOX), NULL, handle_mailbox, ON_MAIN, true, false,
	  FROM_HERE, false },
	{ T(RING), NULL, handle_ring, ON_MAIN | ON_LANE, false, false,
	  FROM_HERE, false },
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
	{ T(FAULT), &memd__fault__descriptor, handle_fault,
	  ON_MAIN | ON_LANE, true, false, FROM_HERE, false },
	{ T(TOUCHED), &memd__touched__descriptor, handle_touched,
	  ON_MAIN | ON_LANE, false, false, FROM_HERE, false },
	{ T(ADVISE), &memd__advise__descriptor, handle_advise, ON_MAIN, true,
	  false, FROM_HERE, false },
	{ T(PIN), &memd__pin__descriptor, handle_pin, ON_MAIN, true, false,
	  FROM_HERE, false },
	{ T(UNPIN), &memd__pin__descriptor, handle_unpin, ON_MAIN, true,
	  false, FROM_HERE, false },
	{ T(SESSION_STATS), NULL, handle_session_stats, ON_MAIN, true,
	  false, FROM_HERE, false },
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
	{ T(STATUS), NULL, handle_status, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(SESSIONS), NULL, handle_sessions, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(SEGMENTS), NULL, handle_segments, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(STORES), NULL, handle_stores, ON_MAIN, true, true,
	  FROM_ANYWHERE, false },
	{ T(STORE_DROP), &memd__store_drop__descriptor, handle_store_drop,
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

static const struct message_kind *find_kind(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

/* A type of the schema that only the daemon sends. */
static bool is_ours_to_send(uint16_t type)
{
	return type == T(NONE) ||
	       protobuf_c_enum_descriptor_get_value(
			&memd__message_type__descriptor, type) != NULL;
}

static void refuse_unknown(struct conn *c, const struct wire_header *header)
{
	if (is_ours_to_send(header->type)) {
		conn_refuse(c, header->request_id, -EPROTO,
			    "%s is not a client's to send",
			    wire_type_name(header->type));
		return;
	}
	if (header->request_id != 0)
		conn_send_error(c, header->request_id, -ENOSYS,
				"message type %u is unknown to this memd "
				"(protocol %u.%u)", header->type,
				WIRE_VERSION_MAJOR, WIRE_VERSION_MINOR);
}

static void refuse_no_admin(struct conn *c, uint64_t id)
{
	char text[REMOTE_REASON_BYTES];

	if (c->peer.is_remote) {
		remote_explain_no_admin(&c->peer, text, sizeof(text));
		conn_send_error(c, id, -EACCES, "%s", text);
		return;
	}
	conn_send_error(c, id, -EACCES, "only root, the user memd runs as, and "
			"members of group \"%s\" may do this",
			c->daemon->config.admin_group);
}

static bool is_from_right_host(const struct conn *c, enum message_from from)
{
	switch (from) {
	case FROM_HERE:
		return !c->peer.is_remote;
	case FROM_ELSEWHERE:
		return c->peer.is_remote;
	case FROM_HERE_OR_ADMIN:
		return !c->peer.is_remote || c->session->is_admin;
	case FROM_ANYWHERE:
		break;
	}
	return true;
}

static bool check_from(struct conn *c, const struct wire_header *header,
		       const struct message_kind *kind)
{
	const char *name;

	if (is_from_right_host(c, kind->from))
		return true;
	if (kind->from == FROM_HERE_OR_ADMIN) {
		refuse_no_admin(c, header->request_id);
		return false;
	}
	name = wire_type_name(header->type);
	if (header->request_id == 0)
		conn_refuse(c, 0, -EPERM, "%s is not for programs on %s",
			    name, c->peer.is_remote ? "other hosts" :
						      "this host");
	else
		conn_send_error(c, header->request_id, -EPERM,
				"%s is not for programs on %s", name,
				c->peer.is_remote ? "other hosts, which keep "
					"pages here by StoreOpen" :
					"this host, which map segments");
	return false;
}

/* Returns true when this connection may send this now. */
static bool check_order(struct conn *c, const struct wire_header *header,
			const struct message_kind *kind)
{
	if ((kind->where & BIT(c->state)) == 0) {
		conn_refuse(c, header->request_id, -EPROTO,
			    c->state == CONN_NEW ?
				"%s before Hello" :
			    c->state == CONN_LANE ?
				"%s on a lane: only Fault, Touched and Ring "
				"may come there" :
				"%s again: the session is open already",
			    wire_type_name(header->type));
		return false;
	}
	if (kind->has_reply && header->request_id == 0) {
		conn_refuse(c, 0, -EPROTO, "%s without a request id",
			    wire_type_name(header->type));
		return false;
	}
	if (!check_from(c, header, kind))
		return false;
	if (header->payload_bytes != 0 && !kind->has_payload) {
		conn_refuse(c, header->request_id, -EPROTO,
			    "%s has no payload", wire_type_name(header->type));
		return false;
	}
	if (kind->is_admin && !c->session->is_admin) {
		refuse_no_admin(c, header->request_id);
		return false;
	}
	return true;
}

bool dispatch_is_paging(uint16_t type)
{
	return type == T(FAULT) || type == T(TOUCHED) || type == T(RING);
}

void dispatch_message(struct conn *c, const struct wire_header *header,
		      const uint8_t *body)
{
	const struct message_kind *kind = find_kind(header->type);
	struct daemon *d = c->daemon;
	const void *message = NULL;
	struct wire_arena arena;

	/* What a stranger may send must be known, or it is no client. */
	if (kind == NULL && c->state == CONN_NEW) {
		conn_refuse(c, header->request_id, -EPROTO,
			    "%s before Hello", wire_type_name(header->type));
		return;
	}
	if (kind == NULL) {
		refuse_unknown(c, header);
		return;
	}
	if (!check_order(c, header, kind))
		return;
	if (kind->descriptor != NULL) {
		wire_arena_init(&arena, d->unpack, sizeof(d->unpack));
		message = wire_unpack(kind->descriptor, &arena, body,
				      header->body_bytes);
		if (message == NULL) {
			conn_refuse(c, header->request_id, -EPROTO,
				    "%s is malformed",
				    wire_type_name(header->type));
			return;
		}
	}
	kind->handle(d, c, header->request_id, message);
}
