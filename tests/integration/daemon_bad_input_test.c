/* SPDX-License-Identifier: MIT */
/* Proves that each wrong setting, folder or socket stops memd with one line
 * that names the cause and what to do, and with the documented exit status:
 * 2 for settings, 1 for what is found at the start.  And that a failed start
 * leaves nothing behind. */
#include "tests/integration/testmemd.h"
#include "tests/integration/wire_peer.h"
#include "tests/odd_file.h"
#include "tests/skip.h"

#include "common/checks.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STATUS_FAILED = 1, STATUS_BAD_CONFIG = 2, FLAGS = 8 };

static char dir[TEMPORARY_BYTES];
static char output[8192];

/* A path inside the test's folder, valid for sixteen calls more. */
static const char *inside(const char *prefix, const char *name)
{
	static char paths[16][160];
	static unsigned next;
	char *path = paths[next++ % 16];

	snprintf(path, sizeof(paths[0]), "%s%s/%s", prefix, dir, name);
	return path;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Lines that are an error: all of `output`, or those of level error. */
static unsigned count_error_lines(void)
{
	unsigned count = 0;

	for (char *line = output; *line != '\0';) {
		size_t n = strcspn(line, "\n");

		if (strncmp(line, "memd: ", 6) == 0 ||
		    memmem(line, n, " error ", 7) != NULL)
			count++;
		line += n + (line[n] == '\n');
	}
	return count;
}

static void expect(int status, int want, const char *part)
{
	if (status != want || strstr(output, part) == NULL ||
	    count_error_lines() != 1)
		fail_msg("status %d, wanted %d with one line that has \"%s\", "
			 "got:\n%s", status, want, part, output);
}

static void expect_config_error(const char *text, const char *part)
{
	const char *flags[] = { inside("--config=", "conf"), NULL };

	write_file(inside("", "conf"), text, 0644);
	expect(testmemd_run(flags, output, sizeof(output)),
	       STATUS_BAD_CONFIG, part);
}

static void wrong_files_are_named_by_line(void **state)
{
	(void)state;
	expect_config_error("pool_size = 64M\npool_sise = 1G\n",
			    "conf:2: pool_sise: no such key; did you mean "
			    "pool_size?");
	expect_config_error("xyzzy_nothing_like_it = 1\n", "--dump-config");
	expect_config_error("\n\npool_size = 64X\n",
			    "conf:3: pool_size: \"64X\" is not allowed; give "
			    "a size from 1M to 8T");
	expect_config_error("pool_size = 0\n", "conf:1: pool_size");
	expect_config_error("pool_size = -1\n", "conf:1: pool_size");
	expect_config_error("pool_size =\n", "conf:1: pool_size");
	expect_config_error("swap_size = 99999999999999999999T\n",
			    "conf:1: swap_size");
	expect_config_error("store = fast\n",
			    "auto, uring, sync, mem or remote");
	expect_config_error("socket_mode = 0999\n", "octal");
	expect_config_error("low_watermark = 60\n", "from 1 to 50");
	expect_config_error("low_watermark = 50\nhigh_watermark = 40\n",
			    "low_watermark: 50 is not below");
	expect_config_error("handshake_timeout = soon\n", "a time from");
	expect_config_error("pool_size = 64M\npool_size = 65M\n",
			    "conf:2: pool_size: set already in line 1");
	expect_config_error("[swap]\npool_size = 64M\n",
			    "conf:1: [swap]: no such section; use [memd]");
	expect_config_error("\n [other] ; empty\n", "conf:2: [other]: no such");
	expect_config_error("[memd]\npool_size = 64M\n[memd2]\nx = y\n",
			    "conf:3: [memd2]: no such section");
	expect_config_error("[\n", "conf:1: not understood");
	expect_config_error("pool_size 64M\n", "conf:1: not understood");
	expect_config_error("pool_size = 64M\n    readahead\n",
			    "conf:2: not understood");
	expect_config_error("swap_dir = swap\n", "absolute path");
	expect_config_error("pool_size = 64M\nswap_file = /var/lib/memd/swap\n",
			    "conf:2: swap_file: no such key any more; "
			    "swap_dir, a folder, has replaced it");
	expect_config_error("socket = memd.sock\n", "absolute path or @name");
	expect_config_error("socket = @\n", "absolute path or @name");
	expect_config_error("listen_tcp = 127.0.0.1\n", "HOST:PORT");
	expect_config_error("listen_tcp = 127.0.0.1:99999\n",
			    "\"127.0.0.1:99999\": the port is too large");
	expect_config_error("store = remote\nstore_address = 127.0.0.1\n",
			    "store_address: \"127.0.0.1\" is no address");
	expect_config_error("tls_users = foo\n", "tls_users: \"foo\"");
	expect_config_error("tls_ca = /x\n", "go together");
}

static void long_lines_are_refused_not_cut(void **state)
{
	char text[1024];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "swap_dir = /", 12);
	expect_config_error(text, "conf:1: line too long");
}

