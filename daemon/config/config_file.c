/* SPDX-License-Identifier: MIT */
/* Settings from the ini file, the environment and flags; and the sample file.
 * config.c checks single values; config_check.c checks them together. */
#include "daemon/config/config.h"

#include "common/text_file.h"
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { HELP_COLUMNS = 74, FILE_BYTES_MAX = 1 << 20 };

/* The state of reading a file.  inih gives no line numbers to its handler, and
 * joins or cuts lines silently.  So lines are counted and measured before inih
 * gets them. */
struct reading {
	struct config *config;
	const char *path;
	FILE *stream;
	int line;
	int line_of[CONFIG_KEYS];	/* line that set a key; 0: none */
	char *reason;			/* of the first error; "": none yet */
	size_t reason_size;
	int err;
};

static void fail_line(struct reading *r, const char *text)
{
	if (r->err != 0)
		return;
	r->err = -EINVAL;
	snprintf(r->reason, r->reason_size, "%s:%d: %s", r->path, r->line,
		 text);
}

static void check_section(struct reading *r, const char *section, size_t length)
{
	char text[256];

	if (length == 0 || (length == strlen("memd") &&
			    memcmp(section, "memd", length) == 0))
		return;
	snprintf(text, sizeof(text), "[%.*s]: no such section; use [memd] or "
		 "none", (int)MIN(length, (size_t)64), section);
	fail_line(r, text);
}

/* inih reports a section only with its first key. */
static void check_section_line(struct reading *r, const char *line)
{
	const char *end = strchr(line, ']');

	if (*line == '[' && end != NULL)
		check_section(r, line + 1, (size_t)(end - line - 1));
}

static char *read_line(char *buf, int size, void *stream)
{
	struct reading *r = stream;
	char *got = fgets(buf, size, r->stream);
	size_t n;

	if (got == NULL)
		return NULL;
	r->line++;
	n = strlen(buf);
	if (n == 0 || (buf[n - 1] != '\n' && !feof(r->stream))) {
		fail_line(r, "line too long, or it contains a NUL byte");
		return NULL;
	}
	/* inih would take an indented line as a continuation of the line
	 * before. */
	for (char *p = buf; *p == ' ' || *p == '\t';)
		memmove(p, p + 1, strlen(p));
	if (*buf != '\0' && *buf != '\n' && *buf != '#' && *buf != ';' &&
	    *buf != '[' && *buf != '\r' && strpbrk(buf, "=:") == NULL)
		fail_line(r, "not understood; write: key = value");
	check_section_line(r, buf);
	return got;
}

static void unknown_key(struct reading *r, const char *name)
{
	const struct config_key *near = config_find_near(name);
	const char *instead = config_find_replaced(name);
	char text[256];

	if (instead != NULL)
		snprintf(text, sizeof(text), "%.64s: no such key any more; %s",
			 name, instead);
	else if (near != NULL)
		snprintf(text, sizeof(text),
			 "%.64s: no such key; did you mean %s?", name,
			 near->name);
	else
		snprintf(text, sizeof(text), "%.64s: no such key; "
			 "`memd --dump-config` lists them all", name);
	fail_line(r, text);
}

static int handle_pair(void *user, const char *section, const char *name,
		       const char *value)
{
	struct reading *r = user;
	const struct config_key *key = config_find(name);
	char text[512];

	check_section(r, section, strlen(section));
	if (key == NULL) {
		unknown_key(r, name);
	} else if (r->line_of[key - config_keys] != 0) {
		snprintf(text, sizeof(text), "%s: set already in line %d",
			 name, r->line_of[key - config_keys]);
		fail_line(r, text);
	} else {
		r->line_of[key - config_keys] = r->line;
		if (config_set(r->config, key, value, CONFIG_FILE, text,
			       sizeof(text)) != 0)
			fail_line(r, text);
	}
	return 1;
}

/* Parses a file that is in memory already: a reload must not wait for a slow
 * file, and inih reads only streams. */
static int parse(struct reading *r, struct text_file *file)
{
	int syntax;

	r->stream = fmemopen(file->text, file->length, "r");
	if (r->stream == NULL) {
		r->err = -errno;
		snprintf(r->reason, r->reason_size, "configuration file %s: "
			 "%s", r->path, strerror(errno));
		return r->err;
	}
	syntax = ini_parse_stream(read_line, r, handle_pair, r);
	if (syntax != 0 && r->err == 0) {
		r->line = syntax > 0 ? syntax : r->line;
		fail_line(r, "not understood; write: key = value");
	}
	fclose(r->stream);
	return r->err;
}

static int load_file(struct config *config, const char *path, char *ret_reason,
		     size_t reason_size)
{
	struct reading r = { .config = config, .path = path,
			     .reason = ret_reason,
			     .reason_size = reason_size };
	struct text_file file;
	char why[128];
	int err = text_file_read(path, FILE_BYTES_MAX, &file, why,
				 sizeof(why));

	if (err != 0) {
		snprintf(ret_reason, reason_size, "configuration file %s: %s",
			 path, why);
		return err;
	}
	if (file.length > 0)
		err = parse(&r, &file);
	text_file_free(&file);
	if (err == 0)
		snprintf(config->file, sizeof(config->file), "%s", path);
	return err;
}

