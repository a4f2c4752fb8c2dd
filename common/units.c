/* SPDX-License-Identifier: MIT */
/* One table of suffixes for each kind of unit.  The locale does not matter. */
#include "common/units.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct suffix {
	const char *name;
	uint64_t factor;
};

static const struct suffix size_suffixes[] = {
	{ "", 1 }, { "B", 1 },
	{ "K", UINT64_C(1) << 10 }, { "KiB", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 }, { "MiB", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 }, { "GiB", UINT64_C(1) << 30 },
	{ "T", UINT64_C(1) << 40 }, { "TiB", UINT64_C(1) << 40 },
};

static const struct suffix ms_suffixes[] = {
	{ "", 1 }, { "ms", 1 }, { "s", 1000 }, { "min", 60000 },
};

/* Parse whole + fraction/scale digit by digit, without the rounding and the
 * locale of strtod(). */
static int number_parse(const char *text, const struct suffix *table,
			size_t rows, uint64_t *ret_value)
{
	unsigned __int128 whole = 0, fraction = 0, scale = 1;
	const char *p = text;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		whole = whole * 10 + (unsigned)(*p - '0');
		if (whole > UINT64_MAX)
			return -ERANGE;
	}
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++) {
			if (scale >= 1000000000)
				return -EINVAL;
			fraction = fraction * 10 + (unsigned)(*p - '0');
			scale *= 10;
		}
	while (*p == ' ')
		p++;
	for (size_t i = 0; i < rows; i++) {
		unsigned __int128 value;

		if (strcasecmp(p, table[i].name) != 0)
			continue;
		value = whole * table[i].factor +
			fraction * table[i].factor / scale;
		if (value > UINT64_MAX)
			return -ERANGE;
		*ret_value = (uint64_t)value;
		return 0;
	}
	return -EINVAL;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	return number_parse(text, size_suffixes, ARRAY_SIZE(size_suffixes),
			    ret_bytes);
}

int units_parse_ms(const char *text, uint64_t *ret_ms)
{
	return number_parse(text, ms_suffixes, ARRAY_SIZE(ms_suffixes), ret_ms);
}

char *units_format_size(uint64_t bytes, char *buf, size_t buf_size)
{
	static const char unit[] = "BKMGTPE";
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1023.95 && i + 2 < sizeof(unit)) {
		value /= 1024;
		i++;
	}
	snprintf(buf, buf_size, i == 0 ? "%.0f%c" : "%.1f%c", value, unit[i]);
	return buf;
}

char *units_format_ns(uint64_t ns, char *buf, size_t buf_size)
{
	if (ns < 1000)
		snprintf(buf, buf_size, "%uns", (unsigned)ns);
	else if (ns < 1000000)
		snprintf(buf, buf_size, "%.1fus", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(buf, buf_size, "%.1fms", (double)ns / 1e6);
	else
		snprintf(buf, buf_size, "%.1fs", (double)ns / 1e9);
	return buf;
}
