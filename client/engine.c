/* SPDX-License-Identifier: MIT */
#include "client/engine.h"

#include "client/errors.h"
#include "daemon/embedded.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libmemd-engine.so.0"

#define EMBEDDED "embedded:"
#define TCP "tcp://"

enum { ADDRESS_BYTES = 2048, SETTINGS_MAX = 32, REASON_BYTES = 1024 };

bool engine_is_meant(const char *address)
{
	return address != NULL &&
	       (strncmp(address, EMBEDDED, strlen(EMBEDDED)) == 0 ||
		strncmp(address, TCP, strlen(TCP)) == 0);
}

/* ---- the address */

/* Short names, for addresses; every other is one of memd.conf(5). */
static const char *const short_names[][2] = {
	{ "pool", "pool_size" },
	{ "swap", "swap_file" },
	{ "size", "swap_size" },
	{ "mirror", "store_mirror" },
	{ "ca", "tls_ca" },
	{ "certificate", "tls_certificate" },
	{ "key", "tls_key" },
	{ "crl", "tls_crl" },
};

static const char *long_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
		if (strcmp(short_names[i][0], name) == 0)
			return short_names[i][1];
	return name;
}

struct plan {
	char text[ADDRESS_BYTES];	/* the settings point into it */
	const char *setting[SETTINGS_MAX + 1][2];
	size_t count;
};

static int add(struct plan *plan, const char *name, const char *value)
{
	if (plan->count == SETTINGS_MAX)
		return errors_set(-EINVAL, "more than %d settings in an "
				  "address", SETTINGS_MAX);
	plan->setting[plan->count][0] = name;
	plan->setting[plan->count++][1] = value;
	return 0;
}

/* "pool=64M,swap=/tmp/x": pairs between any of `separators`. */
static int add_pairs(struct plan *plan, char *text, const char *separators)
{
	char *rest = NULL;
	int err = 0;

	for (char *pair = strtok_r(text, separators, &rest);
	     pair != NULL && err == 0;
	     pair = strtok_r(NULL, separators, &rest)) {
		char *value = strchr(pair, '=');

		if (value == NULL || value == pair)
			return errors_set(-EINVAL, "\"%.64s\" in an address: "
					  "NAME=VALUE is expected", pair);
		*value++ = '\0';
		err = add(plan, long_name(pair), value);
	}
	return err;
}

static int plan_tcp(struct plan *plan, char *text)
{
	char *pairs = strchr(text, '?');
	int err = add(plan, "store", "remote");

	if (pairs != NULL)
		*pairs++ = '\0';
	if (text[0] == '\0' || strchr(text, ':') == NULL)
		return errors_set(-EINVAL, "tcp:// needs a host and a port: "
				  "tcp://HOST:PORT");
	if (err == 0)
		err = add(plan, "store_address", text);
	if (err == 0 && pairs != NULL)
		err = add_pairs(plan, pairs, "&");
	return err;
}

static int make_plan(struct plan *plan, const char *address)
{
	bool is_tcp = strncmp(address, TCP, strlen(TCP)) == 0;
	const char *rest = address + (is_tcp ? strlen(TCP) : strlen(EMBEDDED));

	*plan = (struct plan){ .count = 0 };
	if (strlen(rest) >= sizeof(plan->text))
		return errors_set(-EINVAL, "the address is longer than %zu "
				  "bytes", sizeof(plan->text) - 1);
	memcpy(plan->text, rest, strlen(rest) + 1);
	return is_tcp ? plan_tcp(plan, plan->text) :
			add_pairs(plan, plan->text, ",");
}

/* ---- the library */

static struct {
	pthread_once_t once;
	memd_engine_start_fn *start;
	memd_engine_stop_fn *stop;
	char reason[256];
} library = { .once = PTHREAD_ONCE_INIT };

static void find_function(void *handle, const char *name, void *ret_function)
{
	/* POSIX demands that a function's address fits. */
	*(void **)ret_function = dlsym(handle, name);
}

static void load(void)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (handle == NULL) {
		snprintf(library.reason, sizeof(library.reason), "%s",
			 dlerror());
		return;
	}
	find_function(handle, "memd_engine_stop", &library.stop);
	find_function(handle, "memd_engine_start", &library.start);
	if (library.start == NULL || library.stop == NULL) {
		library.start = NULL;
		snprintf(library.reason, sizeof(library.reason),
			 LIBRARY " is of another version");
	}
}

int engine_start(const char *address, struct memd_engine **ret_engine,
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
	err = library.start(plan.setting, ret_engine, ret_socket, socket_size,
			    reason, sizeof(reason));
	return err == 0 ? 0 : errors_set(err, "%s", reason);
}

void engine_stop(struct memd_engine *engine)
{
	if (engine != NULL)
		library.stop(engine);
}
