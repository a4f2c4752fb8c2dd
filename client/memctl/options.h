/* SPDX-License-Identifier: MIT */
/* The options that every subcommand takes, and parsers that several use. */
#ifndef MEMD_MEMCTL_OPTIONS_H
#define MEMD_MEMCTL_OPTIONS_H

#include "client/memctl/memctl.h"
#include "common/checks.h"
#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys of options without a letter.  A verb's own keys begin with
 * OPTIONS_KEY_OWN. */
enum {
	OPTIONS_KEY_TIMEOUT = 0x100,
	OPTIONS_KEY_OWN = 0x200,
	OPTIONS_KEY_LAST = 0xffff,
};

/* The options of every command, and those of commands that print tables.  Their
 * input is a struct memctl. */
extern const struct argp options_common, options_table;

/* Parse a size, or a count > 0.  Anything else is a usage error, which ends the
 * program. */
uint64_t options_parse_size(struct argp_state *state, const char *text);
uint64_t options_parse_count(struct argp_state *state, const char *text);

/* Parse digits, at most `most`.  False: the text is something else. */
bool options_parse_id(const char *text, uint32_t most, uint32_t *ret_id)
	MUST_CHECK;

/* Parse a time: 2, 0.5 (seconds) or 1min.  False: the text is none. */
bool options_parse_seconds(const char *text, uint64_t *ret_ms) MUST_CHECK;

#endif
