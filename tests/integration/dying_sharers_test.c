/* SPDX-License-Identifier: MIT */
/* Proves: however a program that shares a named segment dies, those who share
 * it with it read what was written last, never zeros.  A page of zeros counts
 * as wrong, and so do SIGBUS and a spoilt segment.
 *
 *   dying_sharers_test [--deaths N] [--memd-deaths N] [--seed N]
 *
 * A victim fills the segment, has it evicted, and dies while its threads are
 * in the middle of faults: in loads, and inside of write(2), where a dying
 * thread still touches memory after its process's userfaultfds may be closed.
 * In half of the rounds memd is stopped meanwhile, so that those faults are
 * certainly open.  A bystander then reads everything in both fault modes.
 *
 * The second part kills memd first, then a victim: there a page may be SIGBUS,
 * but what can be read is right. */
#include "client/include/memclient.h"
#include "common/checks.h"
#include "tests/integration/memory_group.h"
#include "tests/integration/dying_victim.h"
#include "tests/integration/testadmin.h"
#include "tests/integration/testmemd.h"

#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Disks of virtual machines have been seen to keep one request for minutes. */
enum { PATIENCE_S = DYING_PATIENCE_MS / 1000, LEAST_TIMEOUT_MS = 300 };

static struct dying *common;
static uint64_t rng;
static unsigned early_deaths;		/* before the victim was ready */

static uint64_t draw(uint64_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % below;
}

static void pause_us(uint64_t us)
{
	struct timespec t = { .tv_sec = (time_t)(us / 1000000),
			      .tv_nsec = (long)(us % 1000000) * 1000 };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

/* Wait until an atomic has a value.  False: the process that was to set it has
 * ended, or a long time has passed. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG |
		      WNOWAIT) != 0 || info.si_pid != 0;
}

static bool await(atomic_uint *word, unsigned value, pid_t by)
{
	for (unsigned i = 0; atomic_load(word) != value; i++) {
		if (has_ended(by) || i > PATIENCE_S * 5000)
			return atomic_load(word) == value;
		pause_us(200);
	}
	return true;
}

/* ---- the bystander */

static sigjmp_buf after_sigbus;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(after_sigbus, 1);
}

/* What reading a page gives. */
enum reading { READ_RIGHT, READ_WRONG, READ_ZEROS, READ_SIGBUS };

static enum reading read_page(const char *base, size_t page, uint64_t round)
{
	if (sigsetjmp(after_sigbus, 1) != 0)
		return READ_SIGBUS;
	if (dying_page_is(base, page, round))
		return READ_RIGHT;
	return dying_page_is_zero(base, page) ? READ_ZEROS : READ_WRONG;
}

static bool verify(const char *base, const char *mode, uint64_t round,
		   bool may_fail)
{
	static const char *const what[] = {
		[READ_WRONG] = "has wrong bytes",
		[READ_ZEROS] = "is zeros", [READ_SIGBUS] = "gives SIGBUS",
	};
	bool is_right = true;

	for (size_t page = 0; page < DYING_PAGES; page++) {
		enum reading r = read_page(base, page, round);

		if (r == READ_RIGHT || (r == READ_SIGBUS && may_fail))
			continue;
		printf("page %zu (%s mode) %s\n", page, mode, what[r]);
		is_right = false;
	}
	return is_right;
}

/* Verifies when asked; ends when asked for nothing. */
static void bystander(const char *address, uint32_t timeout_ms, bool may_fail)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = timeout_ms };
	struct memclient *mc;
	char *base[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, on_sigbus);
	mc = dying_open(address, &o);
	base[0] = dying_attach(mc, MEMCLIENT_FAULT_THREAD);
	base[1] = dying_attach(mc, MEMCLIENT_FAULT_INLINE);
	for (unsigned done = 0;; done++) {
		bool is_right;

		atomic_store(&common->verified, done);
		while (atomic_load(&common->verify) == done)
			pause_us(50);
		if (atomic_load(&common->verify) == UINT32_MAX)
			break;
		is_right = verify(base[0], "thread", common->round, may_fail);
		is_right &= verify(base[1], "inline", common->round, may_fail);
		if (!is_right)
			atomic_fetch_add(&common->wrong, 1);
		fflush(stdout);
	}
	memclient_close(mc);
	_exit(0);
}

static pid_t start_bystander(const char *address, uint32_t timeout_ms,
			     bool may_fail)
{
	pid_t pid;

	atomic_store(&common->verify, 0);
	atomic_store(&common->verified, UINT32_MAX);
	pid = fork();
	if (pid == 0)
		bystander(address, timeout_ms, may_fail);
	return await(&common->verified, 0, pid) ? pid : -1;
}

static bool ask_bystander(pid_t pid)
{
	unsigned number = atomic_fetch_add(&common->verify, 1) + 1;

	return await(&common->verified, number, pid);
}

