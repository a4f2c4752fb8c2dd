/* SPDX-License-Identifier: MIT */
#include "client/link/engine.h"

#include "client/link/address.h"
#include "client/link/errors.h"
#include "daemon/engine/memd_engine.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#define LIBRARY "libmemd-engine.so.0"

enum { ADDRESS_BYTES = 2048, SETTINGS_MAX = 32, REASON_BYTES = 1024 };

bool engine_is_meant(const char *address)
{
	return address != NULL && (address_is_embedded(address) ||
				   address_is_tcp(address));
}

/* ---- the address */

struct plan {
	char text[ADDRESS_BYTES];	/* the settings point into this text */
	const char *setting[SETTINGS_MAX + 1][2];
	size_t count;
};

static void add_setting(struct plan *plan, const char *name, const char *value)
{
	plan->setting[plan->count][0] = name;
	plan->setting[plan->count++][1] = value;
}

/* Add NAME=VALUE pairs, which are separated by any of `separators`, for example
 * "pool_size=64M,swap_dir=/var/tmp". */
static int add_pairs(struct plan *plan, char *text, const char *separators)
{
	const char *name = NULL, *value = NULL;
	int result;

	while ((result = address_next_setting(&text, separators, &name,
					      &value)) == 1) {
		if (plan->count == SETTINGS_MAX)
			return errors_set(-EINVAL, "more than %d settings in "
					  "an address", SETTINGS_MAX);
		add_setting(plan, name, value);
	}
	return result == 0 ? 0 :
		errors_set(-EINVAL, "\"%.64s\" in an address: NAME=VALUE is "
			   "expected", name);
}

static int make_plan(struct plan *plan, const char *address)
{
	bool is_tcp = address_is_tcp(address);
	const char *rest = address + strlen(is_tcp ? ADDRESS_TCP :
						     ADDRESS_EMBEDDED);
	char *pairs = plan->text;

	*plan = (struct plan){ .count = 0 };
	if (strlen(rest) >= sizeof(plan->text))
		return errors_set(-EINVAL, "the address is longer than %zu "
				  "bytes", sizeof(plan->text) - 1);
	memcpy(plan->text, rest, strlen(rest) + 1);
	if (!is_tcp)
		return add_pairs(plan, pairs, ",");
	pairs += strcspn(pairs, "?");
	if (*pairs == '?')
		*pairs++ = '\0';
	if (strchr(plan->text, ':') == NULL)
		return errors_set(-EINVAL, "tcp:// needs a host and a port: "
				  "tcp://HOST:PORT");
	add_setting(plan, "store", "remote");
	add_setting(plan, "store_address", plan->text);
	return add_pairs(plan, pairs, "&");
}

/* ---- the library */

static struct {
	pthread_once_t once;
	memd_engine_start_in_fn *start;
	memd_engine_stop_fn *stop;
	char reason[256];
} library = { .once = PTHREAD_ONCE_INIT };

static void find_function(void *handle, const char *name, void *ret_function)
{
	/* POSIX demands that a function's address fits into a pointer. */
	*(void **)ret_function = dlsym(handle, name);
}

/* Look at the first object only: it is the program. */
static int find_interpreter(struct dl_phdr_info *info, size_t size, void *arg)
{
	bool *ret_has_one = arg;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		*ret_has_one |= info->dlpi_phdr[i].p_type == PT_INTERP;
	return 1;
}

/* True if the program names no dynamic linker, and none is loaded.  dlopen()
 * would then load another libc, whose thread-locals are not set up, and crash.
 * Both must be checked: a program that was started as "ld.so PROGRAM" has no
 * separate dynamic linker, and the first object of a dlmopen() namespace is a
 * library, which names none. */
static bool is_static_program;

/* Do this when the library is loaded, not when the answer is needed:
 * dl_iterate_phdr() takes a lock.  If another thread has the lock during a
 * fork, it stays taken in the child. */
__attribute__((constructor)) static void look_for_interpreter(void)
{
	bool has_interpreter = false;

	(void)dl_iterate_phdr(find_interpreter, &has_interpreter);
	is_static_program = getauxval(AT_BASE) == 0 && !has_interpreter;
}

static void load(void)
{
	void *handle;

	if (is_static_program) {
		snprintf(library.reason, sizeof(library.reason),
			 "a program that is linked statically as a whole "
			 "cannot open it");
		return;
	}
	handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (handle == NULL) {
		snprintf(library.reason, sizeof(library.reason), "%s",
			 dlerror());
		return;
	}
	find_function(handle, "memd_engine_stop", &library.stop);
	find_function(handle, "memd_engine_start_in", &library.start);
	if (library.start == NULL || library.stop == NULL) {
		library.start = NULL;
		snprintf(library.reason, sizeof(library.reason),
			 LIBRARY " is of another version");
	}
}

int engine_start(const char *address,
		 const struct memd_engine_program *program,
		 struct memd_engine **ret_engine,
		 char *ret_socket, size_t socket_size)
{
	char reason[REASON_BYTES] = "";
	struct plan plan;
	int err = make_plan(&plan, address);

	if (err != 0)
		return err;
	pthread_once(&library.once, load);
	if (library.start == NULL)
		return errors_set(-ENOSYS, "memory without a daemon needs "
				  LIBRARY ", which comes with memd: %s",
				  library.reason);
	err = library.start(program, plan.setting, ret_engine, ret_socket,
			    socket_size, reason, sizeof(reason));
	return err == 0 ? 0 : errors_set(err, "%s", reason);
}

void engine_stop(struct memd_engine *engine)
{
	if (engine != NULL)
		library.stop(engine);
}