static void indented_keys_are_keys(void **state)
{
	(void)state;
	expect_config_error("pool_size = 64M\n\tpool_sise = 1G\n",
			    "conf:2: pool_sise: no such key");
}

static void missing_files_are_named(void **state)
{
	const char *missing[] = { inside("--config=", "no-such"), NULL };
	const char *folder[] = { inside("--config=", ""), NULL };

	(void)state;
	expect(testmemd_run(missing, output, sizeof(output)),
	       STATUS_BAD_CONFIG, "no-such: cannot be read: No such file");
	expect(testmemd_run(folder, output, sizeof(output)),
	       STATUS_BAD_CONFIG, "directory");
}

/* At the start, and with --check. */
static void expect_both(const char *const *flags, int want, const char *part,
			const char *topic)
{
	const char *all[12] = { "--check" };

	for (unsigned i = 0; flags[i] != NULL; i++)
		all[i + 1] = flags[i];
	expect(testmemd_run(flags, output, sizeof(output)), want, part);
	assert_int_equal(testmemd_run(all, output, sizeof(output)), 1);
	if (strstr(output, topic) == NULL || strstr(output, part) == NULL)
		fail_msg("\"%s\" and \"%s\" are not in:\n%s", topic, part,
			 output);
}

/* Instead of the configuration file, and of each file that it names. */
static void what_is_no_file_is_named(void **state)
{
	static const char *const settings[] = { "ca", "certificate", "key",
						"crl" };
	const char *odd = inside("", "odd"), *none = inside("", "none");
	const char *config[] = { inside("--config=", "odd"), NULL };
	char flag[4][192], part[320];
	const char *tls[] = { "--listen-tcp=127.0.0.1:0", "--store=mem",
			      "--config=/dev/null", inside("--socket=", "s"),
			      flag[0], flag[1], flag[2], flag[3], NULL };

	(void)state;
	for (unsigned i = 0; i < ODD_FILES; i++) {
		assert_int_equal(odd_file_put(i, odd), 0);
		snprintf(part, sizeof(part), "configuration file %s: %s", odd,
			 odd_file_words[i]);
		expect_both(config, STATUS_BAD_CONFIG, part,
			    "FAIL  settings: ");
		for (unsigned k = 0; k < 4; k++)
			snprintf(flag[k], sizeof(flag[k]), "--tls-%s=%s",
				 settings[k], k == 0 ? odd : none);
		snprintf(part, sizeof(part), "tls_ca: %s: %s", odd,
			 odd_file_words[i]);
		expect_both(tls, 1, part, "FAIL  other hosts: ");
	}
	assert_int_equal(remove(odd), 0);
}

