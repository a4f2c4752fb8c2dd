/* SPDX-License-Identifier: MIT */
/* What the table of settings cannot say of a value: how texts look, and what
 * goes with what.  Looks at nothing but the settings: neither files nor users
 * nor hosts, which come and go. */
#include "daemon/config/config.h"

#include "common/units.h"
#include "daemon/pager/pager.h"
#include "daemon/net/remote.h"
#include "daemon/net/tcp_listener.h"
#include "proto/remote_address.h"
#include <errno.h>
#include <string.h>

/* The largest page must fit, with another one on its way. */
#define STORE_MIRRORED_BEHIND_MIN	(4u << 20)

static int check_socket(const struct config *config, char *ret_reason,
			size_t reason_size)
{
	char note[CONFIG_NOTE_BYTES];

	config_note(config, &config_keys[CONFIG_KEY_socket], note,
		    sizeof(note));
	if (config->socket[0] != '/' &&
	    (config->socket[0] != '@' || config->socket[1] == '\0')) {
		snprintf(ret_reason, reason_size, "socket: \"%s\" is not "
			 "allowed; give an absolute path or @name%s",
			 config->socket, note);
		return -EINVAL;
	}
	if (strlen(config->socket) > 107) {
		snprintf(ret_reason, reason_size, "socket: %zu bytes are too "
			 "long for a socket's address; give at most 107%s",
			 strlen(config->socket), note);
		return -EINVAL;
	}
	return 0;
}

static int check_store(const struct config *config, char *ret_reason,
		       size_t reason_size)
{
	bool is_remote = strcmp(config->store, "remote") == 0;
	char note[CONFIG_NOTE_BYTES], mirror_note[CONFIG_NOTE_BYTES];

	if (is_remote && config->store_address[0] == '\0') {
		snprintf(ret_reason, reason_size, "store_address: store = "
			 "remote%s needs it; give the HOST:PORT of the other "
			 "memd",
			 config_note(config, &config_keys[CONFIG_KEY_store],
				     note, sizeof(note)));
		return -EINVAL;
	}
	if (config->store_mirror[0] != '\0' &&
	    config->write_behind < STORE_MIRRORED_BEHIND_MIN) {
		snprintf(ret_reason, reason_size, "write_behind: with "
			 "store_mirror%s at least 4M%s",
			 config_note(config,
				     &config_keys[CONFIG_KEY_store_mirror],
				     mirror_note, sizeof(mirror_note)),
			 config_note(config,
				     &config_keys[CONFIG_KEY_write_behind],
				     note, sizeof(note)));
		return -EINVAL;
	}
	if (config->swap_file[0] != '/' && strcmp(config->store, "mem") != 0 &&
	    !is_remote) {
		snprintf(ret_reason, reason_size, "swap_file: \"%s\" is not "
			 "allowed; give an absolute path%s", config->swap_file,
			 config_note(config,
				     &config_keys[CONFIG_KEY_swap_file], note,
				     sizeof(note)));
		return -EINVAL;
	}
	return 0;
}

/* ---- other hosts */

static int check_host(const struct config *config, const char *address,
		      size_t key_idx, char *ret_reason, size_t reason_size)
{
	char why[CHANNEL_REASON_BYTES], note[CONFIG_NOTE_BYTES];
	struct remote_address ra = { 0 };
	int err = 0;

	if (address[0] != '\0')
		err = remote_address_parse(&ra, address, why, sizeof(why));
	remote_address_fini(&ra);
	if (err != 0)
		snprintf(ret_reason, reason_size, "%s: %s%s",
			 config_keys[key_idx].name, why,
			 config_note(config, &config_keys[key_idx], note,
				     sizeof(note)));
	return err;
}

static int check_hosts(const struct config *config, char *ret_reason,
		       size_t reason_size)
{
	int err = check_host(config, config->store_address,
			     CONFIG_KEY_store_address, ret_reason,
			     reason_size);

	if (err == 0)
		err = check_host(config, config->store_mirror,
				 CONFIG_KEY_store_mirror, ret_reason,
				 reason_size);
	if (err == 0 && config->listen_tcp[0] != '\0')
		err = tcp_listener_check(config, ret_reason, reason_size);
	return err;
}

