/* SPDX-License-Identifier: MIT */
/* Proves that another host that reads its pages without a pause keeps nobody
 * waiting: a program's faults are answered among its reads, and not after as
 * many of them as there are. */
#include "tests/integration/store_client.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	SLOTS = 8192, AT_ONCE = 64,
	FAULTS = 200,
	/* A turn of memd is less than ten; the rest is for a test that gets
	 * no processor.  Without looking up it was five hundred. */
	READS_PER_FAULT_MAX = 150,
	PATIENCE_S = 120,
};

static void *discard_all(void *arg)
{
	const int *fd = arg;

	while (recv(*fd, NULL, 1 << 22, MSG_TRUNC) > 0)
		;
	_exit(EXIT_SUCCESS);
}

static _Noreturn void flood(const struct testmemd *tm)
{
	uint8_t *bytes = calloc(STORE_REQUEST_SLOTS, SLOT_BYTES);
	int fd = store_session(tm);
	pthread_t thread;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (bytes == NULL || store_open(fd, SLOTS, NULL, NULL) != 0)
		_exit(EXIT_FAILURE);
	for (uint32_t slot = 0; slot < SLOTS; slot += STORE_REQUEST_SLOTS)
		store_write(fd, slot, STORE_REQUEST_SLOTS, bytes);
	if (pthread_create(&thread, NULL, discard_all, &fd) != 0)
		_exit(EXIT_FAILURE);
	for (uint64_t i = 1;; i++)
		store_send_read(fd, i, (uint32_t)(i * AT_ONCE % SLOTS),
				AT_ONCE);
}

static void faults_are_answered_among_reads(void **state)
{
	struct testmemd tm;
	uint64_t reads;
	uint32_t segment;
	int fd, data, admin;
	pid_t pid;

	(void)state;
	alarm(PATIENCE_S);	/* what is never answered ends here */
	store_start(&tm, "--pool-size=64M");
	admin = client_open(&tm, true, NULL);
	fd = client_open(&tm, false, NULL);
	data = client_map(fd, 1 << 20, 4096, &segment);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		flood(&tm);
	while (client_counter(admin, "guest_reads") < READS_PER_FAULT_MAX)
		usleep(1000);
	reads = client_counter(admin, "guest_reads");
	/* And until it has had a turn at all. */
	for (uint64_t i = 1; i <= FAULTS ||
	     client_counter(admin, "guest_reads") == reads; i++) {
		client_send_fault(fd, i, segment, i % FAULTS);
		assert_int_equal(client_receive_fault(fd, i, i % FAULTS), 0);
	}
	reads = client_counter(admin, "guest_reads") - reads;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	print_message("%llu reads during %d faults\n",
		      (unsigned long long)reads, FAULTS);
	assert_true(reads > 0);
	assert_true(reads < (uint64_t)FAULTS * READS_PER_FAULT_MAX);
	close(data);
	close(fd);
	close(admin);
	assert_int_equal(testmemd_stop(&tm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_answered_among_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
