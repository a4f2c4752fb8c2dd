/* SPDX-License-Identifier: MIT */
/* Proves, through the protocol alone, what memd promises of the bell of a
 * mailbox: it comes to who has asked for it and to nobody else; a byte in it
 * wakes memd as Ring does; who loses it, or breaks it, goes on by Ring; and
 * whatever is done with it (bytes without end, descriptors, a write that never
 * ends) costs others nothing, and leaves nothing behind. */
#include "tests/integration/mailbox_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/skip.h"

enum { MIB = 1 << 20, PAGES = MIB / 4096, ROUNDS = 300 };
enum { MOMENT_US = 100, MOMENTS_MAX = 600000 };

static struct testmemd memd;
static int admin = -1;

static struct mailbox_client open_one(void)
{
	return mailbox_client_open(&memd, MIB);
}

static void close_one(struct mailbox_client *mc)
{
	mailbox_client_close(mc);
	client_await_counter(admin, "mailboxes", 0);
	client_await_counter(admin, "committed_units", 0);
}

/* Ask for a page, and ring only if memd sleeps; by the bell or a message. */
static void fault(const struct mailbox_client *mc, uint64_t page,
		  void ring(const struct mailbox_client *mc))
{
	unsigned cell = (unsigned)(page % MAILBOX_CELLS);

	mailbox_client_ask_page(mc, cell, page + 1, page);
	if (atomic_exchange(&mc->box->daemon_sleeps, 0) != 0)
		ring(mc);
	assert_int_equal(mailbox_client_take_page(mc, cell, page + 1, page),
			 0);
}

static void await_sleep(const struct mailbox_client *mc)
{
	for (unsigned i = 0; atomic_load(&mc->box->daemon_sleeps) == 0; i++) {
		if (i == MOMENTS_MAX)
			fail_msg("memd does not go to sleep");
		usleep(MOMENT_US);
	}
}

/* ---- getting and ringing it */

static void who_does_not_ask_gets_none(void **state)
{
	int fd = client_open(&memd, false, NULL);
	Memd__MailboxReply *reply;
	struct answer a;

	(void)state;
	client_send(fd, T(MAILBOX), 6, NULL);
	client_receive(fd, T(MAILBOX_REPLY), 6, &a);
	reply = answer_unpack(&a, &memd__mailbox_reply__descriptor);
	assert_false(reply->bell);
	assert_true(a.fd >= 0);
	assert_int_equal(a.bell, -1);
	memd__mailbox_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	close(fd);
}

/* Each time memd sleeps; it is woken by nothing else. */
static void a_byte_is_a_ring(void **state)
{
	struct mailbox_client mc = open_one();
	uint64_t rings = client_counter(admin, "mailbox_rings");
	uint64_t bells = client_counter(admin, "bells_rung");

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		await_sleep(&mc);
		fault(&mc, i % PAGES, mailbox_client_strike);
	}
	assert_int_equal(client_counter(admin, "bells_rung") - bells, ROUNDS);
	assert_int_equal(client_counter(admin, "mailbox_rings") - rings,
			 ROUNDS);
	close_one(&mc);
}

/* ---- losing it */

static void go_on_by_messages(struct mailbox_client *mc)
{
	uint64_t bells = client_counter(admin, "bells_rung");

	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Which it does not where it still listens. */
		await_sleep(mc);
		fault(mc, i % PAGES, mailbox_client_ring);
	}
	assert_int_equal(client_counter(admin, "bells_rung"), bells);
	close_one(mc);
}

static void the_session_outlives_it(void **state)
{
	struct mailbox_client mc = open_one();

	(void)state;
	fault(&mc, 1, mailbox_client_strike);
	close(mc.bell);
	mc.bell = open("/dev/null", O_RDONLY | O_CLOEXEC);
	go_on_by_messages(&mc);
	mc = open_one();
	fault(&mc, 1, mailbox_client_strike);
	assert_int_equal(shutdown(mc.bell, SHUT_WR), 0);
	go_on_by_messages(&mc);
	/* memd says nothing there, and does not mind. */
	mc = open_one();
	assert_int_equal(shutdown(mc.bell, SHUT_RD), 0);
	fault(&mc, 1, mailbox_client_strike);
	await_sleep(&mc);
	fault(&mc, 2, mailbox_client_strike);
	close_one(&mc);
}

