/* SPDX-License-Identifier: MIT */
/* Proves that no bytes from a peer make framing or unpacking crash, read past
 * its input or use memory outside the arena, and that whatever unpacks also
 * packs again and means the same.  One input is one frame: header, body. */
#include "proto/wire.h"
#include "tests/proto/descriptors.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[WIRE_ARENA_BYTES];
static uint8_t memory_again[4 * WIRE_ARENA_BYTES];

static void check_header(const struct wire_header *h, const uint8_t *bytes)
{
	uint8_t again[WIRE_HEADER_BYTES];

	ASSERT(h->body_bytes <= WIRE_REPLY_BYTES_MAX);
	ASSERT(h->payload_bytes <= WIRE_PAYLOAD_BYTES_MAX);
	wire_header_pack(h, again);
	ASSERT(memcmp(again, bytes, sizeof(again)) == 0);
	ASSERT(wire_type_name(h->type)[0] != '\0');
}

/* We never pass on what we do not know, and protobuf-c takes some unknown
 * fields that it would not write (field 0, spelled in four bytes).  The schema
 * nests messages only as repeated ones. */
static void drop_unknown_fields(ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;

	message->n_unknown_fields = 0;
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const uint8_t *base = (const uint8_t *)message;
		ProtobufCMessage **inner;
		size_t count;

		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		ASSERT(f->label == PROTOBUF_C_LABEL_REPEATED);
		memcpy(&count, base + f->quantifier_offset, sizeof(count));
		memcpy(&inner, base + f->offset, sizeof(inner));
		for (size_t n = 0; n < count; n++)
			drop_unknown_fields(inner[n]);
	}
}

/* Pack `message`, unpack that, pack again: both packed forms are equal. */
static void check_round_trip(const struct wire_header *h,
			     const ProtobufCMessage *message)
{
	size_t room = WIRE_HEADER_BYTES +
		      protobuf_c_message_get_packed_size(message);
	uint8_t *first = malloc(room);
	uint8_t *second = malloc(room);
	struct wire_arena arena;
	ProtobufCMessage *again;
	ssize_t length;

	ASSERT(first != NULL && second != NULL);
	length = wire_pack(h->type, h->request_id, message, h->payload_bytes,
			   first, room);
	ASSERT(length == (ssize_t)room);
	wire_arena_init(&arena, memory_again, sizeof(memory_again));
	again = wire_unpack(message->descriptor, &arena,
			    first + WIRE_HEADER_BYTES,
			    room - WIRE_HEADER_BYTES);
	ASSERT(again != NULL);
	ASSERT(wire_pack(h->type, h->request_id, again, h->payload_bytes,
			 second, room) == (ssize_t)room);
	ASSERT(memcmp(first, second, room) == 0);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct type_descriptor *known;
	struct wire_arena arena;
	struct wire_header h;
	ProtobufCMessage *message;

	if (size < WIRE_HEADER_BYTES ||
	    wire_header_unpack(data, WIRE_REPLY_BYTES_MAX, &h) != 0)
		return 0;
	check_header(&h, data);
	known = type_descriptor_find(h.type);
	if (known == NULL || known->body == NULL)
		return 0;
	/* The body is what is there: the fuzzer need not get lengths right. */
	wire_arena_init(&arena, memory, sizeof(memory));
	message = wire_unpack(known->body, &arena, data + WIRE_HEADER_BYTES,
			      size - WIRE_HEADER_BYTES);
	if (message != NULL) {
		drop_unknown_fields(message);
		check_round_trip(&h, message);
	}
	return 0;
}
