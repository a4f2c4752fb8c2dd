/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/units.h"
#include "daemon/config/exit_status.h"
#include "daemon/parts.h"
#include "daemon/reload.h"
#include "daemon/start.h"
#include "daemon/system/notify.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* At the start no client waits. */
enum { LOG_PATIENCE_MS = 200 };

static void tell_started(const struct daemon *d)
{
	const struct config *config = &d->settings.config;
	char pool[16], swap[16];

	log_event(LOG_LEVEL_NOTICE, "started",
		  "version=%s pid=%d socket=%s pool=%s swap=%s store=%s "
		  "config=%s", MEMD_VERSION, getpid(),
		  d->server.is_activated ? "systemd" : config->socket,
		  units_format_size(config->pool_size, pool, sizeof(pool)),
		  units_format_size(config->swap_size, swap, sizeof(swap)),
		  d->engine.store->ops->name,
		  config->file[0] != '\0' ? config->file : "none");
	reload_warn(d, FINDING_STARTED);
	/* A program that waits for READY may read the log next. */
	log_writer_flush(LOG_PATIENCE_MS);
	notify_send_surely("READY=1\nSTATUS=Ready");
}

int daemon_create(const struct config_origin *origin,
		  const struct config *config,
		  const struct memd_engine_program *program,
		  struct daemon **ret_daemon, char *ret_reason,
		  size_t reason_size)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int err;

	if (d == NULL) {
		snprintf(ret_reason, reason_size, "out of memory");
		return -ENOMEM;
	}
	d->settings.config = d->settings.waiting = *config;
	d->settings.origin = origin;
	d->is_embedded = program != NULL;
	if (program != NULL)
		d->program = *program;
	err = start_all(d, ret_reason, reason_size);
	if (err != 0) {
		if (d->engine.is_refused_by_kernel)
			err = -ENOSYS;
		daemon_destroy(d);
		return err;
	}
	*ret_daemon = d;
	return 0;
}

int daemon_serve(struct daemon *d)
{
	if (event_base_dispatch(d->base) >= 0)
		return 0;
	log_event(LOG_LEVEL_ERROR, "loop-failed", "error=\"%s\"",
		  strerror(errno));
	return -EIO;
}

void daemon_ask_to_stop(struct daemon *d)
{
	atomic_store(&d->must_stop, 1);
}

bool daemon_is_asked_to_stop(const struct daemon *d)
{
	return atomic_load(&d->must_stop) != 0;
}

void daemon_destroy(struct daemon *d)
{
	start_undo(d);
	free(d);
}

static void prepare_process(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, NULL);
	/* A background process would be stopped by writing to a terminal with
	 * `stty tostop`. */
	(void)sigaction(SIGTTOU, &ignore, NULL);
	umask(0077);
	system_raise_limits();
}

static void begin_log(void)
{
	int err = log_writer_start();

	if (err != 0)
		log_event(LOG_LEVEL_WARNING, "log-waits", "reason=\"no thread "
			  "for the log: %s; programs wait when the log is not "
			  "read\"", strerror(-err));
}

int daemon_run(const struct config_origin *origin, const struct config *config)
{
	char reason[CONFIG_REASON_BYTES];
	uint64_t started_ns;
	struct daemon *d;
	int err;

	prepare_process();
	begin_log();
	notify_init();
	err = daemon_create(origin, config, NULL, &d, reason, sizeof(reason));
	if (err != 0) {
		log_event(LOG_LEVEL_ERROR, "start-failed", "reason=\"%s\"",
			  reason);
		log_writer_stop();
		return err == -ENOSYS ? EXIT_KERNEL_REFUSES : EXIT_FAILURE;
	}
	tell_started(d);
	started_ns = d->admin.started_ns;
	err = daemon_serve(d);
	log_event(LOG_LEVEL_NOTICE, "stopped", "uptime_s=%llu",
		  (unsigned long long)((clock_now_ns() - started_ns) /
				       1000000000));
	daemon_destroy(d);
	log_writer_stop();
	return err != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
