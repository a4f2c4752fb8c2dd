/* SPDX-License-Identifier: MIT */
/* Lists of words in a setting, separated by blanks or commas. */
#ifndef MEMD_CONFIG_WORDS_H
#define MEMD_CONFIG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Find the next word and move *list behind it.  Returns the length of the word;
 * 0: there are no more. */
size_t words_next(const char **list, const char **ret_word);

/* words_have(): is `name` one of the words?  words_get(): is `name=VALUE` one
 * of the words?  Then VALUE is copied to ret_value. */
bool words_have(const char *words, const char *name);
bool words_get(const char *words, const char *name, char *ret_value,
	       size_t value_size);

#endif
