/* SPDX-License-Identifier: MIT */
/* What tests of replays have in common: a memd of their own with an
 * administrator's session, named segments whose bytes are known, and memctl as
 * another process.  Failures are failed cmocka assertions. */
#ifndef MEMD_TESTS_REPLAY_SCENE_H
#define MEMD_TESTS_REPLAY_SCENE_H

#include "client/include/memclient.h"
#include "tests/integration/testmemd.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MIB = 1 << 20, PAGE = 4096, PAGES = 8 * MIB / PAGE };

extern struct replay_scene {
	struct testmemd memd;
	int admin;
} scene;

/* Start and stop memd, for cmocka's group: 0 or -1. */
int scene_begin(const char *const *flags);
int scene_end(void);

/* ---- segments */

struct memclient *scene_open(void);
uint8_t *scene_attach(struct memclient *mc, const char *name);

/* Write into each page what scene_verify() looks for, and nothing else. */
void scene_fill(uint8_t *p, uint64_t pages);
void scene_verify(const uint8_t *p, uint64_t page);

/* A filled segment of PAGES * PAGE bytes, all of them swapped out. */
void scene_make(const char *name, uint32_t page_size);
void scene_remove(const char *name);

/* Page out everything there is. */
void scene_evict_all(void);

/* Nothing of any segment is left, and no page was lost. */
void scene_expect_empty(void);

/* ---- memctl's */

pid_t scene_spawn(const char *first, const char *second);
void scene_expect_success(pid_t pid);

/* Have memctl trace, and return when it does; and stop it with all that has
 * happened until now. */
pid_t scene_start_trace(const char *save_option);
void scene_end_trace(pid_t pid);

/* ---- an administrator's */

/* Ask for these runs, { first, count }; NULL: the first `count` pages. */
void scene_send(const char *name, const uint64_t (*range)[2], size_t count);
/* The reply: returns how many pages were asked for. */
uint64_t scene_receive(bool *ret_is_short);

#endif
