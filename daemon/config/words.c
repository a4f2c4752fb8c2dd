/* SPDX-License-Identifier: MIT */
#include "daemon/config/words.h"

#include <stdio.h>
#include <string.h>

static const char separators[] = " \t,";

size_t words_next(const char **list, const char **ret_word)
{
	size_t length;

	*list += strspn(*list, separators);
	length = strcspn(*list, separators);
	*ret_word = *list;
	*list += length;
	return length;
}

bool words_have(const char *words, const char *name)
{
	const char *word;
	size_t length;

	while ((length = words_next(&words, &word)) != 0)
		if (length == strlen(name) && memcmp(word, name, length) == 0)
			return true;
	return false;
}

bool words_get(const char *words, const char *name, char *ret_value,
	       size_t value_size)
{
	size_t length, name_length = strlen(name);
	const char *word;

	while ((length = words_next(&words, &word)) != 0)
		if (length > name_length && word[name_length] == '=' &&
		    memcmp(word, name, name_length) == 0) {
			snprintf(ret_value, value_size, "%.*s",
				 (int)(length - name_length - 1),
				 word + name_length + 1);
			return true;
		}
	return false;
}