static void wrong_flags_and_variables_are_named(void **state)
{
	static const char *const flags[] = { "--pool-size=lots", NULL };
	static const char *const unknown[] = { "--pool-sise=1G", NULL };
	static const char *const word[] = { "start", NULL };
	static const char *const replaced[] = {
		"--swap-file=/var/lib/memd/swap", NULL,
	};

	(void)state;
	expect(testmemd_run(flags, output, sizeof(output)),
	       STATUS_BAD_CONFIG, "--pool-size: pool_size: \"lots\"");
	assert_int_equal(testmemd_run(unknown, output, sizeof(output)),
			 STATUS_BAD_CONFIG);
	assert_non_null(strstr(output, "pool-sise"));
	assert_int_equal(testmemd_run(word, output, sizeof(output)),
			 STATUS_BAD_CONFIG);
	assert_non_null(strstr(output, "not a flag"));
	assert_int_equal(testmemd_run(replaced, output, sizeof(output)),
			 STATUS_BAD_CONFIG);
	assert_non_null(strstr(output, "--swap-file: swap_dir, a folder, has "
			       "replaced it"));
	setenv("MEMD_READAHEAD", "9999", 1);
	expect(testmemd_run(NULL, output, sizeof(output)),
	       STATUS_BAD_CONFIG, "(from MEMD_READAHEAD in the environment)");
	unsetenv("MEMD_READAHEAD");
}

static void the_sample_file_is_valid(void **state)
{
	static const char *const dump[] = { "--dump-config", NULL };
	const char *check[] = { inside("--config=", "sample"),
				"--dump-config", NULL };
	static char sample[32768], again[32768];

	(void)state;
	assert_int_equal(testmemd_run(dump, sample, sizeof(sample)), 0);
	write_file(inside("", "sample"), sample, 0644);
	assert_int_equal(testmemd_run(check, again, sizeof(again)), 0);
	assert_string_equal(sample, again);
	/* Read as settings, it changes none: only the other flag is wrong. */
	check[1] = "--swap-size=1";
	expect(testmemd_run(check, output, sizeof(output)),
	       STATUS_BAD_CONFIG, "--swap-size");
}

static void expect_line(const char *start, const char *middle,
			const char *end)
{
	char line[512];

	snprintf(line, sizeof(line), "%s%s%s", start, middle, end);
	if (strstr(output, line) == NULL)
		fail_msg("no \"%s\" in:\n%s", line, output);
}

/* ---- what is found at the start */

/* Start with a good socket and the flags given; it must fail. */
static void expect_start_error(const char *one, const char *two,
			       const char *part)
{
	const char *flags[FLAGS] = { inside("--socket=", "sock"),
				     "--pool-size=4M", "--swap-size=8M",
				     one, two, NULL };
	struct stat st;

	expect(testmemd_run(flags, output, sizeof(output)), STATUS_FAILED,
	       part);
	assert_int_equal(lstat(inside("", "sock"), &st), -1);
	assert_int_equal(lstat(inside("", "sock.lock"), &st), -1);
}

static void pool_must_fit_in_memory(void **state)
{
	(void)state;
	expect_start_error("--pool-size=8T", inside("--swap-dir=", ""),
			   "make pool_size smaller");
}

static void expect_dir_refused(const char *name, const char *part)
{
	const char *flags[] = { inside("--socket=", "sock"),
				"--pool-size=4M", "--swap-size=8M",
				inside("--swap-dir=", name), NULL };

	expect_start_error(flags[3], NULL, part);
	expect_both(flags, STATUS_FAILED, part, "FAIL  swap_dir: ");
}

/* All have one line that names path, cause and cure (swapdir_test has the
 * causes). */
static void swap_dir_must_be_a_folder(void **state)
{
	(void)state;
	expect_dir_refused("none", "none: does not exist; make it");
	write_file(inside("", "letter"), "Dear", 0600);
	expect_dir_refused("letter", "letter: is not a folder");
	assert_int_equal(symlink("none", inside("", "link")), 0);
	expect_dir_refused("link", "link: does not exist");
}

static void swap_dir_must_be_ours(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_case("needs root to give a folder away");
	assert_int_equal(mkdir(inside("", "theirs"), 0777), 0);
	assert_int_equal(chown(inside("", "theirs"), 54001, 54001), 0);
	expect_dir_refused("theirs", "theirs: belongs to uid 54001, memd runs "
			   "as uid 0");
}

/* Swapping there would save nothing, whoever has named it. */
static void swap_dir_must_not_be_in_memory(void **state)
{
	(void)state;
	assert_int_equal(mkdir(inside("", "memory"), 0700), 0);
	if (geteuid() != 0 ||
	    mount("none", inside("", "memory"), "tmpfs", 0, "size=64m") != 0)
		skip_case("needs a file system of its own");
	expect_dir_refused("memory", "memory: is a tmpfs");
	assert_int_equal(umount(inside("", "memory")), 0);
}

