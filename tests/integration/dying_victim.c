/* SPDX-License-Identifier: MIT */
#include "tests/integration/dying_victim.h"

#include "common/checks.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORDS = DYING_PAGE_BYTES / sizeof(uint64_t),
	MUTEX_WORDS = 16,
	TOUCHERS = 12,
	STACK_BYTES = 64 * 1024,
};

const char *dying_way_name(enum dying_way way)
{
	static const char *const names[DYING_WAYS] = {
		[DYING_KILL_IDLE] = "killed with a robust mutex",
		[DYING_KILL_BUSY] = "killed in faults",
		[DYING_EXIT] = "exit",
		[DYING_EXEC] = "exec",
		[DYING_DUMP] = "core dump",
		[DYING_OOM] = "out of memory",
		[DYING_THREAD_FIRST] = "the library's thread first",
		[DYING_SURVIVED] = "survived by CLONE_VM",
		[DYING_NAMESPACE] = "in a pid namespace",
	};

	return names[way];
}

void dying_let_go(struct dying *d, unsigned value)
{
	atomic_store(&d->go, value);
	(void)syscall(SYS_futex, &d->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool dying_ends_itself(enum dying_way way)
{
	return way == DYING_EXIT || way == DYING_EXEC || way == DYING_DUMP ||
	       way == DYING_OOM;
}

/* ---- bytes */

static size_t first_word(size_t page)
{
	return page == 0 ? MUTEX_WORDS : 0;
}

static uint64_t word(uint64_t round, size_t page, size_t i)
{
	return round << 32 | page << 16 | i << 1 | 1;
}

static void fill(char *base, uint64_t round)
{
	for (size_t page = 0; page < DYING_PAGES; page++) {
		uint64_t *w = (uint64_t *)(base + page * DYING_PAGE_BYTES);

		for (size_t i = first_word(page); i < WORDS; i++)
			w[i] = word(round, page, i);
	}
}

bool dying_page_is(const char *base, size_t page, uint64_t round)
{
	const volatile uint64_t *w = (const volatile uint64_t *)
		(base + page * DYING_PAGE_BYTES);

	for (size_t i = first_word(page); i < WORDS; i++)
		if (w[i] != word(round, page, i))
			return false;
	return true;
}

bool dying_page_is_zero(const char *base, size_t page)
{
	const volatile uint64_t *w = (const volatile uint64_t *)
		(base + page * DYING_PAGE_BYTES);

	for (size_t i = first_word(page); i < WORDS; i++)
		if (w[i] != 0)
			return false;
	return true;
}

/* ---- clients */

struct memclient *dying_open(const char *address,
			     const struct memclient_options *options)
{
	struct memclient *mc = NULL;
	int err = memclient_open(address, options, &mc);

	if (err == -EPERM) {
		printf("skip: %s\n", memclient_error(NULL));
		exit(77);
	}
	if (err != 0) {
		printf("open: %s\n", memclient_error(NULL));
		exit(1);
	}
	return mc;
}

char *dying_attach(struct memclient *mc, uint32_t mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = mode };
	void *base;

	if (memclient_attach(mc, DYING_NAME, &o, &base, NULL) != 0) {
		printf("attach: %s\n", memclient_error(mc));
		exit(1);
	}
	return base;
}

/* ---- the victim */

static struct dying *common;
static char *region;
static int sink[2];

/* Not with sched_yield(): a dozen threads that do nothing else have been seen
 * to keep all processors for themselves, for up to a minute at a time. */
static void await_go(unsigned value)
{
	unsigned go;

	while ((go = atomic_load(&common->go)) < value)
		(void)syscall(SYS_futex, &common->go, FUTEX_WAIT, go, NULL,
			      NULL, 0);
}

/* Threads with even numbers touch from inside the kernel, into one pipe, which
 * is locked in a write: those that stand behind the first touch only when that
 * has been killed.  (Where a process may
 * have user-mode userfaultfd only that gives EFAULT.) */
static void *toucher(void *arg)
{
	size_t number = (size_t)arg;
	const char *at = region + number * DYING_PAGE_BYTES;
	volatile const char *byte = at + 256;

	await_go(1);
	if (number % 2 == 0)
		(void)!write(sink[1], at, DYING_PAGE_BYTES);
	else
		(void)*byte;
	return NULL;
}

static void start_touchers(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (size_t i = 0; i < TOUCHERS; i++)
		(void)pthread_create(&thread, &attr, toucher, (void *)i);
}

static void lock_mutex(void)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)region;
	pthread_mutexattr_t attr;

	_Static_assert(sizeof(*mutex) <= MUTEX_WORDS * sizeof(uint64_t),
		       "a mutex is smaller");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attr);
	pthread_mutex_lock(mutex);
}

/* A process with this one's memory that goes on when it is dead. */
static _Noreturn int survivor(void *arg)
{
	(void)arg;
	prctl(PR_SET_PDEATHSIG, 0);
	await_go(3);
	for (size_t page = TOUCHERS; page < DYING_PAGES; page++)
		(void)syscall(SYS_write, sink[1],
			      region + page * DYING_PAGE_BYTES,
			      DYING_PAGE_BYTES);
	for (;;)
		pause();
}

