/* SPDX-License-Identifier: MIT */
/* Strings on their way to the terminal: what other people chose (command
 * names, segment names, error texts) is made harmless here. */
#ifndef MEMD_MEMCTL_TEXT_H
#define MEMD_MEMCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Replace in place every byte that is part of a control character (C0, DEL,
 * C1) or of no valid UTF-8 sequence by '?'.  What remains can neither steer a
 * terminal nor break a line, a column or JSON.  Returns text. */
char *text_clean(char *text);

/* Name of a user or group; the number where it has none.  Returns buf. */
char *text_user(uint32_t uid, char *buf, size_t buf_size);
char *text_group(uint32_t gid, char *buf, size_t buf_size);

/* "45s", "12m 03s", "7h 05m", "3d 04h".  Returns buf. */
char *text_uptime(uint64_t ms, char *buf, size_t buf_size);

/* Are the strings that go to stdout to be coloured?  Only on a terminal that
 * is not dumb, and not with $NO_COLOR set. */
int text_wants_colour(void);

#endif
