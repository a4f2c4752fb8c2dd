/* SPDX-License-Identifier: MIT */
/* Proves how memd lives: reload takes over what may change, names what needs a
 * restart and refuses a wrong file whole; stopping tells the clients, and
 * removes the socket; nothing is ever seen in the folder for swap files, nor
 * left there, also after a SIGKILL; two memds do not fight over one socket, and
 * can have one folder; what a killed one left is cleared away; systemd's socket
 * is used when it passes one. */
#include "tests/integration/confined.h"
#include "tests/integration/daemon_client.h"
#include "tests/odd_file.h"
#include "tests/skip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char conf[TEMPORARY_BYTES];	/* outlives each memd's own folder */
static char conf_flag[128];

static void write_conf(const char *text)
{
	FILE *f = fopen(conf, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void start(struct testmemd *tm, const char *one, const char *two)
{
	const char *flags[] = { one, one == NULL ? NULL : two, NULL };

	assert_int_equal(testmemd_start(tm, flags), 0);
}

static void reload(struct testmemd *tm)
{
	assert_int_equal(kill(tm->pid, SIGHUP), 0);
	assert_int_equal(testmemd_await(tm, "RELOADING=1"), 0);
	assert_int_equal(testmemd_await(tm, "READY=1"), 0);
}

/* The value of a setting, as `memctl config` shows it; waiting NULL: none. */
static void expect_waiting(int admin, const char *name, const char *value,
			   const char *waiting)
{
	Memd__ConfigReply *reply;
	struct answer a;
	bool is_found = false;

	client_send(admin, T(CONFIG), 80, NULL);
	client_receive(admin, T(CONFIG_REPLY), 80, &a);
	reply = answer_unpack(&a, &memd__config_reply__descriptor);
	for (size_t i = 0; i < reply->n_key; i++)
		if (strcmp(reply->key[i]->name, name) == 0) {
			assert_string_equal(reply->key[i]->value, value);
			if (waiting == NULL)
				assert_null(reply->key[i]->waiting_value);
			else
				assert_string_equal(
					reply->key[i]->waiting_value, waiting);
			is_found = true;
		}
	assert_true(is_found);
	memd__config_reply__free_unpacked(reply, NULL);
	answer_free(&a);
}

static void expect_setting(int admin, const char *name, const char *value)
{
	expect_waiting(admin, name, value, NULL);
}

/* With `part` in one of its reasons. */
static void expect_verdict(int admin, const char *verdict, const char *part)
{
	Memd__StatusReply *reply;
	struct answer a;
	bool is_said = part == NULL;

	client_send(admin, T(STATUS), 81, NULL);
	client_receive(admin, T(STATUS_REPLY), 81, &a);
	reply = answer_unpack(&a, &memd__status_reply__descriptor);
	assert_string_equal(reply->verdict, verdict);
	for (size_t i = 0; i < reply->n_reason && !is_said; i++)
		is_said = strstr(reply->reason[i], part) != NULL;
	assert_true(is_said);
	memd__status_reply__free_unpacked(reply, NULL);
	answer_free(&a);
}

static void reload_takes_over_what_may_change(void **state)
{
	struct testmemd tm;
	int admin;

	(void)state;
	write_conf("message_timeout = 20s\nqueue_depth = 64\n");
	start(&tm, conf_flag, NULL);
	admin = client_open(&tm, true, NULL);
	expect_setting(admin, "message_timeout", "20s");
	expect_setting(admin, "replacement", "lirs");
	write_conf("message_timeout = 30s\nqueue_depth = 32\n"
		   "replacement = two-hands\n");
	reload(&tm);
	expect_setting(admin, "message_timeout", "30s");
	expect_setting(admin, "replacement", "two-hands");
	expect_waiting(admin, "queue_depth", "64", "32");
	expect_verdict(admin, "warn", "wait for a restart: queue_depth;");
	assert_int_equal(testmemd_log_count(&tm, "needs_restart=\"queue_depth"
					    "\""), 1);
	assert_int_equal(testmemd_log_count(&tm, "changed=\"replacement "
					    "message_timeout\""), 1);
	/* A key that is gone from the file is at its default again. */
	write_conf("queue_depth = 64\n");
	reload(&tm);
	expect_setting(admin, "message_timeout", "10s");
	expect_setting(admin, "queue_depth", "64");
	expect_verdict(admin, "ok", NULL);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void wrong_reload_keeps_the_old(void **state)
{
	struct testmemd tm;
	int admin;

	(void)state;
	/* Where io_uring is forbidden, auto warns. */
	write_conf("message_timeout = 20s\nstore = sync\n");
	start(&tm, conf_flag, NULL);
	admin = client_open(&tm, true, NULL);
	expect_verdict(admin, "ok", NULL);
	write_conf("message_timeout = 30s\nstore = fast\n");
	reload(&tm);
	expect_setting(admin, "message_timeout", "20s");
	assert_int_equal(testmemd_log_count(&tm, "reload-refused"), 1);
	expect_verdict(admin, "warn", "store");
	assert_int_equal(testmemd_await(&tm, "STATUS=The last reload was "
					"refused: "), 0);
	write_conf("message_timeout = 40s\nstore = sync\n");
	reload(&tm);
	expect_setting(admin, "message_timeout", "40s");
	expect_verdict(admin, "ok", NULL);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* A FIFO would be waited for, and with it all programs. */
static void reload_waits_for_no_file(void **state)
{
	struct testmemd tm;
	int admin;

	(void)state;
	write_conf("message_timeout = 20s\nstore = sync\n");
	start(&tm, conf_flag, NULL);
	admin = client_open(&tm, true, NULL);
	for (unsigned i = 0; i < ODD_FILES; i++) {
		assert_int_equal(odd_file_put(i, conf), 0);
		reload(&tm);
		expect_setting(admin, "message_timeout", "20s");
		assert_int_equal(testmemd_log_count(&tm, "reload-refused"),
				 i + 1);
		expect_verdict(admin, "warn", odd_file_words[i]);
		expect_verdict(admin, "warn", conf);
		assert_int_equal(testmemd_log_count(&tm, odd_file_words[i]),
				 1);
	}
	assert_int_equal(remove(conf), 0);
	write_conf("message_timeout = 40s\nstore = sync\n");
	reload(&tm);
	expect_setting(admin, "message_timeout", "40s");
	expect_verdict(admin, "ok", NULL);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

static void limits_of_the_file_follow_a_reload(void **state)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;
	struct testmemd tm;
	int fd;

	(void)state;
	write_conf("session_mapped = 1M\n");
	start(&tm, conf_flag, NULL);
	fd = client_open(&tm, false, NULL);
	create.length_bytes = 2 << 20;
	create.has_attach = true;
	create.attach = true;
	client_send(fd, T(SEGMENT_CREATE), 2, &create.base);
	client_expect_error(fd, 2, EDQUOT, "1.0M");
	write_conf("session_mapped = 2M\n");
	reload(&tm);
	{
		uint32_t segment;

		close(client_map(fd, 2 << 20, 4096, &segment));
	}
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* ---- stopping */

static unsigned entries_in(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

/* memd has one swap file, which nobody finds, and nobody else may open. */
static void expect_hidden_file(const struct testmemd *tm)
{
	struct stat st;
	int file;

	assert_int_equal(testmemd_open_swap(tm, &file, 1), 1);
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_nlink, 0);
	assert_true(st.st_size >= 1 << 20);
	assert_true(st.st_blocks * 512 >= st.st_size);
	close(file);
}

static void stopping_tells_the_clients(void **state)
{
	struct testmemd tm;
	struct stat st;
	char path[96];
	uint32_t segment;
	int fd, data, status;
	unsigned entries;

	(void)state;
	start(&tm, NULL, NULL);
	snprintf(path, sizeof(path), "%s", tm.socket);
	entries = entries_in(tm.dir);
	assert_int_equal(testmemd_open_swap(&tm, NULL, 0), 0);
	fd = client_open(&tm, false, NULL);
	data = client_map(fd, 1 << 20, 4096, &segment);
	expect_hidden_file(&tm);
	assert_int_equal(entries_in(tm.dir), entries);
	client_send_fault(fd, 5, segment, 0);
	assert_int_equal(client_receive_fault(fd, 5, 0), 0);
	assert_int_equal(kill(tm.pid, SIGTERM), 0);
	client_expect_error(fd, 0, ESHUTDOWN, "stopping");
	client_expect_end(fd);
	assert_int_equal(testmemd_await(&tm, "STOPPING=1"), 0);
	assert_int_equal(waitpid(tm.pid, &status, 0), tm.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	tm.pid = 0;
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(entries_in(tm.dir), 1);	/* its log */
	testmemd_kill(&tm);
	close(data);
	close(fd);
}

/* Also while reads and writes are under way, and when told twice. */
static void stopping_in_the_middle_of_work_is_orderly(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		struct testmemd tm;
		uint32_t segment;
		int fd, data;

		start(&tm, "--pool-size=4M", "--session-faults=8192");
		fd = client_open(&tm, false, NULL);
		data = client_map(fd, 32 << 20, 4096, &segment);
		for (uint64_t page = 0; page < 4000; page++)
			client_send_fault(fd, 5 + page, segment, page * 2);
		if (i % 2 != 0)
			assert_int_equal(kill(tm.pid, SIGTERM), 0);
		assert_int_equal(testmemd_stop(&tm), 0);
		close(data);
		close(fd);
	}
}

/* Also while somebody waits for room that another one gives up: what he asked
 * for is not made any more, or nobody would take it down again. */
static void stopping_makes_nothing_that_was_waited_for(void **state)
{
	enum { ROUNDS = 12, OTHERS = 512, LENGTH = 56 << 20, STEP = 96 };
	static int others[OTHERS];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		Memd__SegmentDetach detach = MEMD__SEGMENT_DETACH__INIT;
		struct testmemd tm;
		int mine, waiting;

		start(&tm, "--uid-sessions=1024", "--readahead=0");
		mine = client_open_bare(&tm);
		/* To let go of them takes a while. */
		for (unsigned k = 0; k < OTHERS; k++)
			others[k] = client_open_bare(&tm);
		waiting = client_open_bare(&tm);
		close(client_map(mine, LENGTH, 4096, &detach.segment));
		for (uint64_t page = 0; page < 2 * STEP + i * STEP; page++) {
			client_send_fault(mine, 5, detach.segment, page);
			assert_int_equal(client_receive_fault(mine, 5, page),
					 0);
		}
		client_send(mine, T(SEGMENT_DETACH), 6, &detach.base);
		client_send_create(waiting, 7, "waited-for", LENGTH, 0600);
		assert_int_equal(testmemd_stop(&tm), 0);
		for (unsigned k = 0; k < OTHERS; k++)
			close(others[k]);
		close(mine);
		close(waiting);
	}
}

/* ---- swap files */

static void without_direct_io_it_works_and_warns(void **state)
{
	const char *const flags[] = { "--pool-size=4M", NULL };
	struct confined confined;
	struct testmemd tm;
	uint32_t segment;
	int admin, fd;

	(void)state;
	assert_int_equal(confined_start(&confined, CONFINED_NO_DIRECT, &tm,
					flags), 0);
	admin = client_open(&tm, true, NULL);
	expect_verdict(admin, "warn", "O_DIRECT");
	fd = client_open(&tm, false, NULL);
	close(client_map(fd, 32 << 20, 4096, &segment));
	for (uint64_t page = 0; page < 4096; page++) {
		client_send_fault(fd, 5, segment, page);
		assert_int_equal(client_receive_fault(fd, 5, page), 0);
	}
	close(fd);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
	confined_end(&confined);
}

/* ---- sockets */

static void two_do_not_fight_over_a_socket(void **state)
{
	static char output[4096];
	char socket_flag[128], swap_flag[128];
	const char *flags[] = { socket_flag, swap_flag, "--pool-size=4M",
				"--swap-size=8M", NULL };
	struct testmemd tm;
	int fd;

	(void)state;
	start(&tm, NULL, NULL);
	snprintf(socket_flag, sizeof(socket_flag), "--socket=%s", tm.socket);
	snprintf(swap_flag, sizeof(swap_flag), "--swap-dir=%s", tm.dir);
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "another memd is using it"));
	assert_null(strstr(output, "in the environment"));
	setenv("MEMD_SOCKET", tm.socket, 1);
	flags[0] = swap_flag;
	assert_int_equal(testmemd_run(flags, output, sizeof(output)), 1);
	unsetenv("MEMD_SOCKET");
	flags[0] = socket_flag;
	assert_non_null(strstr(output, " (from MEMD_SOCKET in the environment)"
			       ": another memd is using it"));
	/* The first one did not notice. */
	fd = client_open(&tm, false, NULL);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* Ask for pages, more than the pool has, and have each again. */
static void use_memory(const struct testmemd *tm, int fd, uint32_t segment)
{
	uint64_t pages = (20 << 20) / 4096;

	for (unsigned round = 0; round < 2; round++)
		for (uint64_t page = 0; page < pages; page++) {
			client_send_fault(fd, 5, segment, page);
			assert_int_equal(client_receive_fault(fd, 5, page), 0);
		}
	assert_true(testmemd_open_swap(tm, NULL, 0) > 0);
}

static void two_can_have_one_folder(void **state)
{
	struct testmemd one, two;
	char swap_flag[128];
	uint32_t segment[2];
	int fd[2];

	(void)state;
	start(&one, NULL, NULL);
	snprintf(swap_flag, sizeof(swap_flag), "--swap-dir=%s", one.dir);
	start(&two, swap_flag, NULL);
	fd[0] = client_open(&one, false, NULL);
	fd[1] = client_open(&two, false, NULL);
	close(client_map(fd[0], 32 << 20, 4096, &segment[0]));
	close(client_map(fd[1], 32 << 20, 4096, &segment[1]));
	use_memory(&one, fd[0], segment[0]);
	use_memory(&two, fd[1], segment[1]);
	close(fd[1]);
	assert_int_equal(testmemd_stop(&two), 0);
	use_memory(&one, fd[0], segment[0]);
	close(fd[0]);
	assert_int_equal(testmemd_stop(&one), 0);
}

static void what_a_killed_one_left_is_cleared(void **state)
{
	struct testmemd dead, tm;
	char socket_flag[128], swap_flag[128];
	uint32_t segment;
	struct stat st;
	unsigned entries;
	int fd, status;

	(void)state;
	start(&dead, NULL, NULL);
	entries = entries_in(dead.dir);
	fd = client_open(&dead, false, NULL);
	close(client_map(fd, 32 << 20, 4096, &segment));
	use_memory(&dead, fd, segment);
	assert_int_equal(kill(dead.pid, SIGKILL), 0);
	assert_int_equal(waitpid(dead.pid, &status, 0), dead.pid);
	dead.pid = 0;
	close(fd);
	assert_int_equal(stat(dead.socket, &st), 0);
	assert_int_equal(entries_in(dead.dir), entries);
	snprintf(socket_flag, sizeof(socket_flag), "--socket=%s", dead.socket);
	snprintf(swap_flag, sizeof(swap_flag), "--swap-dir=%s", dead.dir);
	start(&tm, socket_flag, swap_flag);
	close(client_open(&dead, false, NULL));
	assert_int_equal(testmemd_stop(&tm), 0);
	assert_int_equal(stat(dead.socket, &st), -1);
	testmemd_kill(&dead);
}

static void abstract_sockets_serve(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct testmemd tm;
	char flag[64];
	int fd, length;

	(void)state;
	length = snprintf(flag, sizeof(flag), "--socket=@memd-test-%d",
			  getpid()) - 9;
	start(&tm, flag, NULL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(sun.sun_path + 1, flag + 10, (size_t)length - 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun,
				 (socklen_t)(offsetof(struct sockaddr_un,
						      sun_path)) +
				 (socklen_t)length), 0);
	close(fd);
	assert_int_equal(testmemd_stop(&tm), 0);
}

/* As systemd does it: descriptor 3, and LISTEN_PID is the one who is told. */
static void exec_activated(int listener, const char *swap_flag)
{
	const char *memd = getenv("MEMD_BIN");
	char pid[16];

	if (memd == NULL)
		memd = MEMD_PATH;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (listener != 3)
		dup2(listener, 3);
	else
		(void)fcntl(3, F_SETFD, 0);
	execl(memd, memd, "--pool-size=4M", "--swap-size=8M",
	      "--log-level=error", swap_flag, NULL);
	_exit(127);
}

static void sockets_of_systemd_are_used_and_kept(void **state)
{
	struct testmemd place = { .pidfd = -1, .notify_fd = -1 };
	char dir[TEMPORARY_BYTES], swap_flag[96];
	struct stat st;
	int listener, status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(temporary_template("memd-test", dir)));
	snprintf(place.socket, sizeof(place.socket), "%s/sock", dir);
	snprintf(swap_flag, sizeof(swap_flag), "--swap-dir=%s", dir);
	listener = wire_peer_listen(place.socket);
	assert_true(listener >= 0);
	pid = fork();
	if (pid == 0)
		exec_activated(listener, swap_flag);
	close(client_open(&place, false, NULL));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* It is systemd's to remove. */
	assert_int_equal(stat(place.socket, &st), 0);
	close(listener);
	assert_int_equal(unlink(place.socket), 0);
	assert_int_equal(rmdir(dir), 0);
}

static int make_conf(void **state)
{
	int fd;

	(void)state;
	fd = mkstemp(temporary_template("memd-test-conf", conf));
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(conf_flag, sizeof(conf_flag), "--config=%s", conf);
	return 0;
}

static int remove_conf(void **state)
{
	(void)state;
	return unlink(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reload_takes_over_what_may_change),
		cmocka_unit_test(wrong_reload_keeps_the_old),
		cmocka_unit_test(reload_waits_for_no_file),
		cmocka_unit_test(limits_of_the_file_follow_a_reload),
		cmocka_unit_test(stopping_tells_the_clients),
		cmocka_unit_test(stopping_in_the_middle_of_work_is_orderly),
		cmocka_unit_test(stopping_makes_nothing_that_was_waited_for),
		cmocka_unit_test(without_direct_io_it_works_and_warns),
		cmocka_unit_test(two_do_not_fight_over_a_socket),
		cmocka_unit_test(two_can_have_one_folder),
		cmocka_unit_test(what_a_killed_one_left_is_cleared),
		cmocka_unit_test(abstract_sockets_serve),
		cmocka_unit_test(sockets_of_systemd_are_used_and_kept),
	};

	return cmocka_run_group_tests(tests, make_conf, remove_conf);
}
