/* SPDX-License-Identifier: MIT */
#include "daemon/keeper/keeper_spawn.h"

#include "daemon/keeper/keeper_process.h"
#include <errno.h>
#include <spawn.h>
#include <unistd.h>

extern char **environ;

/* A new program, not a fork: a forked child would keep memd's memory mapped. */
int keeper_spawn(int socket, pid_t *ret_pid)
{
	char self[] = "memd", flag[] = KEEPER_FLAG;
	char *argv[] = { self, flag, NULL };
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return -error;
	error = posix_spawn_file_actions_adddup2(&actions, socket,
						 STDIN_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(
			&actions, STDERR_FILENO + 1);
	if (error == 0)
		error = posix_spawn(ret_pid, "/proc/self/exe", &actions, NULL,
				    argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}
