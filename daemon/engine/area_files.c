/* SPDX-License-Identifier: MIT */
/* Files of areas that programs may read by themselves. */
#include "daemon/engine/areas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct area_file *areas_note_filled(struct areas *as, area_id id,
				    uint32_t first, struct area **ret_area)
{
	struct area *area = as->by_id[id];
	struct area_file *file = &area->files[area_file_at(area, first)];

	file->is_filled = true;
	*ret_area = area;
	return file;
}

/* Not a duplicate: its flags would be memd's, too. */
int area_file_open(const struct areas *as, struct area_file *file)
{
	int flags = O_RDONLY | O_CLOEXEC | (as->dir.is_direct ? O_DIRECT : 0);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", file->fd);
	fd = open(path, flags);
	if (fd < 0)
		return -errno;
	file->is_handed_out = true;
	return fd;
}

void areas_drop_memory(struct areas *as, void *map, size_t map_bytes, int fd)
{
	struct file_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		(void)munmap(map, map_bytes);
		(void)close(fd);
		return;
	}
	*job = (struct file_job){
		.is_end = true, .map = map, .map_bytes = map_bytes, .fd = fd,
	};
	file_maker_add(as->maker, job);
}