/* Room is asked for when memory is mapped; --check warns before. */
static void room_on_disk_is_not_asked_for_yet(void **state)
{
	const char *flags[] = { "--swap-size=1T", NULL };
	const char *check[] = { "--check", inside("--socket=", "sock"),
				inside("--swap-dir=", ""), "--swap-size=8T",
				NULL };
	struct testmemd tm;

	(void)state;
	assert_int_equal(testmemd_start(&tm, flags), 0);
	assert_int_equal(testmemd_stop(&tm), 0);
	assert_int_equal(testmemd_run(check, output, sizeof(output)), 0);
	expect_line("warn  swap_dir: ", dir, "/: needs 8.0T, the file system "
		    "has ");
}

static void socket_place_must_be_free(void **state)
{
	const char *flags[] = { inside("--socket=", "taken"),
				inside("--swap-dir=", ""),
				"--pool-size=4M", "--swap-size=8M", NULL };
	struct stat st;
	int fd;

	(void)state;
	write_file(inside("", "taken"), "mine", 0644);
	expect(testmemd_run(flags, output, sizeof(output)), STATUS_FAILED,
	       "not a socket");
	assert_int_equal(stat(inside("", "taken"), &st), 0);
	assert_int_equal(unlink(inside("", "taken")), 0);
	/* Somebody else's, and alive. */
	fd = wire_peer_listen(inside("", "taken"));
	assert_true(fd >= 0);
	expect(testmemd_run(flags, output, sizeof(output)), STATUS_FAILED,
	       "another program is listening");
	assert_int_equal(stat(inside("", "taken"), &st), 0);
	close(fd);
	flags[0] = inside("--socket=", "none/sock");
	expect(testmemd_run(flags, output, sizeof(output)), STATUS_FAILED,
	       "none/sock");
	flags[0] = "--socket-group=no-such-group-here";
	flags[3] = inside("--socket=", "sock");
	expect(testmemd_run(flags, output, sizeof(output)), STATUS_FAILED,
	       "socket_group: no group");
}

static void check_says_what_to_do(void **state)
{
	const char *flags[] = { "--check", inside("--swap-dir=", "none"),
				inside("--socket=", "sock"), NULL };

	(void)state;
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "FAIL  swap_dir: "));
	assert_non_null(strstr(output, "ok    kernel: "));
	assert_non_null(strstr(output, "ok    socket: "));
	flags[1] = inside("--swap-dir=", "");
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 0);
	assert_null(strstr(output, "FAIL"));
	flags[1] = "--pool-size=nothing";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "FAIL  settings: --pool-size"));
}

/* A socket on a port of 127.0.0.1, whose HOST:PORT goes to ret_address. */
static int bind_port(bool must_listen, char *ret_address, size_t size)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, length), 0);
	if (must_listen)
		assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &length), 0);
	snprintf(ret_address, size, "127.0.0.1:%u", ntohs(sin.sin_port));
	return fd;
}

/* A remote store needs no file; whether it is there is a warning. */
static void check_asks_for_the_remote_store(void **state)
{
	char up[32], down[32], address_flag[64], mirror_flag[64];
	const char *flags[] = { "--check", inside("--socket=", "sock"),
				inside("--swap-dir=", "none"),
				"--store=remote", address_flag, mirror_flag,
				"--pool-size=4M", "--insecure-tcp=no", NULL };
	int up_fd = bind_port(true, up, sizeof(up));
	int down_fd = bind_port(false, down, sizeof(down));

	(void)state;
	snprintf(address_flag, sizeof(address_flag), "--store-address=%s", up);
	snprintf(mirror_flag, sizeof(mirror_flag), "--store-mirror=%s", down);
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 0);
	expect_line("ok    store: ", up, " accepts connections\n");
	expect_line("warn  store: no answer from ", down,
		    ": Connection refused; start a memd there");
	assert_null(strstr(output, "none"));
	assert_null(strstr(output, "swap_dir"));
	assert_null(strstr(output, "io_uring"));
	flags[5] = "--store-mirror=no-such-host.invalid:1";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	expect_line("FAIL  store: no-such-host.invalid:1 is on another host: "
		    "that needs certificates", "", "");
	flags[7] = "--insecure-tcp=yes";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 0);
	expect_line("warn  store: cannot find the host of ",
		    "no-such-host.invalid:1", "");
	flags[5] = "--store-mirror=no-port";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	expect_line("FAIL  settings: store_mirror: \"no-port\" is no address",
		    "", "");
	flags[3] = "--store=mem";
	flags[5] = NULL;
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 0);
	expect_line("warn  store: mem ", "", "");
	assert_null(strstr(output, "swap_dir"));
	close(up_fd);
	close(down_fd);
}