static bool cut_end(char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	if (length < end_length ||
	    strcmp(text + length - end_length, end) != 0)
		return false;
	text[length - end_length] = '\0';
	return true;
}

/* The prefix of `cmake --install` may differ from the configured one.  Finds
 * the prefix of the installation to which this program belongs.  Returns false
 * for another program, or in a build folder. */
static bool find_prefix(char *ret_prefix, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", ret_prefix, size - 1);

	ret_prefix[length < 0 ? 0 : length] = '\0';
	cut_end(ret_prefix, " (deleted)");	/* an upgrade has replaced it */
	return cut_end(ret_prefix, "/" MEMD_SBINDIR "/memd");
}

/* As in cmake/install_text.cmake: /usr has /etc, /opt/x has /etc/opt/x. */
const char *config_default_file(void)
{
	static const char file[] = MEMD_SYSCONFDIR "/memd/memd.conf";
	static char path[PATH_MAX + sizeof(file)];
	char prefix[PATH_MAX];

	if (file[0] == '/' || !find_prefix(prefix, sizeof(prefix)))
		return MEMD_CONFIG_FILE;
	if (strcmp(prefix, "/usr") == 0)
		snprintf(path, sizeof(path), "/%s", file);
	else if (strncmp(prefix, "/opt/", 5) == 0)
		snprintf(path, sizeof(path), "/%s%s/memd/memd.conf",
			 MEMD_SYSCONFDIR, prefix);
	else
		snprintf(path, sizeof(path), "%s/%s", prefix, file);
	return path;
}

static int load_default_file(struct config *config, char *ret_reason,
			     size_t reason_size)
{
	int err = load_file(config, config_default_file(), ret_reason,
			    reason_size);

	return err == -ENOENT ? 0 : err;
}

static int load_environment(struct config *config, char *ret_reason,
			    size_t reason_size)
{
	char name[64], why[512];

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const char *value;

		config_variable(&config_keys[i], name, sizeof(name));
		value = getenv(name);
		if (value == NULL)
			continue;
		if (config_set(config, &config_keys[i], value,
			       CONFIG_ENVIRONMENT, why, sizeof(why)) != 0) {
			snprintf(ret_reason, reason_size, "%s (from %s in "
				 "the environment)", why, name);
			return -EINVAL;
		}
	}
	return 0;
}

static int load_flags(struct config *config, const struct config_origin *origin,
		      char *ret_reason, size_t reason_size)
{
	char name[64], why[512];

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		if (origin->flag[i] == NULL)
			continue;
		if (config_set(config, &config_keys[i], origin->flag[i],
			       CONFIG_FLAG, why, sizeof(why)) != 0) {
			config_flag(&config_keys[i], name, sizeof(name));
			snprintf(ret_reason, reason_size, "%s%s%s%s",
				 origin->is_bare ? "" : "--",
				 origin->is_bare ? "" : name,
				 origin->is_bare ? "" : ": ", why);
			return -EINVAL;
		}
	}
	return 0;
}

/* Clients accept "unix:/path"; the same variable may be used for both. */
static void strip_carrier(struct config *config)
{
	if (strncmp(config->socket, "unix:", 5) == 0)
		memmove(config->socket, config->socket + 5,
			strlen(config->socket + 5) + 1);
}

int config_load(const struct config_origin *origin, struct config *ret_config,
		char *ret_reason, size_t reason_size)
{
	struct config config = { 0 };
	int err;

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		err = config_set(&config, &config_keys[i],
				 config_keys[i].default_text, CONFIG_DEFAULT,
				 ret_reason, reason_size);
		ASSERT(err == 0);
	}
	err = 0;
	if (!origin->is_bare && origin->file != NULL)
		err = load_file(&config, origin->file, ret_reason,
				reason_size);
	else if (!origin->is_bare)
		err = load_default_file(&config, ret_reason, reason_size);
	if (err == 0 && !origin->is_bare)
		err = load_environment(&config, ret_reason, reason_size);
	if (err == 0)
		err = load_flags(&config, origin, ret_reason, reason_size);
	if (err != 0)
		return err;
	strip_carrier(&config);
	err = config_check(&config, ret_reason, reason_size);
	if (err == 0)
		*ret_config = config;
	return err;
}

/* ---- the sample file */

static void dump_wrapped(FILE *to, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column != 0 && column + 1 + n > HELP_COLUMNS) {
			fputc('\n', to);
			column = 0;
		}
		column += (size_t)fprintf(to, "%s%.*s",
					  column == 0 ? "# " : " ", (int)n,
					  text);
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', to);
}

void config_dump(FILE *to)
{
	char what[256], line[512];

	fprintf(to, "# memd.conf: settings of memd(8), each at its default.\n"
		"# The environment (MEMD_POOL_SIZE=...) and flags "
		"(--pool-size=...) win over this\n# file.\n\n[memd]\n");
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];

		fputc('\n', to);
		dump_wrapped(to, key->help);
		snprintf(line, sizeof(line), "Allowed: %s. %s",
			 config_describe(key, what, sizeof(what)),
			 key->is_reloadable ? "Reloadable." :
					      "Needs a restart.");
		dump_wrapped(to, line);
		fprintf(to, "%s =%s%s\n", key->name,
			key->default_text[0] != '\0' ? " " : "",
			key->default_text);
	}
}
