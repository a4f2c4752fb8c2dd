/* SPDX-License-Identifier: MIT */
/* The library as a guest in somebody's process.  Proves that it closes no
 * descriptor but its own, whoever has used their numbers meanwhile, and keeps
 * none of the program's; that none of its own is 0, 1 or 2; and that the child
 * of a fork has nothing of it, also one that is made while other threads open,
 * map and fault; that its threads run anywhere, whoever has started them; and
 * that it waits where too many connect at once. */
#include "tests/integration/client_helpers.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

static struct fake fake;

/* ---- descriptors */

enum { FDS = 64 };

/* What each descriptor is of; 0: nothing. */
static void note_descriptors(ino_t inode[FDS])
{
	struct stat st;

	for (int fd = 0; fd < FDS; fd++)
		inode[fd] = fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;
	ino_t inode[FDS];

	note_descriptors(inode);
	for (int fd = 0; fd < FDS; fd++)
		count += inode[fd] != 0;
	return count;
}

static uint8_t *use(struct memclient *mc)
{
	uint8_t *p = map(mc, 8 * 4096, 0, MEMCLIENT_FAULT_INLINE);

	fill(p, 8 * 4096);
	fake_evict(&fake);
	verify(p, 8 * 4096);
	return p;
}

/* The numbers of the first connection go to a second one, and more. */
static void numbers_are_used_again(void)
{
	struct memclient *first = open_client(&fake, 20000), *second;
	ino_t before[FDS], after[FDS];
	uint8_t *p;

	(void)use(first);
	for (int fd = STDERR_FILENO + 1; fd < FDS; fd++)
		if (fd != fake.wake_fd)
			close(fd);
	second = open_client(&fake, 20000);
	p = use(second);
	for (int fd = 0; fd < FDS / 2; fd++)
		(void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
	note_descriptors(before);
	memclient_close(first);
	note_descriptors(after);
	REQUIRE(memcmp(before, after, sizeof(before)) == 0);
	verify(p, 8 * 4096);
	memclient_close(second);
}

static void only_its_own_are_closed(void **state)
{
	(void)state;
	in_child(numbers_are_used_again);
}

static void open_without_standard(void)
{
	struct memclient *mc;
	uint8_t *p;

	REQUIRE(fake.wake_fd > STDERR_FILENO);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	mc = open_client(&fake, 20000);
	p = use(mc);
	REQUIRE(fcntl(STDIN_FILENO, F_GETFD) < 0);
	REQUIRE(fcntl(STDOUT_FILENO, F_GETFD) < 0);
	REQUIRE(count_descriptors() > 1);
	verify(p, 8 * 4096);
	memclient_close(mc);
}

static void none_is_a_standard_one(void **state)
{
	(void)state;
	in_child(open_without_standard);
}

/* ---- forks */

static unsigned before_opening;		/* descriptors */
static struct memclient *parents;
static uint8_t *parents_page;

static void look_for_handles(void)
{
	void *p;

	REQUIRE(count_descriptors() == before_opening);
	REQUIRE(memclient_map(parents, 4096, NULL, &p) == -EPERM);
	memclient_close(parents);
	REQUIRE(count_descriptors() == before_opening);
	parents = open_client(&fake, 20000);
	(void)use(parents);
	memclient_close(parents);
	REQUIRE(count_descriptors() == before_opening);
}

static void forks_once(void)
{
	int status;
	pid_t pid;

	before_opening = count_descriptors();
	parents = open_client(&fake, 20000);
	parents_page = use(parents);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		alarm(60);
		look_for_handles();
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fake_evict(&fake);
	verify(parents_page, 8 * 4096);
	memclient_close(parents);
}

/* clone(2) runs no handlers of a fork: the first call does what they do. */
static void forks_by_clone(void)
{
	int status;
	pid_t pid;
	void *p;

	before_opening = count_descriptors();
	parents = open_client(&fake, 20000);
	parents_page = use(parents);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	REQUIRE(pid >= 0);
	if (pid == 0) {
		REQUIRE(memclient_map(parents, 4096, NULL, &p) == -EPERM);
		REQUIRE(count_descriptors() == before_opening);
		memclient_close(parents);
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fake_evict(&fake);
	verify(parents_page, 8 * 4096);
	memclient_close(parents);
}

static void a_child_has_no_handles(void **state)
{
	(void)state;
	in_child(forks_once);
}

static void a_clone_drops_handles(void **state)
{
	(void)state;
	in_child(forks_by_clone);
}

static void spawns(void)
{
	char *argv[] = { "true", NULL }, *envp[] = { NULL };
	int status;
	pid_t pid;

	parents = open_client(&fake, 20000);
	parents_page = use(parents);
	REQUIRE(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp) == 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fake_evict(&fake);
	verify(parents_page, 8 * 4096);
	REQUIRE(count_descriptors() > before_opening);
	memclient_close(parents);
}

/* Who spawns keeps all. */
static void spawning_does_no_harm(void **state)
{
	(void)state;
	before_opening = count_descriptors();
	in_child(spawns);
}

enum { FORKS = 400, MAPPERS = 3 };

static void *map_and_unmap(void *arg)
{
	struct memclient *mc = arg;

	for (;;) {
		struct memclient *own = open_client(&fake, 20000);
		uint8_t *p = map(mc, 4096, 0, MEMCLIENT_FAULT_INLINE);

		*p = 1;
		REQUIRE(memclient_unmap(mc, p) == 0);
		p = map(own, 4096, 0, MEMCLIENT_FAULT_INLINE);
		*p = 1;		/* fetches the bell */
		memclient_close(own);
	}
	return NULL;
}

static void be_born(void)
{
	struct memclient *mc;

	alarm(20);
	REQUIRE(count_descriptors() == before_opening);
	mc = open_client(&fake, 20000);
	*map(mc, 4096, 0, MEMCLIENT_FAULT_INLINE) = 1;
	memclient_close(mc);
	_exit(0);
}

static void fork_much(void)
{
	struct memclient *mc;
	pthread_t thread;

	before_opening = count_descriptors();
	mc = open_client(&fake, 20000);
	for (unsigned i = 0; i < MAPPERS; i++)
		REQUIRE(pthread_create(&thread, NULL, map_and_unmap, mc) == 0);
	for (unsigned i = 0; i < FORKS; i++) {
		pid_t pid = fork();
		int status;

		REQUIRE(pid >= 0);
		if (pid == 0)
			be_born();
		REQUIRE(waitpid(pid, &status, 0) == pid);
		REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	_exit(0);
}

static void children_live_whatever_others_do(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip_case("a child may inherit AddressSanitizer's own locks, taken");
#endif
	in_child(fork_much);
}

/* In place of the C library's: a fork begins while this thread fetches the
 * bell. */
static _Thread_local volatile bool is_watched;
static atomic_bool has_fetched;

long syscall(long number, ...)
{
	static const struct timespec rest = { .tv_nsec = 300000000 };
	long (*real)(long number, ...) = dlsym(RTLD_NEXT, "syscall");
	va_list args;
	long arg[6], result;

	va_start(args, number);
	for (size_t i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	result = real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	if (is_watched && number == SYS_recvmsg && result > 0) {
		atomic_store(&has_fetched, true);
		nanosleep(&rest, NULL);
	}
	return result;
}

/* Until the mailbox has come, other ways are gone. */
static void *fetch_bell(void *arg)
{
	uint8_t *p = arg;

	is_watched = true;
	for (size_t i = 0; !atomic_load(&has_fetched); i++) {
		p[i * 4096] = 1;
		usleep(1000);
	}
	is_watched = false;
	return NULL;
}

/* The fork waits, or the child would have a descriptor that the library does
 * not know of yet, which then is its parent's bell. */
static void fork_beside_a_fetch(void)
{
	pthread_t thread;
	int status;
	pid_t pid;

	before_opening = count_descriptors();
	parents = open_client(&fake, 20000);
	parents_page = map(parents, 1024 * 4096, 0, MEMCLIENT_FAULT_INLINE);
	REQUIRE(pthread_create(&thread, NULL, fetch_bell, parents_page) == 0);
	while (!atomic_load(&has_fetched))
		sched_yield();
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		REQUIRE(count_descriptors() == before_opening);
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(*parents_page == 1);
	memclient_close(parents);
}

static void a_child_has_no_bell_half_fetched(void **state)
{
	(void)state;
	in_child(fork_beside_a_fetch);
}

/* ---- the library's table */

enum { PIPES = 12 };

/* Whatever numbers the library's descriptors get between them. */
static void close_pipes(void)
{
	struct memclient *mc;
	int pipes[PIPES][2];
	char byte;

	for (unsigned i = 0; i < PIPES; i++)
		REQUIRE(pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK) == 0);
	for (unsigned i = 1; i < PIPES; i += 4) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	close(pipes[3][0]);
	mc = open_client(&fake, 20000);
	(void)use(mc);
	for (unsigned i = 0; i < PIPES; i += 4) {
		close(pipes[i][1]);
		REQUIRE(read(pipes[i][0], &byte, 1) == 0);
	}
	memclient_close(mc);
}

/* What the program closes does not stay open there. */
static void closed_pipes_end(void **state)
{
	(void)state;
	in_child(close_pipes);
}

/* ---- a daemon to which many connect */

/* It listens, its queue is full, and it takes nobody for a while; then it takes
 * some, hangs up on them as memd does where too many come, and is gone. */
struct crowded {
	int listener, first;
	char address[64];
};

static void listen_crowded(struct crowded *cr)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(sa_family_t);

	cr->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(cr->listener >= 0);
	/* The kernel chooses a name. */
	REQUIRE(bind(cr->listener, (struct sockaddr *)&sun, length) == 0);
	length = sizeof(sun);
	REQUIRE(getsockname(cr->listener, (struct sockaddr *)&sun,
			    &length) == 0);
	snprintf(cr->address, sizeof(cr->address), "@%.*s",
		 (int)(length - sizeof(sa_family_t) - 1), sun.sun_path + 1);
	REQUIRE(listen(cr->listener, 0) == 0);
	cr->first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connect(cr->first, (struct sockaddr *)&sun, length) == 0);
}

static void *take_all(void *arg)
{
	struct crowded *cr = arg;

	usleep(200000);
	/* The one that was first, the one that waited, and when it comes
	 * again. */
	for (unsigned i = 0; i < 3; i++)
		close(accept4(cr->listener, NULL, NULL, SOCK_CLOEXEC));
	close(cr->listener);
	return NULL;
}

static void opening_waits_for_room(void **state)
{
	struct memclient *mc;
	struct crowded cr;
	pthread_t thread;

	(void)state;
	listen_crowded(&cr);
	assert_int_equal(pthread_create(&thread, NULL, take_all, &cr), 0);
	/* Once nobody listens any more. */
	assert_int_equal(memclient_open(cr.address, NULL, &mc), -ECONNREFUSED);
	pthread_join(thread, NULL);
	close(cr.first);
}

/* But not for ever. */
static void opening_waits_only_so_long(void **state)
{
	struct memclient_options o = { .size = sizeof(o), .timeout_ms = 300 };
	struct memclient *mc;
	struct crowded cr;

	(void)state;
	listen_crowded(&cr);
	assert_int_equal(memclient_open(cr.address, &o, &mc), -EAGAIN);
	close(cr.first);
	close(cr.listener);
}

/* ---- the library's thread */

/* The threads of this name, of which there must be one. */
static pid_t find_thread(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t found = 0;

	REQUIRE(tasks != NULL);
	while ((entry = readdir(tasks)) != NULL) {
		char path[64], is[32] = "";
		FILE *comm;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm",
			 entry->d_name);
		comm = fopen(path, "re");
		if (comm == NULL)
			continue;
		REQUIRE(fgets(is, sizeof(is), comm) != NULL);
		fclose(comm);
		is[strcspn(is, "\n")] = '\0';
		if (strcmp(is, name) == 0)
			found = (pid_t)atoi(entry->d_name);
	}
	closedir(tasks);
	return found;
}

