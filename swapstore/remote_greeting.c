/* SPDX-License-Identifier: MIT */
#include "swapstore/remote_greeting.h"

#include "common/clock.h"

#include <errno.h>
#include <string.h>

#define TYPE(name) MEMD__MESSAGE_TYPE__TYPE_##name

void remote_greeting_begin(struct remote_link *link)
{
	Memd__Hello hello = MEMD__HELLO__INIT;

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.has_capabilities = true;
	hello.capabilities = MEMD__CAPABILITY__CAP_STORE;
	hello.command = link->command;
	remote_stream_put(&link->stream, TYPE(HELLO), 1, &hello.base, 0);
	remote_state_enter(link, REMOTE_GREETING, link->timeout_ns);
}

int remote_greeting_read_error(struct remote_link *link,
			       const struct wire_header *h,
			       const uint8_t *body, int *ret_code,
			       char *ret_text, size_t text_size)
{
	const Memd__Error *error;
	struct wire_arena arena;

	wire_arena_init(&arena, link->arena, WIRE_ARENA_BYTES);
	error = (const Memd__Error *)(const void *)wire_unpack(
		&memd__error__descriptor, &arena, body, h->body_bytes);
	if (error == NULL)
		return -EPROTO;
	*ret_code = error->code >= 1 && error->code <= 4095 ?
		    (int)error->code : EPROTO;
	snprintf(ret_text, text_size, "%s", error->text);
	/* The text will be shown on terminals. */
	for (char *at = ret_text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	return 0;
}

static void ask_for_store(struct remote_link *link)
{
	Memd__StoreOpen open = MEMD__STORE_OPEN__INIT;

	open.slot_count = link->slot_count;
	open.has_token = link->has_token;
	open.token.data = link->token;
	open.token.len = REMOTE_TOKEN_BYTES;
	remote_stream_put(&link->stream, TYPE(STORE_OPEN), 2, &open.base, 0);
	remote_state_enter(link, REMOTE_OPENING, link->timeout_ns);
}

static int on_hello_reply(struct remote_link *link,
			  const struct wire_header *h, const uint8_t *body)
{
	const Memd__HelloReply *reply;
	struct wire_arena arena;

	wire_arena_init(&arena, link->arena, WIRE_ARENA_BYTES);
	reply = (const Memd__HelloReply *)(const void *)wire_unpack(
		&memd__hello_reply__descriptor, &arena, body, h->body_bytes);
	if (reply == NULL || reply->version_major != WIRE_VERSION_MAJOR)
		return remote_state_blame(link, -EPROTO,
					  "its HelloReply is malformed");
	if (!(reply->capabilities & MEMD__CAPABILITY__CAP_STORE))
		return remote_state_blame(link, -EPROTO, "it keeps no memory "
					  "for other hosts");
	ask_for_store(link);
	return 0;
}

static int on_store_open_reply(struct remote_link *link,
			       const struct wire_header *h,
			       const uint8_t *body)
{
	const Memd__StoreOpenReply *reply;
	struct wire_arena arena;

	wire_arena_init(&arena, link->arena, WIRE_ARENA_BYTES);
	reply = (const Memd__StoreOpenReply *)(const void *)wire_unpack(
		&memd__store_open_reply__descriptor, &arena, body,
		h->body_bytes);
	if (reply == NULL || reply->token.len != REMOTE_TOKEN_BYTES)
		return remote_state_blame(link, -EPROTO,
					  "its StoreOpenReply is malformed");
	memcpy(link->token, reply->token.data, REMOTE_TOKEN_BYTES);
	link->reconnects += link->epoch != 0;
	link->epoch += !link->has_token;
	link->has_token = true;
	remote_address_prefer(&link->address, link->stream.channel.fd);
	link->heard_ns = clock_now_ns();
	remote_state_enter(link, REMOTE_UP, 0);
	return 0;
}

static int on_refusal(struct remote_link *link, const struct wire_header *h,
		      const uint8_t *body)
{
	char text[CHANNEL_REASON_BYTES];
	int code;

	if (remote_greeting_read_error(link, h, body, &code, text,
				       sizeof(text)) != 0)
		return remote_state_blame(link, -EPROTO,
					  "its Error is malformed");
	if (code == ENOENT && link->state == REMOTE_OPENING &&
	    link->has_token) {
		link->has_token = false;
		link->ops->was_lost(link->ctx);
		ask_for_store(link);
		return 0;
	}
	remote_state_blame(link, -code, "it says: %s", text);
	return -ECONNREFUSED;
}

static int greeting_on_message(void *ctx, const struct wire_header *h,
			       const uint8_t *body, uint8_t **ret_payload_to)
{
	struct remote_link *link = ctx;

	if (link->state == REMOTE_UP)
		return link->ops->receiver.message(link->ctx, h, body,
						   ret_payload_to);
	if (h->payload_bytes == 0) {
		if (h->type == TYPE(ERROR))
			return on_refusal(link, h, body);
		if (h->type == TYPE(HELLO_REPLY) &&
		    link->state == REMOTE_GREETING && h->request_id == 1)
			return on_hello_reply(link, h, body);
		if (h->type == TYPE(STORE_OPEN_REPLY) &&
		    link->state == REMOTE_OPENING && h->request_id == 2)
			return on_store_open_reply(link, h, body);
	}
	return remote_state_blame(link, -EPROTO, "it sent %s out of turn",
				  wire_type_name(h->type));
}

static int greeting_on_payload(void *ctx, const struct wire_header *h)
{
	struct remote_link *link = ctx;

	return link->ops->receiver.payload(link->ctx, h);
}

const struct remote_receiver remote_greeting_receiver = {
	.message = greeting_on_message,
	.payload = greeting_on_payload,
};