/* What the manual's EXIT STATUS and --help say of it. */
static void check_has_two_statuses(void **state)
{
	const char *flags[] = { "--check", inside("--socket=", "sock"),
				inside("--swap-dir=", ""), NULL, NULL };

	(void)state;
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 0);
	flags[3] = "--listen-tcp=127.0.0.1";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	expect_line("FAIL  settings: listen_tcp: ", "\"127.0.0.1\"", "");
	flags[3] = "--pool-size=lots";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	expect_line("FAIL  settings: --pool-size: ", "", "");
	flags[3] = inside("--config=", "no-such");
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	flags[3] = "--no-such-flag";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)),
			 STATUS_BAD_CONFIG);
}

/* --check says so where memd cannot start, or would let nobody in. */
static int run_with_few_descriptors(rlim_t count)
{
	const char *flags[] = { inside("--socket=", "sock"),
				inside("--swap-dir=", ""),
				"--pool-size=4M", "--swap-size=4M", NULL,
				NULL };
	const struct rlimit few = { count, count };

	if (setrlimit(RLIMIT_NOFILE, &few) != 0 ||
	    testmemd_run(flags, output, sizeof(output)) != 1 ||
	    strstr(output, "start-failed reason=\"open files: the limit of "
		   "open files is ") == NULL)
		return 1;
	flags[4] = "--check";
	if (testmemd_run(flags, output, sizeof(output)) != 1 ||
	    strstr(output, "FAIL  open files: the limit of open files is ") ==
		    NULL)
		return 2;
	return 0;
}

