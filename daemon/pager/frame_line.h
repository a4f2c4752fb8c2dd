/* SPDX-License-Identifier: MIT */
/* A line of frames that are worth a look: first in, first out.  It lets its
 * owner do without a walk over all frames.  A frame may change while it is in a
 * line, so the owner looks at it again when it comes out.  The owner has a flag
 * for each frame that is in the line, and adds no frame twice. */
#ifndef MEMD_PAGER_FRAME_LINE_H
#define MEMD_PAGER_FRAME_LINE_H

#include "common/table.h"
#include "daemon/replace/replace_types.h"

struct frame_line {
	struct table table;
	frame_id *id;		/* a ring of `room` places */
	uint32_t room, head, count;
};

/* `frame_count`: of the pool.  Returns 0 or -errno, as table_init(). */
int frame_line_init(struct frame_line *line, const char *name,
		    uint32_t frame_count) MUST_CHECK;
/* Accepts a zeroed line. */
void frame_line_fini(struct frame_line *line);

void frame_line_add(struct frame_line *line, frame_id id);
/* 0: the line is empty. */
frame_id frame_line_take(struct frame_line *line);

#endif
