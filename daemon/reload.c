/* SPDX-License-Identifier: MIT */
#include "daemon/reload.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/net/listening.h"
#include "daemon/net/certificates.h"
#include "daemon/parts.h"
#include "daemon/serve/turn_out.h"
#include "daemon/engine/engine_store.h"
#include "daemon/system/names.h"
#include "daemon/system/notify.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <string.h>
#include <time.h>

#define DAY_NS	(UINT64_C(86400) * 1000000000)

enum { KEYS_BYTES = 512 };

enum { START_PATIENCE_MS = 1000 };	/* wait this long for each name */

/* At the start memd may wait for names.  Once programs are served, it may
 * not. */
static unsigned patience_of(const struct daemon *d)
{
	return d->base == NULL ? START_PATIENCE_MS : 0;
}

/* An embedded memd does not log to the program's stderr. */
void reload_warn(const struct daemon *d, enum finding_moment moment)
{
	const struct config *config = &d->settings.config;
	struct findings_ask ask = { .config = config };

	if (d->is_embedded)
		return;
	if (moment == FINDING_STARTED)
		ask = engine_findings(&d->engine, config);
	ask.moment = moment;
	ask.patience_ms = patience_of(d);
	ask.report = findings_log;
	findings_ask(&ask);
}

/* An embedded memd looks only in /etc/group, to need no threads. */
static int find_admin_group(struct daemon *d, unsigned patience_ms)
{
	const char *group = d->settings.config.admin_group;

	return d->is_embedded ? system_find_group(group, &d->admins.group) :
		names_await_group(group, patience_ms, &d->admins.group);
}

static void find_admins(struct daemon *d, unsigned patience_ms)
{
	const char *group = d->settings.config.admin_group;
	int err = group[0] == '\0' ? 0 : find_admin_group(d, patience_ms);
	struct findings_ask ask = { .config = &d->settings.config,
				    .report = findings_log };

	d->admins.has_group = group[0] != '\0' && err == 0;
	d->admins.is_group_due = err == -EAGAIN;
	if (err == 0 || err == -EAGAIN)
		return;
	ask.error = err;
	findings_ask_one(&ask, FINDING_admin_group);
}

void reload_find_admins(struct daemon *d)
{
	if (d->admins.is_group_due)
		find_admins(d, 0);
}

void reload_apply(struct daemon *d)
{
	enum log_level level;
	int err = log_level_parse(d->settings.config.log_level, &level);

	ASSERT(err == 0);	/* the table allows no other words */
	log_set_level(level);
	if (d->engine.pager != NULL)
		err = pager_set_replacement(d->engine.pager,
				d->settings.config.replacement);
	ASSERT(err == 0);
	find_admins(d, patience_of(d));
	reload_warn(d, FINDING_SETTINGS);
}

/* Append the name of a key to a list for the log. */
static void list_key(char *list, size_t size, const struct config_key *key)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used == 0 ? "" : " ",
		 key->name);
}

/* Copy reloadable values to `next`, which has the present values. */
static void merge(struct config *next, const struct config *config,
		  char changed[KEYS_BYTES], char restart[KEYS_BYTES])
{
	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];

		if (config_is_equal(next, config, key)) {
			next->source[i] = config->source[i];
		} else if (key->is_reloadable) {
			config_copy_value(next, config, key);
			list_key(changed, KEYS_BYTES, key);
		} else {
			list_key(restart, KEYS_BYTES, key);
		}
	}
	memcpy(next->file, config->file, sizeof(next->file));
}

/* Returns 0, or -errno with a reason in d->settings.reload_error. */
static int load_certificates(struct daemon *d, const struct config *config,
			     struct channel_context **ret_listening,
			     struct channel_context **ret_store)
{
	struct channel_context *listening = NULL, *store = NULL;
	char *reason = d->settings.reload_error;
	const size_t size = sizeof(d->settings.reload_error);
	int err = engine_store_load_tls(config, &store, reason, size);

	if (err == 0)
		err = server_load_tls(&d->server, config, &listening, reason,
				      size);
	if (err == 0)
		err = certificates_check(d->engine.tls, store, reason, size);
	if (err == 0)
		err = certificates_check(d->server.tls, listening, reason,
					 size);
	if (err != 0) {
		channel_context_destroy(store);
		channel_context_destroy(listening);
		return err;
	}
	*ret_listening = listening;
	*ret_store = store;
	return 0;
}

static void say_certificates(struct daemon *d)
{
	certificates_log(server_certificates(&d->server, d->engine.tls));
	d->certificates_said_ns = clock_now_ns();
}

void reload_say_certificates(struct daemon *d)
{
	if (d->certificates_said_ns == 0 ||
	    clock_now_ns() - d->certificates_said_ns >= DAY_NS)
		say_certificates(d);
}

static void use_certificates(struct daemon *d,
			     struct channel_context *listening,
			     struct channel_context *store)
{
	server_use_tls(&d->server, listening);
	sessions_look_again(&d->serve);
	engine_store_use_tls(&d->engine, store);
	say_certificates(d);
}

/* Use all of it or nothing: settings and certificates that do not fit together
 * must not be in use, nor settings that `memctl config` does not show.  Returns
 * 0, or -errno with a reason in d->settings.reload_error. */
static int take_over(struct daemon *d)
{
	char changed[KEYS_BYTES] = "", restart[KEYS_BYTES] = "";
	struct channel_context *listening, *store;
	struct config config, next = d->settings.config;
	struct settings *st = &d->settings;
	int err = config_load(st->origin, &config, st->reload_error,
			      sizeof(st->reload_error));

	if (err != 0)
		return err;
	merge(&next, &config, changed, restart);
	err = load_certificates(d, &next, &listening, &store);
	if (err != 0)
		return err;
	d->settings.config = next;
	d->settings.waiting = config;
	log_event(LOG_LEVEL_NOTICE, "reloaded",
		  "changed=\"%s\" needs_restart=\"%s\"", changed, restart);
	reload_apply(d);
	use_certificates(d, listening, store);
	return 0;
}

static void note_success(struct daemon *d)
{
	d->settings.reload_error[0] = '\0';
	d->settings.reload_refused_s = 0;
	d->stats.reloads++;
}

static void note_refusal(struct daemon *d)
{
	if (d->settings.reload_refused_s == 0)
		d->settings.reload_refused_s = time(NULL);
	d->stats.reload_errors++;
	/* An embedded memd does not log to the program's stderr. */
	if (d->is_embedded)
		return;
	log_event(LOG_LEVEL_ERROR, "reload-refused", "reason=\"%s\" kept="
		  "\"the old settings and certificates\"",
		  d->settings.reload_error);
}

void reload_config(struct daemon *d)
{
	notify_send_surely("RELOADING=1\nMONOTONIC_USEC=%llu",
			   (unsigned long long)(clock_now_ns() / 1000));
	if (take_over(d) != 0) {
		note_refusal(d);
	} else {
		note_success(d);
		accounts_reconfigure(&d->serve.accounts);
		engine_wake(&d->engine);
	}
	notify_send_surely("READY=1");
}

void reload_certificates(struct daemon *d)
{
	struct channel_context *listening, *store;

	if (load_certificates(d, &d->settings.config, &listening,
			      &store) != 0) {
		note_refusal(d);
		return;
	}
	note_success(d);
	use_certificates(d, listening, store);
}
