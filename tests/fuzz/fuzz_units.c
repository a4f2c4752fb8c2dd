/* SPDX-License-Identifier: MIT */
/* Proves that no text in a config file or flag makes the parsers of sizes and
 * durations crash, and that a refused text leaves the output alone. */
#include "common/units.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int (*parse)(const char *, uint64_t *), const char *text)
{
	const uint64_t untouched = UINT64_C(0x5a5a5a5a5a5a5a5a);
	uint64_t value = untouched;
	int result = parse(text, &value);

	ASSERT(result == 0 || result == -EINVAL || result == -ERANGE);
	ASSERT(result == 0 || value == untouched);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	ASSERT(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check(units_parse_size, text);
	check(units_parse_ms, text);
	free(text);
	return 0;
}
