/* SPDX-License-Identifier: MIT */
#include "tests/integration/onesided_program.h"

#include "tests/integration/testadmin.h"
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { PATIENCE_S = 500, TIMEOUT_MS = 120000, CREW_MOST = 16, ROUNDS = 400 };

void *shared_memory(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

/* ---- processes */

/* Without cmocka's handlers, and with a failed assertion that ends the process:
 * both would jump into the test. */
static void be_program(pid_t parent, uid_t uid)
{
	static const int signals[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	alarm(PATIENCE_S);
	if (uid == 0)
		return;
	NEED(setgroups(0, NULL) == 0 && setgid(uid) == 0 && setuid(uid) == 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* setuid() forgets it */
}

pid_t program_start_as(uid_t uid, void (*body)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	be_program(parent, uid);
	body(arg);
	_exit(0);
}

pid_t program_start(void (*body)(void *arg), void *arg)
{
	return program_start_as(0, body, arg);
}

static int status_of(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) != pid)
		assert_int_equal(errno, EINTR);
	return status;
}

void program_expect_good(pid_t pid)
{
	int status = status_of(pid);

	if (status != 0)
		fail_msg("a program ended with status %#x", (unsigned)status);
}

void program_await_word(pid_t pid, atomic_uint *word, unsigned value)
{
	while (atomic_load(word) != value) {
		siginfo_t info = { .si_pid = 0 };

		assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED |
					WNOHANG | WNOWAIT), 0);
		if (info.si_pid != 0)
			fail_msg("a program has ended: status %d",
				 info.si_status);
		usleep(500);
	}
}

void program_kill(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	status = status_of(pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("a program ended with status %#x", (unsigned)status);
}

void program_run(void (*body)(void *arg), void *arg)
{
	program_expect_good(program_start(body, arg));
}

/* ---- the library */

struct memclient *program_open(const struct testmemd *tm, uint32_t timeout_ms)
{
	struct memclient_options o = {
		.size = sizeof(o),
		.timeout_ms = timeout_ms != 0 ? timeout_ms : TIMEOUT_MS,
	};
	struct memclient *mc = NULL;

	if (memclient_open(tm->socket, &o, &mc) != 0) {
		dprintf(STDERR_FILENO, "%s\n", memclient_error(NULL));
		_exit(1);
	}
	return mc;
}

uint8_t *program_map(struct memclient *mc, size_t bytes, uint32_t fault_mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	void *at = NULL;

	if (memclient_map(mc, bytes, &o, &at) != 0) {
		dprintf(STDERR_FILENO, "%s\n", memclient_error(mc));
		_exit(1);
	}
	return at;
}

uint8_t *program_attach(struct memclient *mc, const char *name,
			uint32_t fault_mode)
{
	struct memclient_map_options o = { .size = sizeof(o),
					   .fault_mode = fault_mode };
	void *at = NULL;

	if (memclient_attach(mc, name, &o, &at, NULL) != 0) {
		dprintf(STDERR_FILENO, "%s\n", memclient_error(mc));
		_exit(1);
	}
	return at;
}

uint64_t program_counter(const struct testmemd *tm, const char *name)
{
	uint64_t value = 0;

	NEED(testadmin_counter(tm, name, &value) == 0);
	return value;
}

/* ---- crews */

struct hand {
	pthread_t thread;
	const struct crew *crew;
	uint64_t rng;
};

static void *work(void *arg)
{
	struct hand *hand = arg;
	const struct crew *c = hand->crew;

	for (unsigned i = 0; i < c->ops; i++) {
		uint64_t random = model_random(&hand->rng);
		uint32_t unit = c->first + (uint32_t)(random >> 8) % c->count;

		if (random % 4 == 0)
			model_write(c->model, c->area, unit);
		else
			NEED(model_verify(c->model, c->area, unit, true,
					  &hand->rng));
	}
	return NULL;
}

void crew_run(const struct crew *crew)
{
	struct hand hand[CREW_MOST];

	NEED(crew->threads <= CREW_MOST);
	for (unsigned i = 0; i < crew->threads; i++) {
		hand[i].crew = crew;
		hand[i].rng = crew->seed + i * 7919;
		NEED(pthread_create(&hand[i].thread, NULL, work,
				    &hand[i]) == 0);
	}
	for (unsigned i = 0; i < crew->threads; i++)
		NEED(pthread_join(hand[i].thread, NULL) == 0);
}

void crew_fill(const struct crew *crew)
{
	for (uint32_t i = 0; i < crew->count; i++)
		model_write(crew->model, crew->area, crew->first + i);
}

void crew_verify(const struct crew *crew)
{
	uint64_t rng = crew->seed;

	for (uint32_t i = 0; i < crew->count; i++)
		NEED(model_verify(crew->model, crew->area, crew->first + i,
				  true, &rng));
}

void crew_run_until(const struct crew *crew, const struct testmemd *tm,
		    uint64_t one_sided)
{
	struct crew round = *crew;

	for (unsigned i = 0; i < ROUNDS; i++) {
		crew_run(&round);
		round.seed += 1000003;
		if (program_counter(tm, "faults_one_sided") >= one_sided)
			return;
	}
	dprintf(STDERR_FILENO, "only %ju faults were one-sided, not %ju\n",
		(uintmax_t)program_counter(tm, "faults_one_sided"),
		(uintmax_t)one_sided);
	_exit(1);
}

/* ---- the journal */

enum { WORDS = UNIT_BYTES / 8 };

static uint64_t journal_word(uint32_t unit, uint32_t version, unsigned word)
{
	uint64_t state = (uint64_t)unit << 32 | version;

	return version == 0 ? 0 : model_random(&state) + word;
}

static volatile uint64_t *words_of(const uint8_t *area, uint32_t unit)
{
	return (volatile uint64_t *)((uintptr_t)area +
				     (uintptr_t)unit * UNIT_BYTES);
}

/* One that was being written when its writer died is written once more. */
void journal_write(struct journal_unit *j, uint8_t *area, uint32_t unit)
{
	volatile uint64_t *at = words_of(area, unit);
	uint32_t version = atomic_load(&j[unit].done) + 1;

	atomic_store(&j[unit].writing, version);
	for (unsigned i = 0; i < WORDS; i++)
		at[i] = journal_word(unit, version, i);
	atomic_store(&j[unit].done, version);
}

bool journal_holds(struct journal_unit *j, const uint8_t *area, uint32_t unit)
{
	volatile uint64_t *at = words_of(area, unit);
	uint32_t writing = atomic_load(&j[unit].writing);
	uint32_t done = atomic_load(&j[unit].done);
	bool is_new = true;

	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t got = at[i];

		is_new = is_new && got == journal_word(unit, writing, i);
		if (is_new || got == journal_word(unit, done, i))
			continue;
		dprintf(STDERR_FILENO, "WRONG BYTES: unit %u word %u: %016jx, "
			"must be of version %u or %u\n", unit, i,
			(uintmax_t)got, writing, done);
		return false;
	}
	return true;
}
