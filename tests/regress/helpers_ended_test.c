/* SPDX-License-Identifier: MIT */
/* Helper processes that somebody ends must not end eviction.
 *
 * memd made its helpers once, at its start.  When all had been killed, by an
 * administrator or for lack of memory, no page could leave the pool any more;
 * and one that was stopped kept memd waiting for ever.  Here all are
 * killed, then stopped, several times; a program that needs eviction must go on
 * and read its bytes, and memd must have its helpers again. */
#include "client/include/memclient.h"
#include "tests/integration/helpers_seen.h"
#include "tests/integration/testadmin.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	HELPERS = 2,
	ROUNDS = 4,
	BYTES = 24 << 20,		/* of a pool of 16 MiB */
	WORDS = BYTES / sizeof(uint64_t),
};

static uint64_t word_of(size_t idx, uint64_t round)
{
	return (idx + 1) * UINT64_C(0x9e3779b97f4a7c15) + round;
}

static int verify(const uint64_t *word, uint64_t round)
{
	for (size_t i = 0; i < WORDS; i++)
		if (word[i] != word_of(i, round)) {
			printf("word %zu is wrong\n", i);
			return -1;
		}
	return 0;
}

static int page_on(const struct testmemd *tm, uint64_t *word)
{
	for (size_t i = 0; i < WORDS; i++)
		word[i] = word_of(i, 0);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		helpers_signal(tm->pid, round % 2 ? SIGKILL : SIGSTOP);
		if (verify(word, round - 1) != 0)
			return -1;
		for (size_t i = 0; i < WORDS; i++)
			word[i] = word_of(i, round);
	}
	helpers_signal(tm->pid, SIGKILL);
	return verify(word, ROUNDS);
}

static int has_helpers_again(const struct testmemd *tm)
{
	uint64_t renewed = 0;

	while (helpers_count(tm->pid, 0) < HELPERS || renewed < HELPERS) {
		usleep(50000);
		if (testadmin_counter(tm, "helpers_renewed", &renewed) != 0)
			return -1;
	}
	return testmemd_log_count(tm, "helpers-renewed") != 0 ? 0 : -1;
}

int main(void)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 90000 };
	struct memclient *mc;
	struct testmemd tm;
	void *memory;
	int failed = 0;

	/* A memd that hangs must not hang its test. */
	alarm(100);
	if (testmemd_start(&tm, NULL) != 0)
		return 1;
	if (memclient_open(tm.socket, &o, &mc) != 0 ||
	    memclient_map(mc, BYTES, NULL, &memory) != 0) {
		printf("no memory: %s\n", memclient_error(NULL));
		testmemd_kill(&tm);
		return 1;
	}
	if (page_on(&tm, memory) != 0 || has_helpers_again(&tm) != 0)
		failed = 1;
	memclient_close(mc);
	if (testmemd_stop(&tm) != 0)
		failed = 1;
	printf("helpers_ended_test: %s\n", failed ? "FAILED" : "ok");
	return failed;
}