static void check_knows_how_many_descriptors(void **state)
{
	static const rlim_t counts[] = { 32, 64 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(run_with_few_descriptors(counts[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* What memd would not start for is said by --check, in the same words. */
static void check_knows_what_is_in_the_way(void **state)
{
	const struct {
		const char *flag, *reason;
	} rows[] = {
		{ inside("--socket=", "plain"), "exists and is not a socket" },
		{ "--socket-group=no-such-group-here",
		  "socket_group: no group \"no-such-group-here\" here" },
	};

	(void)state;
	write_file(inside("", "plain"), "not a socket\n", 0600);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *flags[] = { inside("--socket=", "sock"),
					inside("--swap-dir=", ""),
					"--pool-size=4M", "--swap-size=4M",
					rows[i].flag, NULL, NULL };

		assert_int_equal(testmemd_run(flags, output, sizeof(output)),
				 1);
		assert_non_null(strstr(output, "start-failed "));
		assert_non_null(strstr(output, rows[i].reason));
		flags[5] = "--check";
		assert_int_equal(testmemd_run(flags, output, sizeof(output)),
				 1);
		expect_line("FAIL  socket: ", "", "");
		assert_non_null(strstr(output, rows[i].reason));
	}
}

static void check_names_unknown_tls_users(void **state)
{
	char users_flag[64] = "--tls-users=a=root b=no-such-user";
	const char *flags[] = { "--check", inside("--socket=", "sock"),
				inside("--swap-dir=", ""),
				"--listen-tcp=127.0.0.1:0", users_flag, NULL };

	(void)state;
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 0);
	expect_line("warn  other hosts: tls_users: \"", "b=no-such-user", "\"");
	strcpy(users_flag, "--tls-users=root");
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	expect_line("FAIL  settings: tls_users: \"root\" says nothing", "", "");
	flags[4] = "--tls-users=a=root, *=54321";
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 0);
	assert_null(strstr(output, "tls_users"));
}

/* memd runs all the same: a user may be made later, a variable be another's. */
static void what_may_be_wrong_is_logged(void **state)
{
	const char *flags[] = { "--listen-tcp=127.0.0.1:0",
				"--tls-users=a=no-such-user,b=0",
				"--tcp-user=no-such-user-either", NULL };
	struct testmemd tm;

	(void)state;
	setenv("MEMD_POOL_SIEZ", "1G", 1);
	setenv("MEMD_TEST_RUN", "1", 1);
	assert_int_equal(testmemd_start(&tm, flags), 0);
	assert_int_equal(testmemd_run((const char *[]){
		"--check", inside("--socket=", "sock"),
		inside("--swap-dir=", ""), flags[0], flags[2], NULL },
		output, sizeof(output)), 0);
	unsetenv("MEMD_POOL_SIEZ");
	unsetenv("MEMD_TEST_RUN");
	expect_line("warn  settings: MEMD_POOL_SIEZ in the environment", "",
		    " sets nothing; did you mean MEMD_POOL_SIZE?\n");
	expect_line("warn  other hosts: tcp_user: no user ",
		    "\"no-such-user-either\"", " here, so");
	assert_int_equal(testmemd_log_count(&tm, "environment name="), 1);
	assert_int_equal(testmemd_log_count(&tm, "MEMD_POOL_SIEZ"), 1);
	assert_int_equal(testmemd_log_count(&tm, "mean MEMD_POOL_SIZE?"), 1);
	assert_int_equal(testmemd_log_count(&tm, "user-unknown "), 2);
	assert_int_equal(testmemd_log_count(&tm, "setting=tls_users "
					    "user=\"no-such-user\" "), 1);
	assert_int_equal(testmemd_log_count(&tm, "setting=tcp_user "
					    "user=\"no-such-user-either\" "),
			 1);
	/* Nor is a reload refused for it. */
	kill(tm.pid, SIGHUP);
	assert_int_equal(testmemd_await(&tm, "RELOADING=1"), 0);
	assert_int_equal(testmemd_await(&tm, "READY=1"), 0);
	assert_int_equal(testmemd_log_count(&tm, "reloaded "), 1);
	assert_int_equal(testmemd_log_count(&tm, "user-unknown "), 4);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static int make_dir(void **state)
{
	struct testmemd probe;

	(void)state;
	/* Skips all of this where the kernel lets no memd run. */
	if (testmemd_start(&probe, NULL) != 0 || testmemd_stop(&probe) != 0)
		return -1;
	return mkdtemp(temporary_template("memd-test", dir)) == NULL ? -1 : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_dir(void **state)
{
	(void)state;
	(void)umount(inside("", "memory"));
	return nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_files_are_named_by_line),
		cmocka_unit_test(long_lines_are_refused_not_cut),
		cmocka_unit_test(indented_keys_are_keys),
		cmocka_unit_test(missing_files_are_named),
		cmocka_unit_test(what_is_no_file_is_named),
		cmocka_unit_test(wrong_flags_and_variables_are_named),
		cmocka_unit_test(the_sample_file_is_valid),
		cmocka_unit_test(pool_must_fit_in_memory),
		cmocka_unit_test(swap_dir_must_be_a_folder),
		cmocka_unit_test(swap_dir_must_be_ours),
		cmocka_unit_test(swap_dir_must_not_be_in_memory),
		cmocka_unit_test(room_on_disk_is_not_asked_for_yet),
		cmocka_unit_test(socket_place_must_be_free),
		cmocka_unit_test(check_says_what_to_do),
		cmocka_unit_test(check_asks_for_the_remote_store),
		cmocka_unit_test(check_has_two_statuses),
		cmocka_unit_test(check_knows_how_many_descriptors),
		cmocka_unit_test(check_knows_what_is_in_the_way),
		cmocka_unit_test(check_names_unknown_tls_users),
		cmocka_unit_test(what_may_be_wrong_is_logged),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
