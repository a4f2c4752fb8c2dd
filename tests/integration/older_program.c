/* SPDX-License-Identifier: MIT */
/* A program with memory several times as large as memd's pool: its threads
 * write pages and read them at random, and compare every byte.
 * older_libraries.sh builds it with libraries of the past, too, so it uses
 * nothing but what memclient.h has always had.
 *
 *   older_program ADDRESS thread|inline private	private memory
 *   older_program ADDRESS thread|inline outlive	the same; then it says
 *		"ready", waits for a line on stdin (the memd that it knew is
 *		gone by then), and does it again in new memory
 *   older_program ADDRESS thread|inline make NAME	a segment, filled
 *   older_program ADDRESS thread|inline first NAME	work in it, while
 *   older_program ADDRESS thread|inline second NAME	another does, too
 *   older_program ADDRESS thread|inline check NAME	after both; unlinks it
 *
 * Ends with status 1, and says why, when anything is wrong. */
#include "memclient.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PAGE_BYTES = 4096,
	PAGE_WORDS = PAGE_BYTES / 8,
	PAGES = 4096,		/* four times the pool */
	THREADS = 4,
	OPS = 1500,		/* of each thread */
	LAST = 1000000,		/* the version that both leave behind */
	TIMEOUT_MS = 120000,
	PATIENCE_S = 60,
};

/* Whose pages they are. */
enum part { FIRST, SECOND, NOBODY, ALL, NONE };

static struct memclient *mc;
static uint32_t version[PAGES];		/* of those that we know */
static uint64_t *area;
static enum part own = ALL;

static void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, memclient_error(mc));
	exit(1);
}

/* ---- pages */

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static enum part part_of(uint32_t page)
{
	return page % 4 < NOBODY ? (enum part)(page % 4) : NOBODY;
}

static int is_own(uint32_t page)
{
	return own == ALL || (own != NONE && part_of(page) == own);
}

static void write_page(uint32_t page, uint32_t new_version)
{
	uint64_t state = (uint64_t)page << 32 | new_version;

	for (unsigned i = 0; i < PAGE_WORDS; i++)
		area[(size_t)page * PAGE_WORDS + i] = next_random(&state);
	version[page] = new_version;
}

static void verify_page(uint32_t page)
{
	uint64_t state = (uint64_t)page << 32 | version[page];

	for (unsigned i = 0; i < PAGE_WORDS; i++) {
		uint64_t due = version[page] == 0 ? 0 : next_random(&state);
		uint64_t got = area[(size_t)page * PAGE_WORDS + i];

		if (got == due)
			continue;
		fprintf(stderr, "WRONG BYTES: page %u word %u: %016llx, not "
			"%016llx\n", page, i, (unsigned long long)got,
			(unsigned long long)due);
		exit(1);
	}
}

static void fill_pages(void)
{
	for (uint32_t page = 0; page < PAGES; page++)
		write_page(page, 1);
}

static void verify_pages(void)
{
	for (uint32_t page = 0; page < PAGES; page++)
		verify_page(page);
}

/* ---- threads: each writes to its own of our pages.  Those that nobody writes
 * to, all read. */

static int is_constant(uint32_t page)
{
	return own == NONE || (own != ALL && part_of(page) == NOBODY);
}

static void *use_pages(void *arg)
{
	uint64_t thread = (uintptr_t)arg, rng = thread + 100 * own;

	for (unsigned ops = 0; ops < OPS;) {
		uint64_t random = next_random(&rng);
		uint32_t page = (uint32_t)(random >> 32) % PAGES;
		int is_mine = is_own(page) && page / 4 % THREADS == thread;

		if (!is_mine && !is_constant(page))
			continue;
		verify_page(page);
		if (is_mine && random % 4 == 0)
			write_page(page, version[page] + 1);
		ops++;
	}
	return NULL;
}

static void use_in_threads(void)
{
	pthread_t thread[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, use_pages, (void *)i))
			give_up("pthread_create");
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

/* ---- memory */

/* The library connects again by itself, when it finds a memd. */
static void map_private(uint32_t fault_mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	void *at = NULL;
	int err;

	for (unsigned i = 0; i < PATIENCE_S * 20; i++) {
		err = memclient_map(mc, (size_t)PAGES * PAGE_BYTES, &o, &at);
		if (err != -ENOTCONN)
			break;
		usleep(50000);
	}
	if (err != 0)
		give_up("memclient_map");
	area = at;
	memset(version, 0, sizeof(version));
}

static void use_private(uint32_t fault_mode)
{
	map_private(fault_mode);
	verify_pages();
	fill_pages();
	use_in_threads();
	verify_pages();
}

static void attach_named(uint32_t fault_mode, const char *name)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	void *at = NULL;

	if (memclient_attach(mc, name, &o, &at, NULL) != 0)
		give_up("memclient_attach");
	area = at;
	for (uint32_t page = 0; page < PAGES; page++)
		version[page] = 1;
}

/* ---- what programs do */

static void do_private(uint32_t fault_mode, const char *name)
{
	(void)name;
	use_private(fault_mode);
}

static void do_outlive(uint32_t fault_mode, const char *name)
{
	(void)name;
	use_private(fault_mode);
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		give_up("stdin");
	if (memclient_unmap(mc, area) != 0)
		give_up("memclient_unmap");
	use_private(fault_mode);
}

static void do_make(uint32_t fault_mode, const char *name)
{
	if (memclient_segment_create(mc, name, (size_t)PAGES * PAGE_BYTES,
				     NULL) != 0)
		give_up("memclient_segment_create");
	attach_named(fault_mode, name);
	fill_pages();
	verify_pages();
}

static void share_as(enum part part, uint32_t fault_mode, const char *name)
{
	own = part;
	attach_named(fault_mode, name);
	use_in_threads();
	for (uint32_t page = 0; page < PAGES; page++)
		if (is_own(page))
			write_page(page, LAST);
}

static void do_first(uint32_t fault_mode, const char *name)
{
	share_as(FIRST, fault_mode, name);
}

static void do_second(uint32_t fault_mode, const char *name)
{
	share_as(SECOND, fault_mode, name);
}

static void do_check(uint32_t fault_mode, const char *name)
{
	own = NONE;
	attach_named(fault_mode, name);
	for (uint32_t page = 0; page < PAGES; page++)
		if (part_of(page) != NOBODY)
			version[page] = LAST;
	use_in_threads();
	verify_pages();
}

static const struct {
	const char *name;
	void (*act)(uint32_t fault_mode, const char *name);
	int argc;
} acts[] = {
	{ "private", do_private, 4 },
	{ "outlive", do_outlive, 4 },
	{ "make", do_make, 5 },
	{ "first", do_first, 5 },
	{ "second", do_second, 5 },
	{ "check", do_check, 5 },
};

static int act_by_name(int argc, char **argv)
{
	uint32_t fault_mode = strcmp(argv[2], "inline") == 0 ?
		MEMCLIENT_FAULT_INLINE : MEMCLIENT_FAULT_THREAD;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[3], acts[i].name) == 0 &&
		    argc == acts[i].argc) {
			acts[i].act(fault_mode, argv[4]);
			return 0;
		}
	return 2;
}

int main(int argc, char **argv)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = TIMEOUT_MS };
	int status;

	if (argc < 4)
		return 2;
	if (memclient_open(argv[1], &o, &mc) != 0)
		give_up("memclient_open");
	status = act_by_name(argc, argv);
	memclient_close(mc);
	return status;
}
