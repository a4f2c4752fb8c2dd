/* SPDX-License-Identifier: MIT */
/* Checks that the table of settings cannot express: the form of texts, and
 * which settings fit together.  Looks only at the settings, and not at files,
 * users or hosts, because these may change at any time. */
#include "daemon/config/config.h"

#include "common/units.h"
#include "daemon/config/words.h"
#include "daemon/pager/pager.h"
#include "proto/remote_address.h"
#include <errno.h>
#include <string.h>

/* Room for two of the largest pages: one waits while the other is sent. */
#define STORE_MIRRORED_BEHIND_MIN	(4u << 20)

struct config_checkup {
	const struct config *config;
	struct reason reason;
	char note[CONFIG_NOTE_BYTES], other_note[CONFIG_NOTE_BYTES];
};

static const char *note_of(struct config_checkup *cu, size_t key_idx)
{
	return config_note(cu->config, &config_keys[key_idx], cu->note,
			   sizeof(cu->note));
}

static const char *note_of_other(struct config_checkup *cu, size_t key_idx)
{
	return config_note(cu->config, &config_keys[key_idx], cu->other_note,
			   sizeof(cu->other_note));
}

static int config_check_watermarks(struct config_checkup *cu)
{
	const struct config *config = cu->config;

	if (config->low_watermark < config->high_watermark)
		return 0;
	return reason_give(&cu->reason, -EINVAL, "low_watermark: %llu%s is not "
			   "below high_watermark, which is %llu%s",
			   (unsigned long long)config->low_watermark,
			   note_of(cu, CONFIG_KEY_low_watermark),
			   (unsigned long long)config->high_watermark,
			   note_of_other(cu, CONFIG_KEY_high_watermark));
}

/* Refuse here what the pager cannot count, because here it can be explained. */
static int config_check_sizes(struct config_checkup *cu)
{
	const struct config *config = cu->config;
	char pool[16], swap[16];

	if (config->pool_size / PAGER_UNIT_BYTES +
	    config->swap_size / PAGER_UNIT_BYTES <= PAGER_UNITS_MAX)
		return 0;
	return reason_give(&cu->reason, -EINVAL, "pool_size: %s%s and a "
			   "swap_size of %s%s are too much together; they can "
			   "be 16T less 8K",
			   units_format_size(config->pool_size, pool,
					     sizeof(pool)),
			   note_of(cu, CONFIG_KEY_pool_size),
			   units_format_size(config->swap_size, swap,
					     sizeof(swap)),
			   note_of_other(cu, CONFIG_KEY_swap_size));
}

static int config_check_socket(struct config_checkup *cu)
{
	const char *path = cu->config->socket;
	const char *note = note_of(cu, CONFIG_KEY_socket);

	if (path[0] != '/' && (path[0] != '@' || path[1] == '\0'))
		return reason_give(&cu->reason, -EINVAL, "socket: \"%s\" is "
				   "not allowed; give an absolute path or "
				   "@name%s", path, note);
	if (strlen(path) > 107)
		return reason_give(&cu->reason, -EINVAL, "socket: %zu bytes "
				   "are too long for a socket's address; give "
				   "at most 107%s", strlen(path), note);
	return 0;
}

static int config_check_store(struct config_checkup *cu)
{
	const struct config *config = cu->config;
	bool is_remote = strcmp(config->store, "remote") == 0;

	if (is_remote && config->store_address[0] == '\0')
		return reason_give(&cu->reason, -EINVAL, "store_address: store "
				   "= remote%s needs it; give the HOST:PORT of "
				   "the other memd",
				   note_of(cu, CONFIG_KEY_store));
	if (config->store_mirror[0] != '\0' &&
	    config->write_behind < STORE_MIRRORED_BEHIND_MIN)
		return reason_give(&cu->reason, -EINVAL, "write_behind: with "
				   "store_mirror%s at least 4M%s",
				   note_of_other(cu, CONFIG_KEY_store_mirror),
				   note_of(cu, CONFIG_KEY_write_behind));
	if (config->swap_dir[0] != '/' && strcmp(config->store, "mem") != 0 &&
	    !is_remote)
		return reason_give(&cu->reason, -EINVAL, "swap_dir: \"%s\" is "
				   "not allowed; give an absolute path%s",
				   config->swap_dir,
				   note_of(cu, CONFIG_KEY_swap_dir));
	return 0;
}

/* ---- other hosts */

