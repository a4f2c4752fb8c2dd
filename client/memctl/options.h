/* SPDX-License-Identifier: MIT */
/* The options that every subcommand takes, and parsing what several take. */
#ifndef MEMD_MEMCTL_OPTIONS_H
#define MEMD_MEMCTL_OPTIONS_H

#include "client/memctl/memctl.h"
#include "common/checks.h"
#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys of options without a letter: a verb's own are from here on. */
enum {
	OPTIONS_KEY_TIMEOUT = 0x100,
	OPTIONS_KEY_OWN = 0x200,
	OPTIONS_KEY_LAST = 0xffff,
};

/* Those of every command, and those of commands that print tables.  Their input
 * is a struct memctl. */
extern const struct argp options_common, options_table;

/* A size, a count > 0; else a usage error. */
uint64_t options_parse_size(struct argp_state *state, const char *text);
uint64_t options_parse_count(struct argp_state *state, const char *text);

/* Digits alone, at most `most`.  False: it is something else. */
bool options_parse_id(const char *text, uint32_t most, uint32_t *ret_id)
	MUST_CHECK;

/* A time of which a bare number is seconds: 2, 0.5 or 1min.  False: it is none.
 */
bool options_parse_seconds(const char *text, uint64_t *ret_ms) MUST_CHECK;

#endif
