/* SPDX-License-Identifier: MIT */
/* Sizes and durations as people write them: "64M", "4 KiB", "1.5G", "250ms".
 * Multiples are binary; K and KiB are the same. */
#ifndef MEMD_COMMON_UNITS_H
#define MEMD_COMMON_UNITS_H

#include "common/checks.h"
#include <stddef.h>
#include <stdint.h>

/* Parse a size in bytes: digits, an optional fraction, an optional suffix
 * (B K M G T, KiB …).  Returns 0, or -EINVAL (not a size), -ERANGE (too
 * large for 64 bits). */
int units_parse_size(const char *text, uint64_t *ret_bytes) MUST_CHECK;

/* Parse a duration into milliseconds: "250ms", "10s", "2min".  A number without
 * a unit is in milliseconds.  Errors as units_parse_size(). */
int units_parse_ms(const char *text, uint64_t *ret_ms) MUST_CHECK;

/* "64.0M", "12.5G", "512B": at most 7 characters and the NUL.  Returns buf. */
char *units_format_size(uint64_t bytes, char *buf, size_t buf_size);

/* "850ns", "12.3us", "4.1ms", "2.0s".  Returns buf. */
char *units_format_ns(uint64_t ns, char *buf, size_t buf_size);

#endif
