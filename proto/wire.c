/* SPDX-License-Identifier: MIT */
/* Framing: packs and unpacks headers and messages in the caller's memory.  It
 * moves no bytes, and leaves it to the caller which versions and types to
 * accept.
 *
 * The client's SIGBUS handler uses it: no malloc, no stdio, no locks, no lazily
 * allocated thread-local storage. */
#include "proto/wire.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

static const uint8_t magic[4] = { 'm', 'e', 'm', 'd' };

static void put_le(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

void wire_header_pack(const struct wire_header *h,
		      uint8_t to[WIRE_HEADER_BYTES])
{
	memcpy(to, magic, sizeof(magic));
	to[4] = h->version_major;
	to[5] = h->version_minor;
	put_le(to + 6, h->type, 2);
	put_le(to + 8, h->request_id, 8);
	put_le(to + 16, h->body_bytes, 4);
	put_le(to + 20, h->payload_bytes, 4);
}

int wire_header_unpack(const uint8_t from[WIRE_HEADER_BYTES],
		       uint32_t body_bytes_max, struct wire_header *ret_h)
{
	struct wire_header h = {
		.version_major = from[4],
		.version_minor = from[5],
		.type = (uint16_t)get_le(from + 6, 2),
		.request_id = get_le(from + 8, 8),
		.body_bytes = (uint32_t)get_le(from + 16, 4),
		.payload_bytes = (uint32_t)get_le(from + 20, 4),
	};

	if (memcmp(from, magic, sizeof(magic)) != 0)
		return -EPROTO;
	if (h.body_bytes > body_bytes_max ||
	    h.payload_bytes > WIRE_PAYLOAD_BYTES_MAX)
		return -EMSGSIZE;
	*ret_h = h;
	return 0;
}

ssize_t wire_pack(uint16_t type, uint64_t request_id,
		  const ProtobufCMessage *message, uint32_t payload_bytes,
		  void *to, size_t to_bytes)
{
	struct wire_header h = {
		.version_major = WIRE_VERSION_MAJOR,
		.version_minor = WIRE_VERSION_MINOR,
		.type = type,
		.request_id = request_id,
		.payload_bytes = payload_bytes,
	};
	size_t body_bytes = 0;
	uint8_t *out = to;

	if (message != NULL)
		body_bytes = protobuf_c_message_get_packed_size(message);
	if (body_bytes > WIRE_REPLY_BYTES_MAX ||
	    payload_bytes > WIRE_PAYLOAD_BYTES_MAX ||
	    to_bytes < WIRE_HEADER_BYTES + body_bytes)
		return -EMSGSIZE;

	h.body_bytes = (uint32_t)body_bytes;
	wire_header_pack(&h, out);
	if (message != NULL)
		protobuf_c_message_pack(message, out + WIRE_HEADER_BYTES);
	return (ssize_t)(WIRE_HEADER_BYTES + body_bytes);
}

/* ---- the arena */

static void *arena_alloc(void *data, size_t size)
{
	struct wire_arena *arena = data;
	uint8_t *next = arena->base + arena->used_bytes;
	size_t free_bytes = arena->size_bytes - arena->used_bytes;
	size_t gap = -(uintptr_t)next % alignof(max_align_t);

	if (gap > free_bytes || size > free_bytes - gap)
		return NULL;
	arena->used_bytes += gap + size;
	return next + gap;
}

static void arena_free(void *data, void *pointer)
{
	(void)data;
	(void)pointer;
}

void wire_arena_init(struct wire_arena *arena, void *base, size_t size_bytes)
{
	arena->allocator.alloc = arena_alloc;
	arena->allocator.free = arena_free;
	arena->allocator.allocator_data = arena;
	arena->base = base;
	arena->size_bytes = size_bytes;
	arena->used_bytes = 0;
}

ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *descriptor,
			      struct wire_arena *arena, const void *bytes,
			      size_t length_bytes)
{
	size_t used_before = arena->used_bytes;
	ProtobufCMessage *message = protobuf_c_message_unpack(
		descriptor, &arena->allocator, length_bytes, bytes);

	if (message == NULL)
		arena->used_bytes = used_before;
	return message;
}

/* ---- names */

/* Makes "TYPE 99" by hand, because snprintf() is not async-signal-safe.  With
 * the initial-exec model the dynamic linker does not allocate the buffer at its
 * first use, which may be in a signal handler. */
static const char *unknown_type_name(uint16_t type)
{
	static __thread char text[sizeof("TYPE 65535")]
		__attribute__((tls_model("initial-exec")));
	char digits[5];
	size_t count = 0;
	size_t at = 5;

	memcpy(text, "TYPE ", 5);
	do {
		digits[count++] = (char)('0' + type % 10);
		type = (uint16_t)(type / 10);
	} while (type != 0);
	while (count > 0)
		text[at++] = digits[--count];
	text[at] = '\0';
	return text;
}

const char *wire_type_name(uint16_t type)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
		&memd__message_type__descriptor, type);

	if (value == NULL)
		return unknown_type_name(type);
	return value->name + strlen("TYPE_");
}
