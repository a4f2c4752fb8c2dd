/* SPDX-License-Identifier: MIT */
/* Proves what is special to the store with threads: its workers take none of
 * the program's signals, fewer of them do, too, and the constructor's failures
 * leave no thread and no descriptor behind. */
#include "tests/skip.h"
#include "tests/store/storetest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	SLOTS = SWAP_FILE_SLOTS,
	THREADS = 5,
	NOBODY = 65534,
	USER_ALONE = 1894236117,	/* has no other process */
	NOT_ROOT = 99,
};

static int open_medium(void)
{
	int fd = memfd_create("memd-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)SLOTS * SWAP_SLOT_BYTES), 0);
	return fd;
}

static int lowest_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void test_arguments(void **state)
{
	struct swapstore *st = NULL;

	(void)state;
	assert_int_equal(store_sync_create(0, 1, &st), -EINVAL);
	assert_int_equal(store_sync_create(SLOTS, 0, &st), -EINVAL);
	assert_int_equal(store_sync_create(SLOTS, 65, &st), -EINVAL);
	assert_null(st);
}

/* The set of blocked signals of one of our threads, from its status file. */
static uint64_t blocked_signals(const char *tid)
{
	char path[300], line[256];
	uint64_t blocked = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "SigBlk:", 7) == 0)
			blocked = strtoull(line + 7, NULL, 16);
	fclose(file);
	return blocked;
}

static bool is_worker(const char *tid)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	file = fopen(path, "re");
	assert_non_null(file);
	if (fgets(name, sizeof(name), file) == NULL)
		name[0] = '\0';
	fclose(file);
	return strcmp(name, "memd-swap\n") == 0;
}

static void test_workers_block_signals(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1,
				       SIGCHLD, SIGPIPE, SIGALRM, SIGXFSZ };
	struct swapstore *st;
	sigset_t before, after;
	DIR *dir;
	const struct dirent *entry;
	unsigned workers = 0;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(store_sync_create(SLOTS, THREADS, &st), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < NSIG; sig++)
		assert_int_equal(sigismember(&before, sig),
				 sigismember(&after, sig));

	dir = opendir("/proc/self/task");
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		uint64_t blocked;

		if (entry->d_name[0] == '.' || !is_worker(entry->d_name))
			continue;
		workers++;
		blocked = blocked_signals(entry->d_name);
		for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
			assert_true(blocked >> (signals[i] - 1) & 1);
	}
	closedir(dir);
	assert_int_equal(workers, THREADS);
	swapstore_destroy(st);
}

static int create_without_threads(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct swapstore *st = NULL;
	int before = lowest_descriptor();

	(void)arg;
	/* The limit does not bind root. */
	if (setrlimit(RLIMIT_NPROC, &none) != 0 ||
	    (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0))
		return 1;
	if (store_sync_create(SLOTS, THREADS, &st) != -EAGAIN)
		return 2;
	return st == NULL && lowest_descriptor() == before ? 0 : 3;
}

static void test_no_threads_to_be_had(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(create_without_threads, NULL), 0);
}

/* Room for one: the worker counts as the process does. */
static int create_with_few_threads(void *arg)
{
	struct rlimit few = { 3, 3 };
	struct swapstore *st = NULL;
	char *buffer = buffer_create(SWAP_SLOT_BYTES);
	int result = 0;

	(void)arg;
	if (setrlimit(RLIMIT_NPROC, &few) != 0 ||
	    setresuid(USER_ALONE, USER_ALONE, USER_ALONE) != 0)
		return NOT_ROOT;
	if (store_sync_create(SLOTS, THREADS, &st) != 0 ||
	    swapstore_add_file(st, 0, SLOTS, open_medium()) != 0)
		return 2;
	if (store_sync_threads(st) == 0 || store_sync_threads(st) >= THREADS)
		result = 3;
	pattern_fill(buffer, 0, 1, 1);
	if (store_do(st, true, 0, 1, buffer) != 0)
		result = 4;
	swapstore_destroy(st);
	return result;
}

static void test_few_threads_do(void **state)
{
	int result;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_case("ThreadSanitizer's own thread counts, too");
#endif
	result = run_in_child(create_with_few_threads, NULL);
	if (result == NOT_ROOT)
		skip_case("may not be another user");
	assert_int_equal(result, 0);
}

/* It needs two. */
static int create_with_few_descriptors(void *arg)
{
	struct swapstore *st = NULL;
	int before = lowest_descriptor();

	(void)arg;
	for (int room = 1; room >= 0; room--) {
		struct rlimit few = { (rlim_t)(before + room),
				      (rlim_t)(before + room) };

		if (setrlimit(RLIMIT_NOFILE, &few) != 0)
			return 1;
		if (store_sync_create(SLOTS, 1, &st) != -EMFILE || st != NULL)
			return 2;
		if (room != 0 && lowest_descriptor() != before)
			return 3;
	}
	return 0;
}

static void test_no_descriptors_to_be_had(void **state)
{
	(void)state;
	assert_int_equal(run_in_child(create_with_few_descriptors, NULL), 0);
}

int main(void)
{
	/* The test that forks into a child without threads goes first: some
	 * sanitizers want no threads made after a fork of many. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_no_threads_to_be_had),
		cmocka_unit_test(test_few_threads_do),
		cmocka_unit_test(test_no_descriptors_to_be_had),
		cmocka_unit_test(test_workers_block_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
