/* SPDX-License-Identifier: MIT */
/* The settings of memd: from defaults, an ini file, the environment and flags,
 * in this order, later ones winning.  One table (config_keys.h) has them all.
 * Knows nothing of what the settings do; prints nothing but config_dump(). */
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
	char file[CONFIG_TEXT_BYTES];	/* that was read; empty: none */
};

struct config_key {
	const char *name;
	enum config_kind kind;
	size_t offset;			/* in struct config */
	const char *default_text;
	uint64_t least, most;		/* numbers */
	const char *choices;		/* CONFIG_CHOICE: "a|b|c" */
	bool is_reloadable;
	const char *help;
};

extern const struct config_key config_keys[CONFIG_KEYS];

/* Where settings come from; kept, so that they can be read again. */
struct config_origin {
	const char *file;		/* NULL: the default one, if there */
	bool is_bare;			/* no file and no environment */
	const char *flag[CONFIG_KEYS];	/* values of flags, or NULL */
};

/* The file read when no other is named, if it is there: that of the
 * installation this program is part of, wherever it was put; else that of the
 * configured prefix. */
const char *config_default_file(void);

/* Read everything.  Returns 0; or -errno with one line in ret_reason that
 * says where (file:line, variable or flag), which key, and what is allowed;
 * ret_config is untouched then. */
int config_load(const struct config_origin *origin, struct config *ret_config,
		char *ret_reason, size_t reason_size) MUST_CHECK;

/* Set one key from text.  On -EINVAL ret_reason says what is allowed. */
int config_set(struct config *config, const struct config_key *key,
	       const char *text, enum config_source source, char *ret_reason,
	       size_t reason_size) MUST_CHECK;

/* Do all settings look as they must, and fit together?  config_load() asks.
 * Returns 0; or -EINVAL, -ENOMEM with one line in ret_reason. */
int config_check(const struct config *config, char *ret_reason,
		 size_t reason_size) MUST_CHECK;

/* Take listen_tcp apart: HOST:PORT, [IPV6]:PORT or :PORT, where no host means
 * all addresses.  Looks no name up.  Returns 0, or -EINVAL. */
enum { CONFIG_HOST_BYTES = 256, CONFIG_PORT_BYTES = 32 };
int config_parse_listen(const struct config *config,
			char ret_host[CONFIG_HOST_BYTES],
			char ret_port[CONFIG_PORT_BYTES],
			const struct reason *reason) MUST_CHECK;

/* NULL: no such key. */
const struct config_key *config_find(const char *name);

/* The key whose name is nearest to a misspelled one; NULL: none is near. */
const struct config_key *config_find_near(const char *name);

/* The next variable of the environment, from the `*idx`th on, that is no
 * setting but looks like one misspelt.  Returns the setting, and the variable's
 * name in ret_variable; NULL: there is none. */
const struct config_key *config_find_misspelt(size_t *idx, char *ret_variable,
					      size_t size);

bool config_is_equal(const struct config *a, const struct config *b,
		     const struct config_key *key);
void config_copy_value(struct config *to, const struct config *from,
		       const struct config_key *key);

/* The value as it would be written in the file.  Returns buf. */
char *config_format(const struct config *config, const struct config_key *key,
		    char *buf, size_t buf_size);

/* What a value may be: "bytes, 1M to 8T", "auto, uring, sync, mem or
 * remote". */
char *config_describe(const struct config_key *key, char *buf, size_t buf_size);

/* " (from MEMD_POOL_SIZE in the environment)", or "" where the value is from
 * elsewhere: for messages about it.  Returns buf. */
enum { CONFIG_NOTE_BYTES = 96 };
char *config_note(const struct config *config, const struct config_key *key,
		  char *buf, size_t buf_size);

const char *config_source_name(enum config_source source);

/* "MEMD_POOL_SIZE", "pool-size".  Return buf. */
char *config_variable(const struct config_key *key, char *buf, size_t buf_size);
char *config_flag(const struct config_key *key, char *buf, size_t buf_size);

/* The commented sample file, every key at its default. */
void config_dump(FILE *to);

#endif