static void start_survivor(void)
{
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(stack != MAP_FAILED);
	common->survivor = clone(survivor, stack + STACK_BYTES,
				 CLONE_VM | SIGCHLD, NULL);
}

/* More than the group may have. */
static _Noreturn void eat_memory(void)
{
	size_t length = (size_t)DYING_OOM_BYTES * 4;
	char *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; at != MAP_FAILED && i < length; i += 4096)
		at[i] = 1;
	_exit(1);
}

static _Noreturn void end(const struct dying_death *death)
{
	const struct rlimit core = { RLIM_INFINITY, RLIM_INFINITY };

	if (!dying_ends_itself(death->way))
		for (;;)
			pause();
	await_go(2);
	switch (death->way) {
	case DYING_EXEC:
		execl("/proc/self/exe", "executed", "--" DYING_EXECUTED, NULL);
		break;
	case DYING_DUMP:
		(void)setrlimit(RLIMIT_CORE, &core);
		(void)prctl(PR_SET_DUMPABLE, 1);
		abort();
	case DYING_OOM:
		eat_memory();
	default:
		break;
	}
	_exit(0);
}

/* A core file must not stay. */
static void enter_folder_without_name(void)
{
	const char *parent = getenv("TMPDIR");
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s/memd-dying.XXXXXX",
		 parent != NULL ? parent : "/tmp");
	if (mkdtemp(dir) == NULL || chdir(dir) != 0 || rmdir(dir) != 0)
		exit(1);
}

/* The child of this one is the victim; this one ends with it. */
static void enter_namespace(void)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID) != 0)
		exit(1);
	pid = fork();
	if (pid == 0)
		return;
	common->victim = pid;
	(void)waitpid(pid, NULL, 0);
	_exit(0);
}

static void become(const struct dying_death *death)
{
	if (death->group != NULL && death->way == DYING_OOM &&
	    memory_group_join(death->group) != 0)
		exit(1);
	if (death->way == DYING_NAMESPACE)
		enter_namespace();
	else
		common->victim = getpid();
	if (death->way == DYING_DUMP)
		enter_folder_without_name();
	if (death->uid != 0 &&
	    (setgid(death->uid) != 0 || setuid(death->uid) != 0))
		exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void dying_victim(struct dying *d, const char *address,
		  const struct dying_death *death)
{
	const struct memclient_options o = { .size = sizeof(o),
					     .timeout_ms = DYING_PATIENCE_MS };
	struct memclient *mc;

	common = d;
	signal(SIGBUS, SIG_DFL);
	become(death);
	mc = dying_open(address, &o);
	region = dying_attach(mc, death->mode);
	if (pipe(sink) != 0)
		exit(1);
	fill(region, d->round);
	lock_mutex();
	if (death->way != DYING_KILL_IDLE)
		start_touchers();
	if (death->way == DYING_SURVIVED)
		start_survivor();
	if (memclient_advise(mc, region, DYING_PAGES * DYING_PAGE_BYTES,
			     MEMCLIENT_ADVICE_PAGEOUT) != 0) {
		printf("pageout: %s\n", memclient_error(mc));
		exit(1);
	}
	atomic_store(&d->ready, 1);
	end(death);
}

/* ---- the library's thread alone */

static pid_t find_library_thread(pid_t pid)
{
	char path[64], name[32];
	struct dirent *entry;
	pid_t found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir != NULL && found == 0 && (entry = readdir(dir)) != NULL) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", pid,
			 entry->d_name);
		f = fopen(path, "re");
		if (f != NULL && fgets(name, sizeof(name), f) != NULL &&
		    strcmp(name, "memclient\n") == 0)
			found = (pid_t)strtol(entry->d_name, NULL, 10);
		if (f != NULL)
			fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

#ifdef __x86_64__
/* Stopped inside of a system call: let it make exit() instead. */
static bool make_it_exit(pid_t thread)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, thread, NULL, &regs) != 0)
		return false;
	regs.rip -= 2;			/* the instruction "syscall" again */
	regs.orig_rax = (unsigned long long)-1;
	regs.rax = SYS_exit;
	regs.rdi = 0;
	return ptrace(PTRACE_SETREGS, thread, NULL, &regs) == 0;
}
#else
static bool make_it_exit(pid_t thread)
{
	(void)thread;
	return false;
}
#endif

static bool is_in_system_call(pid_t thread)
{
	char path[64], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", thread);
	f = fopen(path, "re");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	if (f != NULL)
		fclose(f);
	return text[0] >= '0' && text[0] <= '9';
}

bool dying_end_library_thread(pid_t pid)
{
	pid_t thread = find_library_thread(pid);
	bool is_done = false;

	if (thread == 0 || ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0)
		return false;
	if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) == 0 &&
	    waitpid(thread, NULL, __WALL) == thread &&
	    is_in_system_call(thread))
		is_done = make_it_exit(thread);
	(void)ptrace(PTRACE_DETACH, thread, NULL, NULL);
	return is_done;
}
