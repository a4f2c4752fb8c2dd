/* SPDX-License-Identifier: MIT */
#include "daemon/net/dispatch.h"

#include "daemon/net/conn_output.h"
#include "daemon/net/remote.h"
#include <errno.h>

#define T(name) MEMD__MESSAGE_TYPE__TYPE_##name

void dispatch_add(struct conns *all, const struct message_kind *kinds,
		  size_t count, void *room)
{
	for (size_t i = 0; i < count; i++) {
		ASSERT(kinds[i].type < MESSAGE_TYPES_MAX);
		all->handler[kinds[i].type].kind = &kinds[i];
		all->handler[kinds[i].type].room = room;
	}
}

/* Whether the protocol has this type, but only memd sends it. */
static bool is_ours_to_send(uint16_t type)
{
	return type == T(NONE) ||
	       protobuf_c_enum_descriptor_get_value(
			&memd__message_type__descriptor, type) != NULL;
}

static void dispatch_refuse_unknown(struct conn *c,
				    const struct wire_header *header)
{
	if (is_ours_to_send(header->type)) {
		conn_refuse(c, header->request_id, -EPROTO,
			    "only memd may send %s",
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
			c->all->config->admin_group);
}

static bool is_from_right_host(const struct conn *c, enum message_from from)
{
	switch (from) {
	case FROM_HERE:
		return !c->peer.is_remote;
	case FROM_ELSEWHERE:
		return c->peer.is_remote;
	case FROM_HERE_OR_ADMIN:
		return !c->peer.is_remote || c->is_admin;
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

/* Returns whether this connection may send this message now.  If not, it has
 * been answered. */
static bool check_order(struct conn *c, const struct wire_header *header,
			const struct message_kind *kind)
{
	if ((kind->where & BIT(c->state)) == 0) {
		conn_refuse(c, header->request_id, -EPROTO,
			    c->state == CONN_NEW ?
				"%s before Hello" :
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
	if (kind->is_admin && !c->is_admin) {
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
	struct conns *all = c->all;
	const struct message_kind *kind =
		header->type < MESSAGE_TYPES_MAX ?
			all->handler[header->type].kind :
						   NULL;
	const void *message = NULL;
	struct wire_arena arena;

	/* Before Hello only known types are accepted: anything else is no memd
	 * client. */
	if (kind == NULL && c->state == CONN_NEW) {
		conn_refuse(c, header->request_id, -EPROTO,
			    "%s before Hello", wire_type_name(header->type));
		return;
	}
	if (kind == NULL) {
		dispatch_refuse_unknown(c, header);
		return;
	}
	if (!check_order(c, header, kind))
		return;
	if (kind->descriptor != NULL) {
		wire_arena_init(&arena, all->unpack, sizeof(all->unpack));
		message = wire_unpack(kind->descriptor, &arena, body,
				      header->body_bytes);
		if (message == NULL) {
			conn_refuse(c, header->request_id, -EPROTO,
				    "%s is malformed",
				    wire_type_name(header->type));
			return;
		}
	}
	kind->handle(all->handler[header->type].room, c, header->request_id,
		     message);
}