static void it_ends_with_its_session(void **state)
{
	struct mailbox_client mc = open_one();
	int bell = dup(mc.bell);
	char byte;

	(void)state;
	fault(&mc, 1, mailbox_client_strike);
	close_one(&mc);
	assert_int_equal(recv(bell, &byte, 1, 0), 0);
	assert_int_equal(send(bell, "", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	close(bell);
}

/* ---- abuse */

static void strike_full(const struct mailbox_client *mc)
{
	while (send(mc->bell, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
		;
	assert_int_equal(errno, EAGAIN);
}

/* A process that keeps the bell full, as fast as that goes. */
static pid_t flood(const struct mailbox_client *mc)
{
	uint8_t bytes[4096] = { 0 };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)!send(mc->bell, bytes, sizeof(bytes),
				    MSG_NOSIGNAL);
	}
	return pid;
}

static void end_process(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Who finds no room for his byte need not ring. */
static void a_full_bell_is_rung(void **state)
{
	struct mailbox_client mc = open_one();

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned cell = i % MAILBOX_CELLS;

		assert_int_equal(kill(memd.pid, SIGSTOP), 0);
		strike_full(&mc);
		mailbox_client_ask_page(&mc, cell, i + 1, i % PAGES);
		assert_int_equal(kill(memd.pid, SIGCONT), 0);
		assert_int_equal(mailbox_client_take_page(&mc, cell, i + 1,
							  i % PAGES), 0);
	}
	close_one(&mc);
}

/* memd also goes on to what it does when nothing else is to be done, as putting
 * mailboxes to sleep. */
static void a_flood_delays_nobody(void **state)
{
	struct mailbox_client wild = open_one(), honest = open_one();
	pid_t pid = flood(&wild);

	(void)state;
	for (unsigned i = 0; i < 10 * ROUNDS; i++) {
		if (i % 10 == 0)
			await_sleep(&honest);
		fault(&honest, i % PAGES, mailbox_client_strike);
		fault(&wild, i % PAGES, mailbox_client_strike);
	}
	end_process(pid);
	mailbox_client_close(&wild);
	close_one(&honest);
}

/* While memd is awake it need not be rung, and does not hear it for long.  (Now
 * and then it goes to sleep unseen.) */
static void needless_rings_are_not_heard(void **state)
{
	enum { STRIKES = 30 * ROUNDS, PER_SLEEP = 20 };
	struct mailbox_client mc = open_one();
	uint64_t bells = client_counter(admin, "bells_rung");
	uint64_t sleeps = 1 + STRIKES / 100;

	(void)state;
	for (unsigned i = 0; i < STRIKES; i++) {
		sleeps += atomic_load(&mc.box->daemon_sleeps);
		mailbox_client_strike(&mc);
		fault(&mc, i % PAGES, mailbox_client_strike);
	}
	bells = client_counter(admin, "bells_rung") - bells;
	print_message("information: rung %llu times, %u bytes\n",
		      (unsigned long long)bells, STRIKES);
	assert_true(bells <= sleeps * PER_SLEEP);
	close_one(&mc);
}

/* A closed one would be heard of for ever. */
static void many_are_left_in_all_states(void **state)
{
	enum { MANY = 40 };
	struct mailbox_client mc[MANY];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		mc[i] = open_one();
		if (i % 4 == 0)
			strike_full(&mc[i]);
		else if (i % 4 == 1)
			assert_int_equal(shutdown(mc[i].bell, SHUT_RDWR), 0);
		else if (i % 4 == 2)
			fault(&mc[i], 1, mailbox_client_strike);
	}
	for (unsigned i = 0; i < MANY; i++) {
		/* Else memd keeps the userfaultfds, as this process lives. */
		client_send(mc[i].fd, T(GOODBYE), 0, NULL);
		mailbox_client_close(&mc[i]);
	}
	client_await_counter(admin, "mailboxes", 0);
	client_await_counter(admin, "committed_units", 0);
}

/* The kernel refuses them, or closes them when memd reads the bell. */
static void descriptors_do_not_come_in(void **state)
{
	struct mailbox_client mc = open_one();
	int fds[2] = { mc.file, mc.data };

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++)
		(void)!wire_peer_send_fds(mc.bell, "", 1, fds, 2);
	for (unsigned i = 0; i < ROUNDS; i++)
		fault(&mc, i % PAGES, mailbox_client_strike);
	close_one(&mc);
}

