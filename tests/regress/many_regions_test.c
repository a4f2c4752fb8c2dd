/* SPDX-License-Identifier: MIT */
/* A program could map 1024 regions: an allocator that has one for each of its
 * arenas ended there, with no word of what to do.  Proves that thousands can
 * be mapped with memd's defaults, are right after they were evicted, and that
 * who comes to the end is told the setting and what else helps. */
#include "client/include/memclient.h"
#include "tests/integration/testmemd.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { REGIONS = 5000, FEW = 16 };

static uint8_t *region[REGIONS];

static struct memclient *open_memclient(const struct testmemd *tm)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 120000 };
	struct memclient *mc = NULL;

	if (memclient_open(tm->socket, &o, &mc) != 0)
		printf("%s\n", memclient_error(NULL));
	return mc;
}

/* Returns how many could be mapped. */
static size_t map_all(struct memclient *mc)
{
	for (size_t i = 0; i < REGIONS; i++) {
		void *p;

		if (memclient_map(mc, 4096, NULL, &p) != 0)
			return i;
		region[i] = p;
		region[i][0] = (uint8_t)(i * 7 + 1);
	}
	return REGIONS;
}

static int verify_all(struct memclient *mc)
{
	for (size_t i = 0; i < REGIONS; i += 10)
		if (memclient_advise(mc, region[i], 4096,
				     MEMCLIENT_ADVICE_PAGEOUT) != 0)
			return -1;
	for (size_t i = 0; i < REGIONS; i++)
		if (region[i][0] != (uint8_t)(i * 7 + 1))
			return -1;
	for (size_t i = 0; i < REGIONS; i += 2)
		if (memclient_unmap(mc, region[i]) != 0)
			return -1;
	return 0;
}

static int map_thousands(void)
{
	static const char *const defaults[] = { "--config=/dev/null", NULL };
	struct testmemd tm;
	struct memclient *mc;
	size_t count = 0;
	int err = -1;

	if (testmemd_start(&tm, defaults) != 0)
		return -1;
	mc = open_memclient(&tm);
	if (mc != NULL)
		count = map_all(mc);
	if (count == REGIONS)
		err = verify_all(mc);
	if (err != 0)
		printf("%zu regions: %s\n", count, memclient_error(mc));
	memclient_close(mc);
	return testmemd_stop(&tm) != 0 ? -1 : err;
}

static int come_to_the_end(const char *flag, int error, const char *setting)
{
	const char *const flags[] = { "--config=/dev/null", flag, NULL };
	struct testmemd tm;
	struct memclient *mc;
	void *p = NULL;
	int err = 0;

	if (testmemd_start(&tm, flags) != 0)
		return -1;
	mc = open_memclient(&tm);
	for (unsigned i = 0; mc != NULL && err == 0 && i <= FEW; i++)
		err = memclient_map(mc, 4096, NULL, &p);
	if (err == error && (strstr(memclient_error(mc), setting) == NULL ||
			     strstr(memclient_error(mc), "larger") == NULL))
		err = 0;
	if (err != error)
		printf("%s: %d, %s\n", setting, err, memclient_error(mc));
	memclient_close(mc);
	return testmemd_stop(&tm) != 0 || err != error ? -1 : 0;
}

int main(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    files.rlim_max < REGIONS + 500) {
		printf("skip: ulimit -Hn is too low for %d segments\n",
		       REGIONS);
		return 77;
	}
	return map_thousands() != 0 ||
	       come_to_the_end("--session-segments=16", -EDQUOT,
			       "session_segments") != 0 ||
	       come_to_the_end("--uid-segments=16", -EDQUOT,
			       "uid_segments") != 0 ||
	       come_to_the_end("--max-segments=16", -EAGAIN,
			       "max_segments") != 0;
}
