/* SPDX-License-Identifier: MIT */
#include "daemon/engine/memd_engine.h"

#include "common/descriptor.h"
#include "common/thread.h"
#include "daemon/config/config.h"
#include "daemon/daemon.h"
#include "daemon/net/listener.h"
#include "daemon/net/peer.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

#define EXPORT __attribute__((visibility("default")))

enum {
	STACK_BYTES = 1024 * 1024,
	LOOK_MS = 50,			/* between two looks for an event that
					 * cannot wake us */
};

struct memd_engine {
	struct memd_engine_program program;
	struct config_origin origin;
	struct config config;
	pthread_t thread;
	sem_t started, ended;
	int start_error;
	char *reason;			/* of the caller of the start;
					 * borrowed */
	size_t reason_size;
	struct daemon *daemon;		/* of the thread */
	char swap_dir[CONFIG_TEXT_BYTES];	/* our choice; empty: the
						 * settings name one */
};

/* ---- the thread */

/* Give the thread its own table of descriptors, with 0 to 2 and `keep` only
 * (-1: no `keep`).  0 to 2 stay open, so that no file of memd gets these
 * numbers: an assertion writes to 2, and so does the log. */
static int leave_table(int keep)
{
	unsigned after = keep < 0 ? 3 : (unsigned)keep + 1;

	/* If this fails, a chroot() of the program applies to this thread,
	 * too. */
	(void)unshare(CLONE_FS);
	if (close_range(after, ~0u, CLOSE_RANGE_UNSHARE) != 0 ||
	    (keep > 3 && close_range(3, (unsigned)keep - 1, 0) != 0))
		return -errno;
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
			return -errno;
	return 0;
}

static int engine_begin(struct memd_engine *engine)
{
	int err;

	/* Descriptors 0 to 2 are the standard ones, so they are no userfaultfd
	 * of ours. */
	if (engine->program.uffd < 3) {
		engine->program.uffd = -1;
		engine->program.install = NULL;
	}
	err = leave_table(engine->program.uffd);
	if (err != 0) {
		snprintf(engine->reason, engine->reason_size,
			 "a table of descriptors of its own: close_range(2): "
			 "%s%s", strerror(-err), err == -EPERM ?
			 "; a seccomp filter, of a container perhaps, forbids "
			 "it" : "");
		return err;
	}
	err = daemon_create(&engine->origin, &engine->config, &engine->program,
			    &engine->daemon, engine->reason,
			    engine->reason_size);
	return err == -ENOSYS ? -EPERM : err;
}

static void *engine_thread_main(void *arg)
{
	struct memd_engine *engine = arg;
	int err;

	(void)prctl(PR_SET_NAME, "memd-engine");
	thread_settle();
	err = engine_begin(engine);
	engine->start_error = err;
	sem_post(&engine->started);
	if (err == 0) {
		/* If the loop fails, nobody can be told: faults time out and
		 * report that. */
		(void)!daemon_serve(engine->daemon);
		while (!daemon_is_asked_to_stop(engine->daemon))
			usleep(LOOK_MS * 1000);
		daemon_destroy(engine->daemon);
		sem_post(&engine->ended);
	}
	return NULL;
}

/* ---- starting */

static int fail(char *ret_reason, size_t reason_size, int err,
		const char *format, const char *text)
{
	snprintf(ret_reason, reason_size, format, text);
	return err;
}

/* An abstract address that nobody else can guess. */
static void choose_address(char *ret_address, size_t size)
{
	uint64_t number[2];

	system_random(number, sizeof(number));
	snprintf(ret_address, size, "@memd-%d-%016llx%016llx", getpid(),
		 (unsigned long long)number[0], (unsigned long long)number[1]);
}

/* Unless the settings say where the swap files are to be. */
static void choose_swap_dir(struct memd_engine *engine)
{
	const char *folder = secure_getenv("TMPDIR");

	if (engine->origin.flag[CONFIG_KEY_swap_dir] != NULL)
		return;
	snprintf(engine->swap_dir, sizeof(engine->swap_dir), "%s",
		 folder != NULL && folder[0] == '/' &&
		 strlen(folder) < sizeof(engine->swap_dir) ? folder :
							     "/var/tmp");
	engine->origin.flag[CONFIG_KEY_swap_dir] = engine->swap_dir;
}

