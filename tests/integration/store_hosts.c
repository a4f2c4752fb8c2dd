/* SPDX-License-Identifier: MIT */
#include "tests/integration/store_hosts.h"
#include "tests/integration/store_client.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void store_hosts_start(struct store_hosts *hosts, unsigned idx)
{
	char listen[64];
	const char *const flags[] = { listen, NULL };

	snprintf(listen, sizeof(listen), "--listen-tcp=127.0.0.1:%u",
		 hosts->port[idx]);
	assert_int_equal(testmemd_start(&hosts->memd[idx], flags), 0);
	hosts->port[idx] = store_port(&hosts->memd[idx]);
}

void store_hosts_stop(struct store_hosts *hosts)
{
	for (unsigned i = 0; i < STORE_HOSTS; i++)
		if (hosts->memd[i].pid != 0)
			assert_int_equal(testmemd_stop(&hosts->memd[i]), 0);
}

static FILE *memctl_open(const char *socket, const char *command)
{
	char line[512];
	FILE *out;

	snprintf(line, sizeof(line), "%s --socket=%s %s", MEMCTL_PATH, socket,
		 command);
	out = popen(line, "re");
	assert_non_null(out);
	return out;
}

/* Reads all of it. */
static uint64_t number_behind(FILE *out, const char *before)
{
	uint64_t found = UINT64_MAX;
	char line[1024];

	while (fgets(line, sizeof(line), out) != NULL) {
		const char *at = strstr(line, before);

		if (at != NULL)
			found = strtoull(at + strlen(before), NULL, 10);
	}
	return found;
}

uint64_t status_number(const char *socket, const char *options,
		       const char *before)
{
	char command[64];
	uint64_t found;
	FILE *out;

	snprintf(command, sizeof(command), "status %s", options);
	out = memctl_open(socket, command);
	found = number_behind(out, before);
	(void)pclose(out);	/* of a degraded memd not 0 */
	return found;
}

uint64_t stats_number(const char *socket, const char *name)
{
	FILE *out = memctl_open(socket, "-o raw stats");
	unsigned long long value, found = ULLONG_MAX;
	char line[1024], counter[64];

	while (fgets(line, sizeof(line), out) != NULL)
		if (sscanf(line, "%63s %llu", counter, &value) == 2 &&
		    strcmp(counter, name) == 0)
			found = value;
	assert_int_equal(pclose(out), 0);
	assert_true(found != ULLONG_MAX);
	return found;
}

bool status_lacks(const char *socket, const char *text)
{
	return status_number(socket, "", text) == UINT64_MAX;
}

void status_await(const char *socket, const char *text)
{
	unsigned left = STORE_HOSTS_PATIENCE_S * 100;

	while (status_lacks(socket, text)) {
		assert_int_not_equal(left--, 0);
		usleep(10000);
	}
}

/* "…; A and B of C pages".  0: not all, or something is wrong. */
static uint64_t count_all(const char *socket)
{
	FILE *out = memctl_open(socket, "status");
	unsigned long long has[STORE_HOSTS], all, count = 0;
	char line[1024];

	while (fgets(line, sizeof(line), out) != NULL) {
		const char *at = strrchr(line, ';');

		if (at != NULL && sscanf(at, "; %llu and %llu of %llu pages",
					 &has[0], &has[1], &all) == 3 &&
		    has[0] == all && has[1] == all)
			count = all;
	}
	return pclose(out) == 0 ? count : 0;
}

uint64_t status_await_all(const char *socket)
{
	unsigned left = STORE_HOSTS_PATIENCE_S * 100;
	uint64_t count;

	while ((count = count_all(socket)) == 0) {
		assert_int_not_equal(left--, 0);
		usleep(10000);
	}
	return count;
}