static void check_thread(const char *name, const cpu_set_t *widest)
{
	pid_t tid = find_thread(name);
	cpu_set_t set;

	REQUIRE(tid > 0);
	REQUIRE(sched_getscheduler(tid) == SCHED_OTHER);
	REQUIRE(sched_getaffinity(tid, sizeof(set), &set) == 0);
	REQUIRE(CPU_COUNT(&set) >= CPU_COUNT(widest));
	if (geteuid() == 0)
		REQUIRE(getpriority(PRIO_PROCESS, (id_t)tid) == 0);
}

static void open_confined(void)
{
	const struct sched_param realtime = { .sched_priority = 1 };
	const char *embedded = "embedded:pool_size=8M,swap_size=16M";
	struct memclient *mc;
	cpu_set_t widest, one;

	REQUIRE(sched_getaffinity(0, sizeof(widest), &widest) == 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
	REQUIRE(setpriority(PRIO_PROCESS, 0, 5) == 0);
	/* Where that is allowed; else the rest still counts. */
	(void)sched_setscheduler(0, SCHED_FIFO, &realtime);
	mc = open_client(&fake, 20000);
	check_thread("memclient", &widest);
	memclient_close(mc);
	REQUIRE(memclient_open(embedded, NULL, &mc) == 0);
	check_thread("memclient", &widest);
	check_thread("memd-engine", &widest);
	memclient_close(mc);
	/* The program's own is as it was. */
	REQUIRE(sched_getaffinity(0, sizeof(widest), &widest) == 0);
	REQUIRE(CPU_EQUAL(&widest, &one));
}

static void its_thread_runs_anywhere(void **state)
{
	(void)state;
	in_child(open_confined);
}

/* ---- main */

#define TEST(body) CLIENT_TEST(&fake, body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_its_own_are_closed),
		TEST(none_is_a_standard_one),
		TEST(a_child_has_no_handles),
		TEST(a_clone_drops_handles),
		TEST(spawning_does_no_harm),
		TEST(children_live_whatever_others_do),
		TEST(a_child_has_no_bell_half_fetched),
		TEST(closed_pipes_end),
		TEST(its_thread_runs_anywhere),
		TEST(opening_waits_for_room),
		TEST(opening_waits_only_so_long),
	};
	int failed;

	fake_start(&fake);
	fake.control->mailbox = FAKE_MAILBOX_GOOD;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop(&fake);
	return failed;
}
