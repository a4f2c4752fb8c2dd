/* SPDX-License-Identifier: MIT */
/* See process.h; the format is that of proc(5). */
#include "tests/bench/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t process_tick_ns(void)
{
	return UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* The name stands in brackets and may contain anything, brackets too. */
static bool parse(const char *line, struct process *p)
{
	const char *open = strchr(line, '('), *close = strrchr(line, ')');
	uint64_t system, buried_user, buried_system;

	if (open == NULL || close == NULL || close < open)
		return false;
	snprintf(p->name, sizeof(p->name), "%.*s", (int)(close - open - 1),
		 open + 1);
	if (sscanf(close + 1,
		   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %" SCNu64
		   " %" SCNu64 " %" SCNu64, &p->parent, &system, &buried_user,
		   &buried_system) != 4)
		return false;
	p->system_ns = system * process_tick_ns();
	p->buried_ns = (buried_user + buried_system) * process_tick_ns();
	return true;
}

bool process_read(pid_t pid, struct process *ret_process)
{
	char path[64], line[1024];
	bool is_read;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	is_read = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	ret_process->pid = pid;
	return is_read && parse(line, ret_process);
}

int process_each(void (*visit)(const struct process *p, void *arg), void *arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct process p;

	if (proc == NULL)
		return -errno;
	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    process_read(atoi(entry->d_name), &p))
			visit(&p, arg);
	closedir(proc);
	return 0;
}