static bool dismiss_bystander(pid_t pid)
{
	int status = 0;

	atomic_store(&common->verify, UINT32_MAX);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* ---- one death */

static pid_t start_victim(const char *address, const struct dying_death *death)
{
	pid_t pid;

	atomic_store(&common->ready, 0);
	atomic_store(&common->go, 0);
	common->victim = common->survivor = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		dying_victim(common, address, death);
	return pid;
}

/* Whoever of the victim's is left is our child now: see PR_SET_CHILD_SUBREAPER.
 */
static void bury(pid_t pid)
{
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

static void end_victim(const struct dying_death *death, pid_t child)
{
	pid_t victim = common->victim;

	if (death->way == DYING_THREAD_FIRST &&
	    dying_end_library_thread(victim))
		atomic_fetch_add(&common->thread_ended, 1);
	if (dying_ends_itself(death->way))
		dying_let_go(common, 2);
	else
		(void)kill(victim, SIGKILL);
	bury(child);
	if (common->survivor <= 0)
		return;
	dying_let_go(common, 3);
	pause_us(500 + draw(2000));
	(void)kill(common->survivor, SIGKILL);
	bury(common->survivor);
}

/* False: the test itself failed. */
static bool let_die(const struct testmemd *tm, const struct dying_death *death,
		    pid_t witness)
{
	unsigned wrong = atomic_load(&common->wrong);
	bool is_stopped = draw(2) == 0;
	pid_t child = start_victim(tm->socket, death);

	if (!await(&common->ready, 1, child)) {
		bool is_early = death->way == DYING_OOM && has_ended(child);
		int status = 0;

		(void)kill(child, SIGKILL);
		(void)waitpid(child, &status, 0);
		/* What the one before it had was not free yet.  It may have
		 * filled none of the pages, or some. */
		if (is_early && WIFSIGNALED(status) &&
		    WTERMSIG(status) == SIGKILL) {
			early_deaths++;
			return true;
		}
		printf("the victim (%s) is not ready: status %#x\n",
		       dying_way_name(death->way), (unsigned)status);
		return false;
	}
	if (is_stopped)
		(void)kill(tm->pid, SIGSTOP);
	dying_let_go(common, 1);
	pause_us(draw(4000));
	end_victim(death, child);
	(void)kill(tm->pid, SIGCONT);
	if (!ask_bystander(witness)) {
		printf("the bystander has ended\n");
		return false;
	}
	if (atomic_load(&common->wrong) != wrong)
		printf("round %llu: %s, %s mode, uid %u%s\n",
		       (unsigned long long)common->round,
		       dying_way_name(death->way),
		       death->mode == MEMCLIENT_FAULT_INLINE ? "inline" :
							       "thread",
		       death->uid, is_stopped ? ", memd stopped" : "");
	return true;
}

static struct dying_death draw_death(bool is_root, bool has_group)
{
	struct dying_death death = {
		.way = (enum dying_way)draw(DYING_WAYS),
		.mode = draw(2) ? MEMCLIENT_FAULT_INLINE :
				  MEMCLIENT_FAULT_THREAD,
		.uid = is_root && draw(3) == 0 ? 1000 : 0,
	};

	if ((death.way == DYING_NAMESPACE && !is_root) ||
	    (death.way == DYING_OOM && (!is_root || !has_group)))
		death.way = DYING_KILL_BUSY;
	/* Only root may trace a process that has changed its user. */
	return death;
}

static bool make_segment(const char *address)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		struct memclient_segment_options o = { .size = sizeof(o),
						       .mode = 0666 };
		struct memclient *mc = dying_open(address, NULL);

		if (memclient_segment_create(mc, DYING_NAME, DYING_PAGES *
					     DYING_PAGE_BYTES, &o) != 0) {
			printf("%s\n", memclient_error(mc));
			_exit(1);
		}
		memclient_close(mc);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return false;
	if (WEXITSTATUS(status) == 77)
		exit(77);
	return WEXITSTATUS(status) == 0;
}

/* For users that are not who started memd. */
static void open_doors(const struct testmemd *tm)
{
	(void)chmod(tm->dir, 0711);
	(void)chmod(tm->socket, 0666);
}

/* ---- the parts */

static bool check_counters(const struct testmemd *tm)
{
	static const char *const names[] = { "segments_spoiled",
					     "pages_lost" };
	bool is_right = true;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t value = 1;

		if (testadmin_counter(tm, names[i], &value) == 0 && value == 0)
			continue;
		printf("%s: %llu\n", names[i], (unsigned long long)value);
		is_right = false;
	}
	return is_right;
}

