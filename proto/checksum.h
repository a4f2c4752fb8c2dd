/* SPDX-License-Identifier: MIT */
/* The checksum of a slot: XXH3-128 over a page's bytes, together with a key.
 * The key says which page of which segment it is, and how often it was written.
 * So a flipped bit, a write that went elsewhere or never happened, and pages
 * that were mixed up all give another checksum.  It is no MAC: it guards
 * against accidents, not against an attacker who can write swap. */
#ifndef MEMD_PROTO_CHECKSUM_H
#define MEMD_PROTO_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checksum {
	uint64_t low, high;
};

struct checksum_key {
	uint64_t segment;	/* serial of the segment, never used twice */
	uint64_t page;
	uint64_t generation;
};

/* The hash of the bytes alone.  It takes the time, and serves for several
 * keys. */
struct checksum_content {
	uint64_t low, high;
};

struct checksum_content checksum_content_of(const void *bytes,
					    size_t length_bytes);
struct checksum checksum_with_key(struct checksum_content content,
				  const struct checksum_key *key);

static inline struct checksum checksum_of(const struct checksum_key *key,
					  const void *bytes,
					  size_t length_bytes)
{
	return checksum_with_key(checksum_content_of(bytes, length_bytes),
				 key);
}

static inline bool checksum_equal(struct checksum a, struct checksum b)
{
	return a.low == b.low && a.high == b.high;
}

bool checksum_is_all_zero(const void *bytes, size_t length_bytes);

#endif
