/* SPDX-License-Identifier: MIT */
/* Strings for the terminal.  Strings that others have chosen (names of commands
 * and segments, error texts) are made safe here. */
#ifndef MEMD_MEMCTL_TEXT_H
#define MEMD_MEMCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Replace, in place, by '?'  every byte that belongs to a control character
 * (C0, DEL, C1) or to no valid UTF-8 sequence.  The result cannot control a
 * terminal or break a line, a column or JSON.  Returns text. */
char *text_clean(char *text);

/* The name of a user or group; its number if it has none.  Returns buf. */
char *text_user(uint32_t uid, char *buf, size_t buf_size);
char *text_group(uint32_t gid, char *buf, size_t buf_size);

/* "45s", "12m 03s", "7h 05m", "3d 04h".  Returns buf. */
char *text_uptime(uint64_t ms, char *buf, size_t buf_size);

/* True if strings for stdout should be coloured: stdout is a terminal that is
 * not dumb, and $NO_COLOR is not set. */
int text_wants_colour(void);

#endif
