/* SPDX-License-Identifier: MIT */
/* Framing: a header of 24 bytes, a protobuf body, and then raw payload.
 *
 *   offset  size
 *        0     4  magic "memd"
 *        4     1  major version
 *        5     1  minor version
 *        6     2  message type (memd.proto, MessageType)
 *        8     8  request id; 0 = wants no reply / is no reply
 *       16     4  body length in bytes
 *       20     4  payload length in bytes
 *
 * All integers are little-endian.  Nothing here allocates or does I/O, and
 * everything is async-signal-safe. */
#ifndef MEMD_PROTO_WIRE_H
#define MEMD_PROTO_WIRE_H

#include "common/checks.h"
#include "proto/limits.h"
#include "proto/memd.pb-c.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WIRE_VERSION_MAJOR = 1, WIRE_VERSION_MINOR = 0 };

struct wire_header {
	uint8_t version_major;
	uint8_t version_minor;
	uint16_t type;
	uint64_t request_id;
	uint32_t body_bytes;
	uint32_t payload_bytes;
};

void wire_header_pack(const struct wire_header *h,
		      uint8_t to[WIRE_HEADER_BYTES]);

/* Unpack a header and check it: magic, body <= body_bytes_max, payload <=
 * WIRE_PAYLOAD_BYTES_MAX.  The version is *not* checked, so that the caller can
 * refuse it with a text.  Returns 0, -EPROTO (no magic), or -EMSGSIZE. */
int wire_header_unpack(const uint8_t from[WIRE_HEADER_BYTES],
		       uint32_t body_bytes_max, struct wire_header *ret_h)
	MUST_CHECK;

/* Pack a header and a message (NULL: no body) into `to`.  Returns the number of
 * bytes written, or -EMSGSIZE: `to_bytes` is too small, or the body exceeds
 * WIRE_REPLY_BYTES_MAX, or the payload WIRE_PAYLOAD_BYTES_MAX.  payload_bytes
 * only announces the payload, which the caller sends. */
ssize_t wire_pack(uint16_t type, uint64_t request_id,
		  const ProtobufCMessage *message, uint32_t payload_bytes,
		  void *to, size_t to_bytes) MUST_CHECK;

/* An allocator for protobuf that takes from a fixed buffer and frees nothing.
 * It works in signal handlers, and limits what a peer can make this end
 * allocate. */
struct wire_arena {
	ProtobufCAllocator allocator;	/* pass &arena->allocator */
	uint8_t *base;
	size_t size_bytes;
	size_t used_bytes;
};

void wire_arena_init(struct wire_arena *arena, void *base, size_t size_bytes);

/* Unpack `bytes` as `descriptor`, with memory from `arena`.  NULL: the bytes
 * are malformed, or the arena is too small. */
ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *descriptor,
			      struct wire_arena *arena, const void *bytes,
			      size_t length_bytes);

/* "FAULT" or "TYPE 99", for logs.  The text is static or thread-local. */
const char *wire_type_name(uint16_t type);

#endif
