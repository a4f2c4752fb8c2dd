/* SPDX-License-Identifier: MIT */
/* Framing: a 24-byte header, a protobuf body, then raw payload.
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
 * All integers little-endian.  Nothing here allocates, does I/O or keeps
 * state, and everything is async-signal-safe. */
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

/* Read a header and check it: magic, body <= body_bytes_max, payload <=
 * WIRE_PAYLOAD_BYTES_MAX.  The version is *not* checked, so that the caller
 * can refuse it with a text.  Returns 0, -EPROTO (no magic), or -EMSGSIZE. */
int wire_header_unpack(const uint8_t from[WIRE_HEADER_BYTES],
		       uint32_t body_bytes_max, struct wire_header *ret_h)
	MUST_CHECK;

/* Pack header and message (NULL: no body) into `to`.  Returns the bytes
 * written, or -EMSGSIZE when `to_bytes`, WIRE_REPLY_BYTES_MAX or (for the
 * payload) WIRE_PAYLOAD_BYTES_MAX is too little.  payload_bytes only
 * announces what the caller sends after it. */
ssize_t wire_pack(uint16_t type, uint64_t request_id,
		  const ProtobufCMessage *message, uint32_t payload_bytes,
		  void *to, size_t to_bytes) MUST_CHECK;

/* An allocator for protobuf unpacking that takes from a fixed buffer and
 * frees nothing: for signal handlers and for bounding what a peer can make
 * us allocate. */
struct wire_arena {
	ProtobufCAllocator allocator;	/* pass &arena->allocator */
	uint8_t *base;
	size_t size_bytes;
	size_t used_bytes;
};

void wire_arena_init(struct wire_arena *arena, void *base, size_t size_bytes);

/* Unpack `bytes` as `descriptor` with memory from `arena`.  NULL when the
 * bytes are malformed or the arena is too small for them. */
ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *descriptor,
			      struct wire_arena *arena, const void *bytes,
			      size_t length_bytes);

/* "FAULT", "TYPE 99": for logs.  Points to static or thread-local memory. */
const char *wire_type_name(uint16_t type);

#endif
