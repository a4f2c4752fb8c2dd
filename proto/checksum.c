/* SPDX-License-Identifier: MIT */
/* A checksum is made of two hashes: one of the bytes, and one of that hash and
 * the key.  So all 192 bits of the key enter, which a 64-bit seed could not
 * hold, and the long hash uses the library's fast path without a seed. */
#include "proto/checksum.h"

#include <string.h>
#ifdef MEMD_IN_LIBRARY
/* libmemclient links no other library for this. */
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>
#ifdef MEMD_HAVE_XXH_DISPATCH
#include <xxh_x86dispatch.h>
#endif

struct checksum_content checksum_content_of(const void *bytes,
					    size_t length_bytes)
{
	XXH128_hash_t sum = XXH3_128bits(bytes, length_bytes);

	return (struct checksum_content){ sum.low64, sum.high64 };
}

struct checksum checksum_with_key(struct checksum_content content,
				  const struct checksum_key *key)
{
	uint64_t keyed[] = { content.low, content.high, key->segment,
			     key->page, key->generation };
	XXH128_hash_t sum = XXH3_128bits(keyed, sizeof(keyed));

	return (struct checksum){ .low = sum.low64, .high = sum.high64 };
}

/* The bytes are equal to themselves moved by one byte, and the first is zero:
 * so all are zero.  memcmp() compares a vector at a time and stops at the first
 * difference. */
bool checksum_is_all_zero(const void *bytes, size_t length_bytes)
{
	const unsigned char *p = bytes;

	return length_bytes == 0 ||
	       (p[0] == 0 && memcmp(p, p + 1, length_bytes - 1) == 0);
}
