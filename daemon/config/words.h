/* SPDX-License-Identifier: MIT */
/* Lists of words in a setting, with blanks or commas between them. */
#ifndef MEMD_CONFIG_WORDS_H
#define MEMD_CONFIG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The next word of a list, which is moved behind it.  Returns its length; 0:
 * there is none. */
size_t words_next(const char **list, const char **ret_word);

/* Is `name` one of the words, or, with a value: the `VALUE` of `name=VALUE`
 * among them, copied to ret_value? */
bool words_have(const char *words, const char *name);
bool words_get(const char *words, const char *name, char *ret_value,
	       size_t value_size);

#endif
