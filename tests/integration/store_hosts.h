/* SPDX-License-Identifier: MIT */
/* Two other memds that keep a program's pages, so to speak on other hosts, each
 * at the same port whenever it runs; and what memctl says of them to who looks
 * into that program, or into a memd that uses them. */
#ifndef MEMD_TESTS_STORE_HOSTS_H
#define MEMD_TESTS_STORE_HOSTS_H

#include "tests/integration/testmemd.h"
#include <stdbool.h>
#include <stdint.h>

enum { STORE_HOSTS = 2, STORE_HOSTS_PATIENCE_S = 120 };

struct store_hosts {
	struct testmemd memd[STORE_HOSTS];
	unsigned port[STORE_HOSTS];	/* 0: never started */
};

/* Start one, with nothing. */
void store_hosts_start(struct store_hosts *hosts, unsigned idx);

/* Stop those that run. */
void store_hosts_stop(struct store_hosts *hosts);

/* The number behind `before` in what `memctl status` shows; UINT64_MAX: it is
 * not there. */
uint64_t status_number(const char *socket, const char *options,
		       const char *before);

/* A counter, as `memctl stats` shows it. */
uint64_t stats_number(const char *socket, const char *name);

/* Does it not say so? */
bool status_lacks(const char *socket, const char *text);

/* Wait until it does. */
void status_await(const char *socket, const char *text);

/* Wait until all is well and both have all pages.  Returns how many. */
uint64_t status_await_all(const char *socket);

#endif