/* The reason contains a folder that we chose: say how to choose another one. */
static void explain_swap_dir(const struct memd_engine *engine, char *reason,
			     size_t reason_size)
{
	size_t used = strlen(reason);

	if (engine->swap_dir[0] != '\0' &&
	    strstr(reason, engine->swap_dir) != NULL)
		snprintf(reason + used, reason_size - used, "; TMPDIR or "
			 "swap_dir say where the swap files are");
}

static int configure(struct memd_engine *engine,
		     const char *const (*settings)[2], const char *address,
		     char *ret_reason, size_t reason_size)
{
	engine->origin.is_bare = true;
	engine->origin.flag[CONFIG_KEY_socket] = address;
	engine->origin.flag[CONFIG_KEY_log_level] = "error";
	engine->origin.flag[CONFIG_KEY_admin_group] = "";
	if (geteuid() == PEER_NOBODY)	/* memd itself may be that user */
		engine->origin.flag[CONFIG_KEY_allow_nobody] = "yes";
	engine->origin.flag[CONFIG_KEY_stop_timeout] = "1s";
	for (size_t i = 0; settings[i][0] != NULL; i++) {
		const struct config_key *key = config_find(settings[i][0]);

		if (key == NULL && config_find_replaced(settings[i][0]) != NULL)
			return fail(ret_reason, reason_size, -EINVAL,
				    "swap_file is no setting any more: %s",
				    config_find_replaced(settings[i][0]));
		if (key == NULL)
			return fail(ret_reason, reason_size, -EINVAL,
				    "\"%.64s\" is no setting; memclient(3) "
				    "has the usual ones, memd.conf(5) all",
				    settings[i][0]);
		engine->origin.flag[key - config_keys] = settings[i][1];
	}
	choose_swap_dir(engine);
	return config_load(&engine->origin, &engine->config, ret_reason,
			   reason_size);
}

static int launch(struct memd_engine *engine, char *ret_reason,
		  size_t reason_size)
{
	int err;

	engine->reason = ret_reason;
	engine->reason_size = reason_size;
	err = thread_start(&engine->thread, STACK_BYTES, engine_thread_main,
			   engine);
	if (err != 0)
		return fail(ret_reason, reason_size, err, "a thread: %s",
			    strerror(-err));
	while (sem_wait(&engine->started) != 0)
		;			/* EINTR */
	if (engine->start_error != 0)
		pthread_join(engine->thread, NULL);
	return engine->start_error;
}

static void destroy(struct memd_engine *engine)
{
	sem_destroy(&engine->started);
	sem_destroy(&engine->ended);
	free(engine);
}

EXPORT int memd_engine_start_in(const struct memd_engine_program *program,
				const char *const (*settings)[2],
				struct memd_engine **ret_engine,
				char *ret_address, size_t address_size,
				char *ret_reason, size_t reason_size)
{
	struct memd_engine *engine = calloc(1, sizeof(*engine));
	char address[108];
	int err;

	if (engine == NULL)
		return fail(ret_reason, reason_size, -ENOMEM, "%s",
			    "out of memory");
	engine->program = *program;
	sem_init(&engine->started, 0, 0);
	sem_init(&engine->ended, 0, 0);
	choose_address(address, sizeof(address));
	err = configure(engine, settings, address, ret_reason, reason_size);
	/* The flags point to borrowed texts, and there is no reload. */
	memset(engine->origin.flag, 0, sizeof(engine->origin.flag));
	if (err == 0)
		err = launch(engine, ret_reason, reason_size);
	if (err != 0) {
		explain_swap_dir(engine, ret_reason, reason_size);
		destroy(engine);
		return err;
	}
	snprintf(ret_address, address_size, "%s", engine->config.socket);
	*ret_engine = engine;
	return 0;
}

/* ---- stopping */

/* Connect to the loop, so that it looks at must_stop. */
static void wake(const struct memd_engine *engine)
{
	int fd = listener_connect(&engine->config);

	if (fd >= 0)
		close(fd);
}

static bool has_ended(struct memd_engine *engine)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += LOOK_MS * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return sem_clockwait(&engine->ended, CLOCK_MONOTONIC, &ts) == 0;
}

EXPORT void memd_engine_stop(struct memd_engine *engine)
{
	if (engine == NULL)
		return;
	daemon_ask_to_stop(engine->daemon);
	/* If there is no descriptor for this, the tick sees must_stop. */
	do
		wake(engine);
	while (!has_ended(engine));
	pthread_join(engine->thread, NULL);
	destroy(engine);
}
