/* SPDX-License-Identifier: MIT */
/* memctl doctor: runs `memd --check` as the calling user, and then checks
 * whether the daemon answers.  memd decides what is checked. */
#include "client/memctl/verbs.h"

#include "common/units.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct argp_option doctor_options[] = {
	{ "config", 'c', "FILE", 0, "Check with this configuration file", 1 },
	{ 0 },
};

struct doctor_wish {
	const char *config;
};

static void doctor_take(struct memctl *mc, struct argp_state *state, int key,
			char *text)
{
	struct doctor_wish *wish = mc->wish;

	(void)state;
	if (key == 'c')
		wish->config = text;
}

/* Where memd may be, relative to the folder of memctl. */
static const char *const doctor_places[] = {
	"", "../sbin/", "../libexec/", "../libexec/memd/",
};

/* Returns the path of memd in buf; NULL: search $PATH. */
static const char *doctor_find_memd(char *buf, size_t buf_size)
{
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	if (length <= 0)
		return NULL;
	own[length] = '\0';
	slash = strrchr(own, '/');
	if (slash == NULL)
		return NULL;
	slash[1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(doctor_places); i++) {
		int n = snprintf(buf, buf_size, "%s%smemd", own,
				 doctor_places[i]);

		if (n > 0 && (size_t)n < buf_size && access(buf, X_OK) == 0)
			return buf;
	}
	return NULL;
}

/* Runs in the child, and does not return. */
static void doctor_execute_memd(const char *config)
{
	char path[PATH_MAX + 32];
	const char *memd = doctor_find_memd(path, sizeof(path));
	char *arguments[] = { (char *)"memd", (char *)"--check",
			      config != NULL ? (char *)"--config" : NULL,
			      (char *)config, NULL };

	signal(SIGPIPE, SIG_DFL);
	/* MEMD_SOCKET may be the old name of memctl's address.  memd would take
	 * it for its setting `socket`. */
	unsetenv("MEMD_SOCKET");
	if (memd != NULL)
		execv(memd, arguments);
	else
		execvp("memd", arguments);
	_exit(127);
}

/* Returns the exit code of `memd --check`; 127: memd was not found. */
static int doctor_check_system(const char *config)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		doctor_execute_memd(config);
	if (pid < 0)
		return 127;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A program with a small cgroup has all its pages brought in by memd. */
static bool doctor_finds_small(const Memd__SessionInfo *s)
{
	return s->has_memory_needed_bytes && s->memory_limit_bytes != 0 &&
	       s->memory_limit_bytes < s->memory_needed_bytes;
}

/* One line for all of them. */
static void doctor_warn_of_small(const Memd__SessionsReply *all)
{
	const Memd__SessionInfo *smallest = NULL;
	char limit[16], needed[16];
	size_t count = 0;

	for (size_t i = 0; i < all->n_session; i++) {
		const Memd__SessionInfo *s = all->session[i];

		if (!doctor_finds_small(s))
			continue;
		count++;
		if (smallest == NULL ||
		    s->memory_limit_bytes < smallest->memory_limit_bytes)
			smallest = s;
	}
	if (smallest == NULL)
		return;
	printf("warn  cgroups: %zu sessions bring no pages in by themselves, "
	       "which is slower: the memory limits of their cgroups are too "
	       "small (s%u: %s, not the %s needed; MEMLIMIT of `memctl ps "
	       "--long'); set larger ones (MemoryMax=, docker update "
	       "--memory), or lower the user's frames (memctl limit set "
	       "--uid)\n", count, smallest->session,
	       units_format_size(smallest->memory_limit_bytes, limit,
				 sizeof(limit)),
	       units_format_size(smallest->memory_needed_bytes, needed,
				 sizeof(needed)));
}

/* Only administrators may see others' sessions; for the rest that is no
 * finding. */
static void doctor_check_sessions(struct connection *c)
{
	ProtobufCMessage *reply = NULL;
	struct failure failure;

	if (connection_ask(c, ASK_SESSIONS, NULL, &reply, &failure) != 0)
		return;
	doctor_warn_of_small((const Memd__SessionsReply *)reply);
	protobuf_c_message_free_unpacked(reply, NULL);
}

static int doctor_check_daemon(const struct memctl *mc)
{
	char shown[CONNECTION_SHOWN_BYTES];
	struct failure failure;
	struct connection *c = NULL;

	if (connection_open(mc->address, mc->timeout_ms, &c, &failure) != 0) {
		printf("FAIL  daemon: %s\n", failure.text);
		return EXIT_CODE_NO_DAEMON;
	}
	connection_show_address(mc->address, shown);
	printf("ok    daemon: %s answers at %s\n", connection_server(c),
	       shown);
	doctor_check_sessions(c);
	connection_close(c);
	return EXIT_CODE_OK;
}

static int doctor_run(struct memctl *mc)
{
	const struct doctor_wish *wish = mc->wish;
	int system_code, daemon_code;

	if (mc->style.format != REPORT_TABLE) {
		memctl_complain("doctor prints text for people only: leave out "
				"--output");
		return EXIT_CODE_USAGE;
	}
	system_code = doctor_check_system(wish->config);
	if (system_code == 127)
		memctl_complain("cannot run memd: install it beside memctl, in "
				"its sbin, or put its folder into $PATH");
	daemon_code = doctor_check_daemon(mc);
	return system_code != 0 ? system_code : daemon_code;
}

const struct verb verb_doctor = {
	.name = "doctor", .summary = "check this system and the daemon",
	.help = "Check, as the user you are, whether this system can run memd "
		"(by `memd --check'), and whether the daemon answers.  "
		"Administrators also see whether programs have cgroups with "
		"too little memory to bring pages in by themselves.  Every "
		"line is ok, warn or FAIL; after warn and FAIL comes what to "
		"do.",
	.options = doctor_options, .take = doctor_take, .is_plain = true,
	.wish_bytes = sizeof(struct doctor_wish), .run = doctor_run,
};