int config_parse_listen(const struct config *config,
			char ret_host[CONFIG_HOST_BYTES],
			char ret_port[CONFIG_PORT_BYTES],
			const struct reason *reason)
{
	const char *text = config->listen_tcp, *colon = strrchr(text, ':');
	char note[CONFIG_NOTE_BYTES];
	size_t length = colon == NULL ? 0 : (size_t)(colon - text);

	if (colon != NULL && length >= 2 && text[0] == '[' &&
	    text[length - 1] == ']') {
		text++;
		length -= 2;
	} else if (colon != NULL && memchr(text, ':', length) != NULL) {
		colon = NULL;	/* an IPv6 address without brackets */
	}
	config_note(config, &config_keys[CONFIG_KEY_listen_tcp], note,
		    sizeof(note));
	if (colon == NULL || colon[1] == '\0' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return reason_give(reason, -EINVAL, "listen_tcp: \"%s\" is no "
				   "address; write HOST:PORT, [IPV6]:PORT or "
				   ":PORT%s", config->listen_tcp, note);
	if (strtoul(colon + 1, NULL, 10) > UINT16_MAX)
		return reason_give(reason, -EINVAL, "listen_tcp: \"%s\": the "
				   "port is too large; the largest is 65535%s",
				   config->listen_tcp, note);
	snprintf(ret_host, CONFIG_HOST_BYTES, "%.*s", (int)length, text);
	snprintf(ret_port, CONFIG_PORT_BYTES, "%lu",
		 strtoul(colon + 1, NULL, 10));
	return 0;
}

static int config_check_store_host(struct config_checkup *cu,
				   const char *address, size_t key_idx)
{
	char why[CHANNEL_REASON_BYTES];
	struct remote_address ra = { 0 };
	int err = address[0] == '\0' ? 0 :
		remote_address_parse(&ra, address, why, sizeof(why));

	remote_address_fini(&ra);
	return err == 0 ? 0 :
		reason_give(&cu->reason, err, "%s: %s%s",
			    config_keys[key_idx].name, why,
			    note_of(cu, key_idx));
}

static int config_check_hosts(struct config_checkup *cu)
{
	const struct config *config = cu->config;
	char host[CONFIG_HOST_BYTES], port[CONFIG_PORT_BYTES];
	int err = config_check_store_host(cu, config->store_address,
					  CONFIG_KEY_store_address);

	if (err == 0)
		err = config_check_store_host(cu, config->store_mirror,
					      CONFIG_KEY_store_mirror);
	if (err == 0 && config->listen_tcp[0] != '\0')
		err = config_parse_listen(config, host, port, &cu->reason);
	return err;
}

/* Setting only some of them is an error: it must not mean plain TCP. */
static int config_check_tls(struct config_checkup *cu)
{
	const struct config *config = cu->config;
	bool has_ca = config->tls_ca[0] != '\0';
	bool has_certificate = config->tls_certificate[0] != '\0';
	bool has_key = config->tls_key[0] != '\0';

	if (has_ca == has_certificate && has_ca == has_key)
		return 0;
	return reason_give(&cu->reason, -EINVAL, "%s: not set; tls_ca, "
			   "tls_certificate and tls_key go together: set all "
			   "three, or none",
			   !has_ca ? "tls_ca" : !has_certificate ?
			   "tls_certificate" : "tls_key");
}

/* Only the form is checked: the users may be added later. */
static int config_check_tls_users(struct config_checkup *cu)
{
	const char *words = cu->config->tls_users, *word;
	size_t length;

	while ((length = words_next(&words, &word)) != 0) {
		const char *sign = memchr(word, '=', length);

		if (sign == NULL || sign == word || sign + 1 == word + length)
			return reason_give(&cu->reason, -EINVAL, "tls_users: "
					   "\"%.*s\" says nothing; write "
					   "NAME=USER%s", (int)length, word,
					   note_of(cu, CONFIG_KEY_tls_users));
	}
	return 0;
}

int config_check(const struct config *config, char *ret_reason,
		 size_t reason_size)
{
	static int (*const checks[])(struct config_checkup *cu) = {
		config_check_watermarks, config_check_sizes,
		config_check_socket, config_check_store, config_check_hosts,
		config_check_tls, config_check_tls_users,
	};
	struct config_checkup cu = {
		.config = config, .reason = { ret_reason, reason_size },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks) && err == 0; i++)
		err = checks[i](&cu);
	return err;
}
