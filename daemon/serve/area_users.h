/* SPDX-License-Identifier: MIT */
/* Which sessions may read which swap files.
 *
 *   J2  A session is given a file's descriptor only while it has attached, for
 *       writing, a segment whose pages are in that file's area; and all pages
 *       there are of segments that it has attached so.  (An area belongs to one
 *       session's private segments, or to one named segment.)
 *
 * Threads: the loop's. */
#ifndef MEMD_SERVE_AREA_USERS_H
#define MEMD_SERVE_AREA_USERS_H

#include "daemon/serve/desks.h"

/* The session has attached the segment, for writing: give it the files.
 * Without memory it gets none. */
void area_users_add(struct session_desk *sd, const struct segment *segment);
/* It detaches it. */
void area_users_remove(const struct session_desk *sd,
			const struct segment *segment);

/* Tell all who use the area. */
void area_users_file_filled(struct desks *ds, struct area *area,
		       struct area_file *file);
void area_users_file_ends(struct area *area, const struct area_file *file);

#endif