/* A page that nobody brings; the kernel, too, waits for it.  NULL: that is not
 * allowed here. */
static uint8_t *map_trap(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	uint8_t *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	r.range.start = (uintptr_t)at;
	r.range.len = 4096;
	return at != MAP_FAILED && uffd >= 0 &&
	       ioctl(uffd, UFFDIO_API, &api) == 0 &&
	       ioctl(uffd, UFFDIO_REGISTER, &r) == 0 ? at : NULL;
}

/* A process that writes to the bell from there.  0: it cannot. */
static pid_t write_without_end(const struct mailbox_client *mc)
{
	char path[64], line[256] = "";
	bool is_writing = false;
	pid_t pid = fork();
	uint8_t *trap;

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		trap = map_trap();
		if (trap != NULL)
			(void)!send(mc->bell, trap, 1, MSG_NOSIGNAL);
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/wchan", (int)pid);
	while (!is_writing && waitpid(pid, NULL, WNOHANG) == 0) {
		FILE *f = fopen(path, "re");

		if (f != NULL && fgets(line, sizeof(line), f) != NULL)
			is_writing = strstr(line, "userfault") != NULL;
		if (f != NULL)
			fclose(f);
		usleep(1000);
	}
	return is_writing ? pid : 0;
}

/* Were the bell a pipe, its lock would be held now. */
static void a_write_without_end_stops_nobody(void **state)
{
	struct mailbox_client mc = open_one();
	pid_t pid = write_without_end(&mc);

	(void)state;
	if (pid == 0) {
		mailbox_client_close(&mc);
		skip_case("no userfaultfd for the kernel's accesses");
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		await_sleep(&mc);
		fault(&mc, i % PAGES, mailbox_client_strike);
	}
	end_process(pid);
	close_one(&mc);
}

/* ---- nothing is left */

static unsigned count_memds_descriptors(void)
{
	unsigned count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)memd.pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void memd_has_no_descriptor_more(void **state)
{
	unsigned before;

	many_are_left_in_all_states(state);
	before = count_memds_descriptors();
	for (unsigned i = 0; i < 3; i++)
		many_are_left_in_all_states(state);
	/* The keeper closes copies in its own time. */
	for (unsigned i = 0; count_memds_descriptors() > before; i++) {
		assert_true(i < MOMENTS_MAX);
		usleep(MOMENT_US);
	}
}

static int begin(const char *busy_poll)
{
	const char *flags[] = { "--store=mem", busy_poll,
				"--log-level=warning", NULL };

	if (testmemd_start(&memd, flags) != 0)
		return -1;
	admin = client_open(&memd, true, NULL);
	return 0;
}

static int begin_sleepy(void **state)
{
	(void)state;
	return begin("--busy-poll=0");
}

static int begin_wakeful(void **state)
{
	(void)state;
	return begin("--busy-poll=10000");
}

static int end(void **state)
{
	(void)state;
	close(admin);
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_ask_gets_none),
		cmocka_unit_test(a_byte_is_a_ring),
		cmocka_unit_test(the_session_outlives_it),
		cmocka_unit_test(it_ends_with_its_session),
		cmocka_unit_test(a_full_bell_is_rung),
		cmocka_unit_test(a_flood_delays_nobody),
		cmocka_unit_test(many_are_left_in_all_states),
		cmocka_unit_test(descriptors_do_not_come_in),
		cmocka_unit_test(a_write_without_end_stops_nobody),
		cmocka_unit_test(memd_has_no_descriptor_more),
	};
	const struct CMUnitTest wakeful[] = {
		cmocka_unit_test(needless_rings_are_not_heard),
		cmocka_unit_test(a_flood_delays_nobody),
		cmocka_unit_test(a_full_bell_is_rung),
	};
	int failed = cmocka_run_group_tests_name("busy_poll = 0", tests,
						 begin_sleepy, end);

	return failed + cmocka_run_group_tests_name("busy_poll = 10 ms",
						    wakeful, begin_wakeful,
						    end);
}
