/* SPDX-License-Identifier: MIT */
/* The table of settings, and conversion of values from and to text.
 * config_file.c knows where the texts come from. */
#include "daemon/config/config.h"

#include "common/units.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define RELOAD	true
#define RESTART	false

const struct config_key config_keys[CONFIG_KEYS] = {
#define NUMBER(name, kind, def, lo, hi, when, help)			\
	{ #name, CONFIG_##kind, offsetof(struct config, name), def,	\
	  lo, hi, NULL, when, help },
#define TEXT(name, def, when, help)					\
	{ #name, CONFIG_TEXT, offsetof(struct config, name), def,	\
	  0, 0, NULL, when, help },
#define CHOICE(name, choices, def, when, help)				\
	{ #name, CONFIG_CHOICE, offsetof(struct config, name), def,	\
	  0, 0, choices, when, help },
#include "daemon/config/config_keys.h"
#undef NUMBER
#undef TEXT
#undef CHOICE
};

static uint64_t *number_at(struct config *config, const struct config_key *key)
{
	return (uint64_t *)(void *)((char *)config + key->offset);
}

static char *text_at(struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

static uint64_t number_of(const struct config *config,
			  const struct config_key *key)
{
	return *number_at((struct config *)config, key);
}

static const char *text_of(const struct config *config,
			   const struct config_key *key)
{
	return text_at((struct config *)config, key);
}

static bool is_text(const struct config_key *key)
{
	return key->kind == CONFIG_TEXT || key->kind == CONFIG_CHOICE;
}

const struct config_key *config_find(const char *name)
{
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		if (strcmp(config_keys[i].name, name) == 0)
			return &config_keys[i];
	return NULL;
}

/* How many characters must be inserted, deleted or changed to get from one name
 * to the other (Levenshtein, one row at a time).  UINT_MAX: longer than any
 * key. */
static unsigned distance_to(const char *name, const char *key)
{
	unsigned row[64];
	size_t name_len = strlen(name), key_len = strlen(key);

	if (name_len >= ARRAY_SIZE(row) || key_len >= ARRAY_SIZE(row))
		return UINT_MAX;
	for (size_t j = 0; j <= key_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= name_len; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= key_len; j++) {
			unsigned change = diagonal +
					  (name[i - 1] != key[j - 1]);

			diagonal = row[j];
			row[j] = MIN(change, 1 + MIN(row[j], row[j - 1]));
		}
	}
	return row[key_len];
}

/* A setting that there was once, and the one that has replaced it. */
static const char replaced_name[] = "swap_file";
enum { REPLACED_BY = CONFIG_KEY_swap_dir };

/* The key with the nearest name, at most `most` changes away; or NULL. */
static const struct config_key *find_within(const char *name, unsigned most)
{
	const struct config_key *best = NULL;
	unsigned best_distance = most + 1;

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		unsigned d = distance_to(name, config_keys[i].name);

		if (d < best_distance) {
			best_distance = d;
			best = &config_keys[i];
		}
	}
	return distance_to(name, replaced_name) < best_distance ?
		&config_keys[REPLACED_BY] : best;
}

const struct config_key *config_find_near(const char *name)
{
	return find_within(name, 4);
}

const char *config_find_replaced(const char *name)
{
	if (strcmp(name, replaced_name) == 0)
		return "swap_dir, a folder, has replaced it: memd makes files "
		       "without names there";
	return NULL;
}

/* ---- the environment */

/* The setting that a misspelt variable was meant for.  NULL: it is a setting,
 * or looks like none.  The shorter the name, the fewer changes are allowed,
 * because every short name is near to others. */
static const struct config_key *find_meant(const char *variable)
{
	const struct config_key *key;
	char name[64] = "", exact[64];
	size_t n = 0;

	for (const char *p = variable + strlen("MEMD_");
	     *p != '\0' && n + 1 < sizeof(name); p++)
		name[n++] = (char)tolower((unsigned char)*p);
	key = find_within(name, (unsigned)MIN(n / 3, 4u));
	if (key == NULL ||
	    strcmp(config_variable(key, exact, sizeof(exact)), variable) == 0)
		return NULL;
	return key;
}

