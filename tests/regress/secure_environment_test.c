/* SPDX-License-Identifier: MIT */
/* A program with more rights than its caller took its memory from whatever
 * daemon the caller's environment named.  Proves that a set-uid program that
 * opens the library reads neither name of that variable. */
#include "client/include/memclient.h"

#include "tests/temporary.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLER = 12345 };

#define NOWHERE "/nowhere/of/the/caller"

/* ---- the set-uid program */

static int is_from_caller(void)
{
	struct memclient *mc;

	if (memclient_open(NULL, NULL, &mc) == 0) {
		memclient_close(mc);
		return 0;
	}
	printf("%s\n", memclient_error(NULL));
	return strstr(memclient_error(NULL), NOWHERE) != NULL;
}

static int be_privileged(void)
{
	if (getauxval(AT_SECURE) == 0)
		return 77;	/* the file system is mounted nosuid */
	return is_from_caller();
}

/* ---- its caller */

static int copy_self(const char *to)
{
	int from_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	struct stat st;

	if (from_fd < 0 || to_fd < 0 || fstat(from_fd, &st) != 0)
		return 1;
	while (sendfile(to_fd, from_fd, NULL, (size_t)st.st_size) > 0)
		;
	close(from_fd);
	return fchmod(to_fd, 04755) == 0 ? close(to_fd) : 1;
}

static int run_as_caller(const char *program, char *variable)
{
	char *argv[] = { (char *)program, "privileged", NULL };
	char *envp[] = { variable, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(CALLER) == 0 && setuid(CALLER) == 0)
			execve(program, argv, envp);
		_exit(2);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 2;
	return WEXITSTATUS(status);
}

static int skip_test(const char *reason)
{
	printf("skip: %s\n", reason);
	return 77;
}

int main(int argc, char **argv)
{
	char folder[TEMPORARY_BYTES], program[TEMPORARY_BYTES + 8];
	int code;

	(void)argv;
	if (argc > 1)
		return be_privileged();
	if (geteuid() != 0)
		return skip_test("needs root, to make a set-uid program");
	if (mkdtemp(temporary_template("memd-test", folder)) == NULL ||
	    chmod(folder, 0755) != 0)
		return 1;
	snprintf(program, sizeof(program), "%s/program", folder);
	code = copy_self(program);
	if (code == 0)
		code = run_as_caller(program, "MEMCLIENT_ADDRESS=" NOWHERE);
	if (code == 0)
		code = run_as_caller(program, "MEMD_SOCKET=" NOWHERE);
	unlink(program);
	rmdir(folder);
	return code != 77 ? code :
		skip_test("nothing is set-uid on this file system");
}