static bool sharers_die(unsigned deaths)
{
	char reason[256] = "only root has one";
	bool is_root = geteuid() == 0, is_right;
	unsigned count[DYING_WAYS] = { 0 };
	struct memory_group group = { 0 };
	bool has_group = is_root &&
		memory_group_create(&group, DYING_OOM_BYTES, reason,
				    sizeof(reason)) == 0;
	struct testmemd tm;
	pid_t witness;

	if (!has_group)
		printf("skip: death for want of memory: %s\n", reason);
	if (!is_root)
		printf("skip: other users and pid namespaces: not root\n");
	if (testmemd_start(&tm, NULL) != 0)
		return false;
	open_doors(&tm);
	is_right = make_segment(tm.socket);
	witness = is_right ? start_bystander(tm.socket, PATIENCE_S * 1000,
					      false) : -1;
	is_right = witness > 0;
	for (common->round = 1; is_right && common->round <= deaths;
	     common->round++) {
		struct dying_death death = draw_death(is_root, has_group);

		death.group = has_group ? &group : NULL;
		count[death.way]++;
		is_right = let_die(&tm, &death, witness);
	}
	if (witness > 0)
		is_right &= dismiss_bystander(witness);
	is_right &= check_counters(&tm);
	for (unsigned i = 0; i < DYING_WAYS; i++)
		printf("%6u %s\n", count[i], dying_way_name(i));
	if (early_deaths > 0)
		printf("%6u of them out of memory before they were ready\n",
		       early_deaths);
	/* Then it would prove nothing. */
	if (early_deaths > 4 && early_deaths > count[DYING_OOM] / 2) {
		printf("too many of them\n");
		is_right = false;
	}
	if (count[DYING_THREAD_FIRST] > 0 &&
	    atomic_load(&common->thread_ended) == 0)
		printf("skip: the library's thread dies first: ptrace is not "
		       "to be had\n");
	is_right &= memory_group_destroy(&group) == 0;
	return testmemd_stop(&tm) == 0 && is_right;
}

/* A memd that is killed cannot look after anybody: whoever dies after it must
 * still leave no zeros. */
static bool memd_dies(void)
{
	struct dying_death death = { .way = DYING_KILL_BUSY };
	bool is_stopped = draw(2) == 0, is_right;
	pid_t witness, child;
	struct testmemd tm;

	death.mode = draw(2) ? MEMCLIENT_FAULT_INLINE : MEMCLIENT_FAULT_THREAD;
	if (testmemd_start(&tm, NULL) != 0)
		return false;
	is_right = make_segment(tm.socket);
	witness = is_right ?
		start_bystander(tm.socket, LEAST_TIMEOUT_MS, true) : -1;
	child = start_victim(tm.socket, &death);
	is_right = witness > 0 && await(&common->ready, 1, child);
	if (is_stopped && witness > 0)
		(void)kill(witness, SIGSTOP);
	if (draw(2) == 0)
		(void)kill(tm.pid, SIGSTOP);
	dying_let_go(common, 1);
	pause_us(draw(4000));
	testmemd_kill(&tm);
	if (draw(2) == 0)
		pause_us(draw(20000));
	(void)kill(common->victim, SIGKILL);
	bury(child);
	if (witness <= 0)
		return false;
	(void)kill(witness, SIGCONT);
	/* At once, and when all is known of memd's death. */
	is_right &= ask_bystander(witness) && ask_bystander(witness);
	is_right &= dismiss_bystander(witness);
	/* Whatever helped memd has no work any more. */
	for (unsigned i = 0; waitpid(-1, NULL, WNOHANG) >= 0; i++) {
		if (i > PATIENCE_S * 100) {
			printf("a helper of memd does not end\n");
			return false;
		}
		pause_us(10000);
	}
	return is_right;
}

/* ---- */

static unsigned default_deaths(void)
{
	const char *tier = getenv("MEMD_TEST_TIER");

	if (tier != NULL && strcmp(tier, "night") == 0)
		return 20000;
	return tier != NULL && strcmp(tier, "quick") == 0 ? 200 : 2000;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "deaths", required_argument, NULL, 'd' },
		{ "memd-deaths", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },
		{ DYING_EXECUTED, no_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned deaths = default_deaths(), memd_deaths = UINT32_MAX;
	uint64_t seed = 1;
	bool is_right;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'd': deaths = (unsigned)strtoul(optarg, NULL, 0); break;
		case 'm': memd_deaths = (unsigned)strtoul(optarg, NULL, 0);
			  break;
		case 's': seed = strtoull(optarg, NULL, 0); break;
		case 'x': return 0;	/* what a victim becomes by exec */
		default: return 2;
		}
	if (memd_deaths == UINT32_MAX)
		memd_deaths = deaths / 100;
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(common != MAP_FAILED);
	rng = seed * 0x9e3779b97f4a7c15u + 1;
	is_right = sharers_die(deaths);
	if (!is_right)
		printf("failed in round %llu of %u\n",
		       (unsigned long long)common->round, deaths);
	for (unsigned i = 0; is_right && i < memd_deaths; i++) {
		common->round = deaths + 1 + i;
		is_right = memd_dies();
	}
	printf("%u deaths of sharers, %u of memd wanted: %u with wrong bytes "
	       "(seed %llu)\n", deaths, memd_deaths,
	       atomic_load(&common->wrong), (unsigned long long)seed);
	return is_right && atomic_load(&common->wrong) == 0 ? 0 : 1;
}