const struct config_key *config_find_misspelt(size_t *idx, char *ret_variable,
					      size_t size)
{
	for (char **at = environ; at != NULL && at[*idx] != NULL;) {
		const char *pair = at[(*idx)++];
		const struct config_key *key;

		if (strncmp(pair, "MEMD_", strlen("MEMD_")) != 0)
			continue;
		snprintf(ret_variable, size, "%.*s", (int)strcspn(pair, "="),
			 pair);
		key = find_meant(ret_variable);
		if (key != NULL)
			return key;
	}
	return NULL;
}

/* ---- from text */

static bool is_choice(const struct config_key *key, const char *text)
{
	size_t len = strlen(text);
	const char *p = key->choices;

	for (;;) {
		size_t n = strcspn(p, "|");

		if (n == len && strncmp(p, text, n) == 0)
			return true;
		if (p[n] == '\0')
			return false;
		p += n + 1;
	}
}

static int parse_plain(const char *text, int base, uint64_t *ret_value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*ret_value = strtoull(text, &end, base);
	return errno != 0 || *end != '\0' ? -EINVAL : 0;
}

static int parse_percent(const char *text, uint64_t *ret_value)
{
	char digits[32];
	size_t n = strlen(text);

	if (n > 0 && text[n - 1] == '%')
		n--;
	if (n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	return parse_plain(digits, 10, ret_value);
}

static int parse_number(const struct config_key *key, const char *text,
			uint64_t *ret_value)
{
	switch (key->kind) {
	case CONFIG_SIZE:
		return units_parse_size(text, ret_value);
	case CONFIG_MS:
		return units_parse_ms(text, ret_value);
	case CONFIG_MODE:
		return parse_plain(text, 8, ret_value);
	case CONFIG_PERCENT:
		return parse_percent(text, ret_value);
	default:
		return parse_plain(text, 10, ret_value);
	}
}

/* 64MB looks like a size but is none: name the units instead of guessing. */
static const char *units_of(const struct config_key *key, const char *text)
{
	uint64_t value;

	if (is_text(key) || parse_number(key, text, &value) == 0)
		return "";
	return key->kind == CONFIG_SIZE ? " (units are K, M, G and T)" :
	       key->kind == CONFIG_MS ? " (units are ms, s and min)" : "";
}

/* From a line `key = value # comment` all text after the = comes here. */
static int config_refuse(const struct config_key *key, const char *text,
			 enum config_source source, char *ret_reason,
			 size_t reason_size)
{
	bool has_comment = source == CONFIG_FILE && strchr(text, '#') != NULL;
	char allowed[256];

	snprintf(ret_reason, reason_size, "%s: \"%.64s\" is not allowed; "
		 "give %s%s%s", key->name, text,
		 config_describe(key, allowed, sizeof(allowed)),
		 units_of(key, text), has_comment ?
			"; a comment after a value begins with \" ;\"" : "");
	return -EINVAL;
}

static int set_text(struct config *config, const struct config_key *key,
		    const char *text, enum config_source source,
		    char *ret_reason, size_t reason_size)
{
	if (strlen(text) >= CONFIG_TEXT_BYTES ||
	    (key->kind == CONFIG_CHOICE && !is_choice(key, text)))
		return config_refuse(key, text, source, ret_reason,
				     reason_size);
	snprintf(text_at(config, key), CONFIG_TEXT_BYTES, "%s", text);
	return 0;
}

int config_set(struct config *config, const struct config_key *key,
	       const char *text, enum config_source source, char *ret_reason,
	       size_t reason_size)
{
	uint64_t value;

	if (is_text(key)) {
		int err = set_text(config, key, text, source, ret_reason,
				   reason_size);

		if (err != 0)
			return err;
	} else {
		if (parse_number(key, text, &value) != 0 ||
		    value < key->least || value > key->most)
			return config_refuse(key, text, source, ret_reason,
					     reason_size);
		*number_at(config, key) = value;
	}
	config->source[key - config_keys] = source;
	return 0;
}

/* ---- to text */

static char *format_size(uint64_t bytes, char *buf, size_t buf_size)
{
	static const char units[] = "BKMGT";
	size_t i = 0;

	while (bytes != 0 && bytes % 1024 == 0 && i + 2 < sizeof(units)) {
		bytes /= 1024;
		i++;
	}
	if (i == 0)
		snprintf(buf, buf_size, "%llu", (unsigned long long)bytes);
	else
		snprintf(buf, buf_size, "%llu%c", (unsigned long long)bytes,
			 units[i]);
	return buf;
}

static char *format_number(const struct config_key *key, uint64_t value,
			   char *buf, size_t buf_size)
{
	unsigned long long v = value;

	switch (key->kind) {
	case CONFIG_SIZE:
		return format_size(value, buf, buf_size);
	case CONFIG_MODE:
		snprintf(buf, buf_size, "%04llo", v);
		return buf;
	case CONFIG_MS:
		if (v % 1000 == 0 && v != 0)
			snprintf(buf, buf_size, "%llus", v / 1000);
		else
			snprintf(buf, buf_size, "%llums", v);
		return buf;
	default:
		snprintf(buf, buf_size, "%llu", v);
		return buf;
	}
}

char *config_format(const struct config *config, const struct config_key *key,
		    char *buf, size_t buf_size)
{
	if (!is_text(key))
		return format_number(key, number_of(config, key), buf,
				     buf_size);
	snprintf(buf, buf_size, "%s", text_of(config, key));
	return buf;
}

static char *describe_choices(const struct config_key *key, char *buf,
			      size_t buf_size)
{
	size_t used = 0;

	for (const char *p = key->choices; used + 1 < buf_size;) {
		size_t n = strcspn(p, "|");
		bool is_last = p[n] == '\0';
		bool is_next_last = !is_last && strchr(p + n + 1, '|') == NULL;

		used += (size_t)snprintf(buf + used, buf_size - used, "%.*s%s",
					 (int)n, p,
					 is_last ? "" :
					 is_next_last ? " or " : ", ");
		if (is_last)
			break;
		p += n + 1;
	}
	return buf;
}

char *config_describe(const struct config_key *key, char *buf, size_t buf_size)
{
	static const char *const what[] = {
		[CONFIG_SIZE] = "a size", [CONFIG_COUNT] = "a number",
		[CONFIG_PERCENT] = "a percentage", [CONFIG_MS] = "a time",
		[CONFIG_US] = "microseconds", [CONFIG_MODE] = "octal digits",
	};
	char least[32], most[32];

	if (key->kind == CONFIG_CHOICE)
		return describe_choices(key, buf, buf_size);
	if (key->kind == CONFIG_TEXT)
		snprintf(buf, buf_size, "a text of at most %d bytes",
			 CONFIG_TEXT_BYTES - 1);
	else
		snprintf(buf, buf_size, "%s from %s to %s", what[key->kind],
			 format_number(key, key->least, least, sizeof(least)),
			 format_number(key, key->most, most, sizeof(most)));
	return buf;
}

/* ---- values of two configurations */

bool config_is_equal(const struct config *a, const struct config *b,
		     const struct config_key *key)
{
	if (is_text(key))
		return strcmp(text_of(a, key), text_of(b, key)) == 0;
	return number_of(a, key) == number_of(b, key);
}

void config_copy_value(struct config *to, const struct config *from,
		       const struct config_key *key)
{
	size_t idx = (size_t)(key - config_keys);

	if (is_text(key))
		memcpy(text_at(to, key), text_of(from, key),
		       CONFIG_TEXT_BYTES);
	else
		*number_at(to, key) = number_of(from, key);
	to->source[idx] = from->source[idx];
}

char *config_note(const struct config *config, const struct config_key *key,
		  char *buf, size_t buf_size)
{
	char name[64];

	buf[0] = '\0';
	if (config->source[key - config_keys] == CONFIG_ENVIRONMENT)
		snprintf(buf, buf_size, " (from %s in the environment)",
			 config_variable(key, name, sizeof(name)));
	return buf;
}

const char *config_source_name(enum config_source source)
{
	static const char *const names[] = {
		[CONFIG_DEFAULT] = "default", [CONFIG_FILE] = "file",
		[CONFIG_ENVIRONMENT] = "environment", [CONFIG_FLAG] = "flag",
	};

	return names[source];
}

char *config_variable(const struct config_key *key, char *buf, size_t buf_size)
{
	snprintf(buf, buf_size, "MEMD_%s", key->name);
	for (char *p = buf; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return buf;
}

char *config_flag(const struct config_key *key, char *buf, size_t buf_size)
{
	snprintf(buf, buf_size, "%s", key->name);
	for (char *p = buf; *p != '\0'; p++)
		if (*p == '_')
			*p = '-';
	return buf;
}
