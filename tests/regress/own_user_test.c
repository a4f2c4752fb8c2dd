/* SPDX-License-Identifier: MIT */
/* memd serves the user it runs as, also where that is nobody.
 *
 * uid 65534 is refused by default, as it stands for all users that a user
 * namespace does not know; but a memd that nobody started refused nobody, too,
 * and so everybody who could have used it.  Here memd runs as nobody, who must
 * get memory from it and may administrate it.  In a user namespace that knows
 * one user only it must go on refusing. */
#include "client/include/memclient.h"
#include "tests/integration/testadmin.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, BYTES = 1 << 20, EXIT_SKIP = 77 };

static int write_line(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, line, strlen(line));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(line) ? 0 : -1;
}

/* Where 65534 is this user, and everybody else. */
static int enter_namespace(void)
{
	char map[64];
	int uid = (int)geteuid();

	snprintf(map, sizeof(map), "%d %d 1", NOBODY, uid);
	(void)prctl(PR_SET_DUMPABLE, 1);	/* or the map is root's */
	return unshare(CLONE_NEWUSER) != 0 ||
	       write_line("/proc/self/uid_map", map) != 0;
}

static int use_memory(const struct testmemd *tm)
{
	struct testadmin_status status;
	struct memclient *mc;
	void *memory;

	if (memclient_open(tm->socket, NULL, &mc) != 0 ||
	    memclient_map(mc, BYTES, NULL, &memory) != 0) {
		printf("no memory: %s\n", memclient_error(NULL));
		return 1;
	}
	memset(memory, 7, BYTES);
	memclient_close(mc);
	return testadmin_status(tm, &status) != 0;
}

static int is_refused(const struct testmemd *tm)
{
	struct memclient *mc;

	return memclient_open(tm->socket, NULL, &mc) == -EACCES ? 0 : 1;
}

static int run_as_nobody(bool is_alone)
{
	struct testmemd tm;
	int failed;

	if (setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) != 0)
		return 1;
	if (access(getenv("MEMD_BIN") != NULL ? getenv("MEMD_BIN") :
		   MEMD_PATH, X_OK) != 0) {
		printf("skip: nobody may not run the memd of this build\n");
		return EXIT_SKIP;
	}
	if (is_alone && enter_namespace() != 0) {
		printf("skip: no user namespaces for nobody\n");
		return EXIT_SKIP;
	}
	if (testmemd_start(&tm, NULL) != 0)
		return 1;
	failed = is_alone ? is_refused(&tm) : use_memory(&tm);
	return testmemd_stop(&tm) != 0 || failed != 0;
}

static int run(bool is_alone)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		exit(run_as_nobody(is_alone));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

/* Where nobody may make a folder for memd. */
static int make_folder(char *folder, size_t size)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, size, "%s/memd-nobody-XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	return mkdtemp(folder) == NULL || chown(folder, NOBODY, NOBODY) != 0 ||
	       setenv("TMPDIR", folder, 1) != 0;
}

int main(void)
{
	char folder[256];
	int known, alone;

	alarm(100);
	if (geteuid() != 0) {
		printf("skip: needs root to be nobody\n");
		return EXIT_SKIP;
	}
	if (make_folder(folder, sizeof(folder)) != 0)
		return 1;
	known = run(false);
	alone = run(true);
	(void)rmdir(folder);
	printf("own_user_test: %d %d\n", known, alone);
	if (known == EXIT_SKIP || known != 0)
		return known;
	return alone == EXIT_SKIP ? 0 : alone;
}
