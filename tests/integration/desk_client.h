/* SPDX-License-Identifier: MIT */
/* A client that has a desk (proto/desk.h) and uses it by hand: see
 * daemon_client.h for the rest. */
#ifndef MEMD_TESTS_DESK_CLIENT_H
#define MEMD_TESTS_DESK_CLIENT_H

#include "proto/book.h"
#include "proto/desk.h"
#include "tests/integration/daemon_client.h"

enum { DESK_CLIENT_FILES = 16 };

struct desk_client {
	int fd;			/* its main connection */
	struct desk *desk;	/* NULL: it has none */
	uint32_t segment;	/* the last that it has attached, */
	int data;		/* its file, */
	int book;		/* and book; -1: none came */
	/* Files of areas that have come. */
	int file[DESK_CLIENT_FILES];
	unsigned file_count;
};

/* Connect as this user and group (0: as the test is), and get a desk if wanted.
 * The test must be root for another user. */
struct desk_client desk_client_open(const struct testmemd *tm, uid_t uid,
				    gid_t gid, bool has_desk);
/* Make and attach a private segment, or attach a named one. */
void desk_client_map(struct desk_client *dc, uint64_t length);
void desk_client_attach(struct desk_client *dc, const char *name,
			bool is_read_only);
/* Say that the desk may be used. */
void desk_client_ring(const struct desk_client *dc);
void desk_client_close(struct desk_client *dc);

/* Ask for the segment without being allowed to. */
void desk_client_is_refused(struct desk_client *dc, const char *name,
			    bool is_read_only);

/* Take what has come until memd answers a request that is sent now.  Returns
 * file_count. */
unsigned desk_client_poll(struct desk_client *dc);

#endif
