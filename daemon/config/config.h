/* SPDX-License-Identifier: MIT */
/* The settings of memd.  They come from defaults, an ini file, the environment
 * and flags, in this order; later ones win.  One table (config_keys.h) lists
 * them all.  This room does not know what the settings do.  Only config_dump()
 * prints. */
#ifndef MEMD_CONFIG_CONFIG_H
#define MEMD_CONFIG_CONFIG_H

#include "common/checks.h"
#include "common/reason.h"
#include <stdbool.h>
#include <stdint.h>

enum { CONFIG_TEXT_BYTES = 256, CONFIG_REASON_BYTES = 1024 };

enum config_kind {
	CONFIG_SIZE, CONFIG_COUNT, CONFIG_PERCENT, CONFIG_MS, CONFIG_US,
	CONFIG_MODE, CONFIG_TEXT, CONFIG_CHOICE
};

enum config_source {
	CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_FLAG
};

enum {
#define NUMBER(name, ...)	CONFIG_KEY_##name,
#define TEXT(name, ...)		CONFIG_KEY_##name,
#define CHOICE(name, ...)	CONFIG_KEY_##name,
#include "daemon/config/config_keys.h"
#undef NUMBER
#undef TEXT
#undef CHOICE
	CONFIG_KEYS
};

/* Plain values: may be copied and compared. */
struct config {
#define NUMBER(name, ...)	uint64_t name;
#define TEXT(name, ...)		char name[CONFIG_TEXT_BYTES];
#define CHOICE(name, ...)	char name[CONFIG_TEXT_BYTES];
#include "daemon/config/config_keys.h"
#undef NUMBER
#undef TEXT
#undef CHOICE
	enum config_source source[CONFIG_KEYS];
	char file[CONFIG_TEXT_BYTES];	/* path of the file that was read;
					 * empty: none */
};

struct config_key {
	const char *name;
	enum config_kind kind;
	size_t offset;			/* in struct config */
	const char *default_text;
	uint64_t least, most;		/* bounds of numbers */
	const char *choices;		/* CONFIG_CHOICE: "a|b|c" */
	bool is_reloadable;
	const char *help;
};

extern const struct config_key config_keys[CONFIG_KEYS];

/* Where settings come from.  Kept, so that they can be read again. */
struct config_origin {
	const char *file;		/* NULL: the default file, if it
					 * exists */
	bool is_bare;			/* read no file and no environment */
	const char *flag[CONFIG_KEYS];	/* values of flags, or NULL */
};

/* The file that is read if no other is named and it exists: that of the
 * installation to which this program belongs, else that of the configured
 * prefix. */
const char *config_default_file(void);

/* Read all settings.  Returns 0, or -errno with one line in ret_reason that
 * says where (file:line, variable or flag), which key, and what is allowed.  On
 * error ret_config is unchanged. */
int config_load(const struct config_origin *origin, struct config *ret_config,
		char *ret_reason, size_t reason_size) MUST_CHECK;

/* Set one key from text.  Returns 0, or -EINVAL; then ret_reason says what is
 * allowed. */
int config_set(struct config *config, const struct config_key *key,
	       const char *text, enum config_source source, char *ret_reason,
	       size_t reason_size) MUST_CHECK;

/* Check settings whose form the table cannot express, and whether settings fit
 * together.  config_load() calls this.  Returns 0; or -EINVAL, -ENOMEM with one
 * line in ret_reason. */
int config_check(const struct config *config, char *ret_reason,
		 size_t reason_size) MUST_CHECK;

/* Split listen_tcp: HOST:PORT, [IPV6]:PORT or :PORT; no host means all
 * addresses.  Does not look up names.  Returns 0 or -EINVAL. */
enum { CONFIG_HOST_BYTES = 256, CONFIG_PORT_BYTES = 32 };
int config_parse_listen(const struct config *config,
			char ret_host[CONFIG_HOST_BYTES],
			char ret_port[CONFIG_PORT_BYTES],
			const struct reason *reason) MUST_CHECK;

/* NULL: there is no such key. */
const struct config_key *config_find(const char *name);

/* What to do instead of a setting that there was once: "swap_dir, a folder, …".
 * NULL: there was none of that name. */
const char *config_find_replaced(const char *name);

/* The key with the most similar name; NULL: none is similar. */
const struct config_key *config_find_near(const char *name);

/* Find the next environment variable, from number *idx on, that is no setting
 * but looks like a misspelt one.  Returns the setting, and the name of the
 * variable in ret_variable.  NULL: there are no more. */
const struct config_key *config_find_misspelt(size_t *idx, char *ret_variable,
					      size_t size);

bool config_is_equal(const struct config *a, const struct config *b,
		     const struct config_key *key);
void config_copy_value(struct config *to, const struct config *from,
		       const struct config_key *key);

/* Write the value as it would be in the file.  Returns buf. */
char *config_format(const struct config *config, const struct config_key *key,
		    char *buf, size_t buf_size);

/* Write what a value may be: "a size from 1M to 8T", "auto, uring, sync, mem or
 * remote".  Returns buf. */
char *config_describe(const struct config_key *key, char *buf, size_t buf_size);

/* For messages about a value: " (from MEMD_POOL_SIZE in the environment)", or
 * "" if the value is not from the environment.  Returns buf. */
enum { CONFIG_NOTE_BYTES = 96 };
char *config_note(const struct config *config, const struct config_key *key,
		  char *buf, size_t buf_size);

const char *config_source_name(enum config_source source);

/* Write "MEMD_POOL_SIZE" or "pool-size".  Return buf. */
char *config_variable(const struct config_key *key, char *buf, size_t buf_size);
char *config_flag(const struct config_key *key, char *buf, size_t buf_size);

/* Print the sample file with comments and every key at its default. */
void config_dump(FILE *to);

#endif
