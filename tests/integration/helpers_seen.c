/* SPDX-License-Identifier: MIT */
#include "tests/integration/helpers_seen.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* The state of `pid` if it is a helper of `memd`, else 0. */
static char helper_state(long pid, pid_t memd)
{
	char path[64], line[256] = "", state = 'Z';
	int ppid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL ||
	    sscanf(line, "%*d (memd-puncher) %c %d", &state, &ppid) != 2)
		ppid = 0;
	fclose(f);
	return ppid == memd && state != 'Z' ? state : 0;
}

/* Signal 0 only counts them. */
static unsigned walk(pid_t memd, char state, int number)
{
	DIR *proc = opendir("/proc");
	unsigned count = 0;
	struct dirent *entry;

	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL) {
		long pid = strtol(entry->d_name, NULL, 10);
		char found = pid > 0 ? helper_state(pid, memd) : 0;

		if (found != 0 && (state == 0 || found == state))
			count += kill((pid_t)pid, number) == 0;
	}
	closedir(proc);
	return count;
}

unsigned helpers_count(pid_t memd, char state)
{
	return walk(memd, state, 0);
}

unsigned helpers_signal(pid_t memd, int number)
{
	return walk(memd, 0, number);
}