/* Half of them is a mistake, and must not mean none. */
static int check_tls(const struct config *config, char *ret_reason,
		     size_t reason_size)
{
	const char *missing = NULL;

	if (config->tls_key[0] == '\0')
		missing = "tls_key";
	if (config->tls_certificate[0] == '\0')
		missing = "tls_certificate";
	if (config->tls_ca[0] == '\0')
		missing = "tls_ca";
	if (missing == NULL ||
	    (config->tls_ca[0] == '\0' && config->tls_key[0] == '\0' &&
	     config->tls_certificate[0] == '\0'))
		return 0;
	snprintf(ret_reason, reason_size, "%s: not set; tls_ca, "
		 "tls_certificate and tls_key go together: set all three, or "
		 "none", missing);
	return -EINVAL;
}

/* Users may come and go; but words without one mean nothing. */
static int check_tls_users(const struct config *config, char *ret_reason,
			   size_t reason_size)
{
	const char *words = config->tls_users, *word;
	char note[CONFIG_NOTE_BYTES];
	size_t length;

	while ((length = remote_list_next(&words, &word)) != 0) {
		const char *sign = memchr(word, '=', length);

		if (sign != NULL && sign != word && sign + 1 < word + length)
			continue;
		snprintf(ret_reason, reason_size, "tls_users: \"%.*s\" says "
			 "nothing; write NAME=USER%s", (int)length, word,
			 config_note(config,
				     &config_keys[CONFIG_KEY_tls_users], note,
				     sizeof(note)));
		return -EINVAL;
	}
	return 0;
}

/* What one pager cannot count is refused here, where it can be said. */
static int check_sizes(const struct config *config, char *ret_reason,
		       size_t reason_size)
{
	char pool[16], swap[16];
	char pool_note[CONFIG_NOTE_BYTES], swap_note[CONFIG_NOTE_BYTES];

	if (config->pool_size / PAGER_UNIT_BYTES +
	    config->swap_size / PAGER_UNIT_BYTES <= PAGER_UNITS_MAX)
		return 0;
	snprintf(ret_reason, reason_size, "pool_size: %s%s and a swap_size of "
		 "%s%s are too much together; they can be 16T less 8K",
		 units_format_size(config->pool_size, pool, sizeof(pool)),
		 config_note(config, &config_keys[CONFIG_KEY_pool_size],
			     pool_note, sizeof(pool_note)),
		 units_format_size(config->swap_size, swap, sizeof(swap)),
		 config_note(config, &config_keys[CONFIG_KEY_swap_size],
			     swap_note, sizeof(swap_note)));
	return -EINVAL;
}

int config_check(const struct config *config, char *ret_reason,
		 size_t reason_size)
{
	const struct config_key *low = &config_keys[CONFIG_KEY_low_watermark];
	const struct config_key *high =
		&config_keys[CONFIG_KEY_high_watermark];
	char low_note[CONFIG_NOTE_BYTES], high_note[CONFIG_NOTE_BYTES];
	int err;

	if (config->low_watermark >= config->high_watermark) {
		snprintf(ret_reason, reason_size,
			 "low_watermark: %llu%s is not below high_watermark, "
			 "which is %llu%s",
			 (unsigned long long)config->low_watermark,
			 config_note(config, low, low_note, sizeof(low_note)),
			 (unsigned long long)config->high_watermark,
			 config_note(config, high, high_note,
				     sizeof(high_note)));
		return -EINVAL;
	}
	err = check_sizes(config, ret_reason, reason_size);
	if (err == 0)
		err = check_socket(config, ret_reason, reason_size);
	if (err == 0)
		err = check_store(config, ret_reason, reason_size);
	if (err == 0)
		err = check_hosts(config, ret_reason, reason_size);
	if (err == 0)
		err = check_tls(config, ret_reason, reason_size);
	if (err == 0)
		err = check_tls_users(config, ret_reason, reason_size);
	return err;
}
