/* SPDX-License-Identifier: MIT */
#include "daemon/pager/frame_line.h"

int frame_line_init(struct frame_line *line, const char *name,
		    uint32_t frame_count)
{
	int err = table_init(&line->table, name, sizeof(*line->id),
			     frame_count);

	if (err != 0)
		return err;
	line->id = line->table.base;
	line->room = frame_count;
	line->head = line->count = 0;
	return 0;
}

void frame_line_fini(struct frame_line *line)
{
	table_fini(&line->table);
}

void frame_line_add(struct frame_line *line, frame_id id)
{
	uint64_t at = (uint64_t)line->head + line->count;

	ASSERT(line->count < line->room);
	line->id[at % line->room] = id;
	line->count++;
}

frame_id frame_line_take(struct frame_line *line)
{
	frame_id id;

	if (line->count == 0)
		return 0;
	id = line->id[line->head];
	line->head = (line->head + 1) % line->room;
	line->count--;
	return id;
}
