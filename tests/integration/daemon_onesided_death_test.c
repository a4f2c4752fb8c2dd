/* SPDX-License-Identifier: MIT */
/* Proves: however a program ends that brings pages in without memd, the others
 * read the right bytes, and all that was lent to it comes back; when memd ends,
 * a program reads right bytes or gets SIGBUS; and a program with little memory
 * (a cgroup) reads right bytes and lives, also when its limit changes, which
 * memd shows. */
#include "common/checks.h"
#include "tests/integration/memory_group.h"
#include "tests/integration/onesided_task.h"
#include "tests/integration/testadmin.h"
#include "tests/skip.h"
#include "tests/tier.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

/* ---- programs that are killed */

/* The first half is the survivors', with a model; the others have a part of
 * the rest each, with a journal. */
enum {
	VICTIMS = 4,
	PART = UNITS / 2 / VICTIMS,
	DEATHS = 50, DEATHS_NIGHT = 1000,
	DEATH_MOMENT_US = 20000,
};

static void survive(void *arg)
{
	const struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = crew_of(t, area_of(t, mc));

	crew.count = UNITS / 2;
	while (atomic_load(t->go) == 0)
		crew_run(&crew);
	crew_verify(&crew);
	for (uint32_t unit = UNITS / 2; unit < UNITS; unit++)
		NEED(journal_holds(t->journal, crew.area, unit));
	memclient_close(mc);
}

struct victim {
	struct task *task;
	uint32_t first;
	atomic_uint is_busy;
};

struct victim_hand {
	struct victim *victim;
	uint8_t *area;
	uint64_t rng;
	pthread_mutex_t *lock;
};

/* Read what the survivors write, too: it is in the same frames. */
static void *fault_for_ever(void *arg)
{
	struct victim_hand *hand = arg;
	struct journal_unit *journal = hand->victim->task->journal;

	for (;;) {
		uint64_t random = model_random(&hand->rng) >> 8;
		uint32_t at = (uint32_t)random % PART;
		uint32_t unit = hand->victim->first + at;

		pthread_mutex_lock(&hand->lock[at]);
		NEED(journal_holds(journal, hand->area, unit));
		if (random >> 32 & 1)
			journal_write(journal, hand->area, unit);
		pthread_mutex_unlock(&hand->lock[at]);
		(void)*(volatile uint8_t *)(hand->area + random % BYTES);
		atomic_store(&hand->victim->is_busy, 1);
	}
	return NULL;
}

static void be_victim(void *arg)
{
	struct victim *v = arg;
	struct memclient *mc = program_open(&memd, 0);
	uint8_t *area = area_of(v->task, mc);
	pthread_mutex_t lock[PART];
	struct victim_hand hand[3];
	pthread_t thread;

	for (unsigned i = 0; i < PART; i++)
		pthread_mutex_init(&lock[i], NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(hand); i++) {
		hand[i] = (struct victim_hand){
			v, area, (uint64_t)getpid() * 7 + i, lock };
		NEED(pthread_create(&thread, NULL, fault_for_ever,
				    &hand[i]) == 0);
	}
	for (;;)
		pause();
}

/* Most of them are at work; one of eight may be at its first steps. */
static void kill_at_random(struct victim *v, pid_t *pid, uint64_t *rng)
{
	if (model_random(rng) % 8 != 0)
		program_await_word(*pid, &v->is_busy, 1);
	usleep((useconds_t)(model_random(rng) % DEATH_MOMENT_US));
	program_kill(*pid);
	atomic_store(&v->is_busy, 0);
}

static void let_them_die(struct victim *v, struct task *task,
			 struct task *other)
{
	unsigned deaths = tier_is_night() ? DEATHS_NIGHT : DEATHS;
	uint64_t rng = tier_seed();
	pid_t pid[VICTIMS];

	for (unsigned i = 0; i < VICTIMS; i++) {
		v[i].task = i % 2 == 0 ? task : other;
		v[i].first = UNITS / 2 + i * PART;
		pid[i] = program_start(be_victim, &v[i]);
	}
	for (unsigned i = 0; i < deaths; i++) {
		unsigned at = model_random(&rng) % VICTIMS;

		kill_at_random(&v[at], &pid[at], &rng);
		pid[at] = program_start(be_victim, &v[at]);
	}
	for (unsigned i = 0; i < VICTIMS; i++)
		kill_at_random(&v[i], &pid[i], &rng);
}

static void killed_programs_leave_nothing(void **state)
{
	struct victim *victims = shared_memory(sizeof(*victims) * VICTIMS);
	struct task t = {
		.model = model_create(UNITS, 3),
		.name = "mortal",
		.fault_mode = MEMCLIENT_FAULT_INLINE,
		.threads = 2,
		.go = shared_memory(sizeof(atomic_uint)),
		.journal = shared_memory(sizeof(struct journal_unit) * UNITS),
	};
	struct task other = t;
	pid_t survivor[2];

	(void)state;
	other.fault_mode = MEMCLIENT_FAULT_THREAD;
	other.seed = 77;
	start("--log-level=info", NULL);
	program_run(make_segment, &t);
	survivor[0] = program_start(survive, &t);
	survivor[1] = program_start(survive, &other);
	let_them_die(victims, &t, &other);
	assert_true(counter("faults_one_sided") > ENOUGH);
	atomic_store(t.go, 1);
	program_expect_good(survivor[0]);
	program_expect_good(survivor[1]);
	program_run(unlink_segment, &t);
	stop();
	model_destroy(t.model);
}

/* ---- memd is killed */

/* Each thread has units of its own, so that SIGBUS may come anywhere. */
enum { ORPHANS = 8, ORPHAN_UNITS = UNITS / ORPHANS, ORPHAN_TIMEOUT_MS = 200,
       ORPHAN_SIGBUSES = 10, ORPHAN_READS = 2000, MEMD_DEATHS = 8 };

static __thread sigjmp_buf after_sigbus;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(after_sigbus, 1);
}

struct orphan {
	pthread_t thread;
	struct task *task;
	uint8_t *area;
	uint32_t first;
	uint64_t rng;
	unsigned sigbus_count, read_after;
};

/* False: SIGBUS, which may come only when memd is not there any more. */
static bool use_unit(struct orphan *o)
{
	uint64_t random = model_random(&o->rng) >> 8;
	uint32_t unit = o->first + (uint32_t)random % ORPHAN_UNITS;

	if (sigsetjmp(after_sigbus, 1) != 0)
		return false;
	NEED(journal_holds(o->task->journal, o->area, unit));
	if (random >> 32 & 1)
		journal_write(o->task->journal, o->area, unit);
	return true;
}

static void *be_orphan(void *arg)
{
	struct orphan *o = arg;

	while (o->sigbus_count < ORPHAN_SIGBUSES &&
	       o->read_after < ORPHAN_READS) {
		bool has_died = atomic_load(o->task->go) == 2;

		if (!use_unit(o)) {
			NEED(atomic_load(o->task->go) == 2);
			o->sigbus_count++;
		} else if (has_died) {
			o->read_after++;
		}
	}
	return NULL;
}

/* go: 1: it faults one-sided; 2: memd is being killed. */
static void outlive_memd(void *arg)
{
	struct task *t = arg;
	struct memclient *mc;
	struct orphan orphan[ORPHANS];
	unsigned read_after = 0;
	uint8_t *area;

	signal(SIGBUS, on_sigbus);
	mc = program_open(&memd, ORPHAN_TIMEOUT_MS);
	area = area_of(t, mc);
	for (uint32_t unit = 0; unit < UNITS; unit++)
		journal_write(t->journal, area, unit);
	for (unsigned i = 0; i < ORPHANS; i++) {
		orphan[i] = (struct orphan){
			.task = t, .area = area, .rng = tier_seed() + i,
			.first = i * ORPHAN_UNITS };
		NEED(pthread_create(&orphan[i].thread, NULL, be_orphan,
				    &orphan[i]) == 0);
	}
	while (atomic_load(t->go) == 0)
		if (program_counter(&memd, "faults_one_sided") > ENOUGH)
			atomic_store(t->go, 1);
	for (unsigned i = 0; i < ORPHANS; i++) {
		NEED(pthread_join(orphan[i].thread, NULL) == 0);
		read_after += orphan[i].read_after;
	}
	NEED(read_after > 0);
	memclient_close(mc);
}

static void kill_memd_once(uint64_t *rng, uint32_t fault_mode)
{
	struct task t = {
		.fault_mode = fault_mode,
		.go = shared_memory(sizeof(atomic_uint)),
		.journal = shared_memory(sizeof(struct journal_unit) * UNITS),
	};
	pid_t program;

	start("--log-level=info", NULL);
	program = program_start(outlive_memd, &t);
	program_await_word(program, t.go, 1);
	usleep((useconds_t)(model_random(rng) % DEATH_MOMENT_US));
	atomic_store(t.go, 2);
	testmemd_kill(&memd);
	program_expect_good(program);
	munmap(t.go, sizeof(atomic_uint));
	munmap(t.journal, sizeof(struct journal_unit) * UNITS);
}

static void memd_is_killed(void **state)
{
	uint64_t rng = tier_seed();

	(void)state;
	for (unsigned i = 0; i < MEMD_DEATHS; i++)
		kill_memd_once(&rng, i % 2 == 0 ? MEMCLIENT_FAULT_INLINE :
						  MEMCLIENT_FAULT_THREAD);
}

/* ---- little memory */

enum { POOR_ROUNDS = 5 };

struct poor {
	struct task task;
	struct memory_group group;
};

static void be_poor(void *arg)
{
	struct poor *p = arg;
	struct memclient *mc;
	struct crew crew;

	NEED(memory_group_join(&p->group) == 0);
	mc = program_open(&memd, 0);
	crew = crew_of(&p->task, area_of(&p->task, mc));
	crew_fill(&crew);
	for (unsigned i = 0; i < POOR_ROUNDS ||
			     atomic_load(p->task.go) == 0; i++) {
		crew_run(&crew);
		crew.seed++;	/* other units, which may be out */
	}
	crew_verify(&crew);
	memclient_close(mc);
}

/* Wait until memd says so of the program. */
static void await_limit(pid_t pid, uint64_t limit, uint64_t needed)
{
	struct testadmin_use use[2] = { 0 };

	for (int i = 0; i < 6000 && use[0].memory_limit_bytes != limit; i++) {
		assert_int_equal(testadmin_use(&memd, &pid, 1, use), 0);
		usleep(10000);
	}
	assert_int_equal(use[0].memory_limit_bytes, limit);
	assert_int_equal(use[0].memory_needed_bytes, needed);
}

static void start_poor(struct poor *p, const char *pool, uint64_t limit)
{
	char reason[700];

	start(pool, NULL);
	if (memory_group_create(&p->group, limit, reason,
				sizeof(reason)) == 0)
		return;
	(void)memory_group_destroy(&p->group);
	stop();
	skip_case("%s", reason);
}

/* If the limit is twice the pool, it brings pages in by itself. */
static void poor_program(unsigned pool_mib, uint32_t fault_mode)
{
	struct poor p = { .task = {
		.model = model_create(UNITS, 6),
		.fault_mode = fault_mode,
		.threads = 4,
	} };
	uint64_t needed = (uint64_t)pool_mib * 2 << 20;
	char pool[32];
	int status = 0;
	pid_t pid;

	snprintf(pool, sizeof(pool), "--pool-size=%uM", pool_mib);
	p.task.go = shared_memory(sizeof(atomic_uint));
	start_poor(&p, pool, BYTES / 4);
	pid = program_start(be_poor, &p);
	await_limit(pid, BYTES / 4, needed);
	atomic_store(p.task.go, 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(memory_group_destroy(&p.group), 0);
	assert_int_equal(status, 0);
	if (BYTES / 4 < needed)
		assert_int_equal(counter("faults_one_sided"), 0);
	else if (fault_mode == MEMCLIENT_FAULT_INLINE)
		assert_true(counter("faults_one_sided") > ENOUGH);
	stop();
	munmap(p.task.go, sizeof(atomic_uint));
	model_destroy(p.task.model);
}

/* The frames of what a program brings in by itself are charged to its group. */
static void a_poor_program_lives(void **state)
{
	(void)state;
	poor_program(4, MEMCLIENT_FAULT_INLINE);
	poor_program(4, MEMCLIENT_FAULT_THREAD);
}

static void a_poor_program_lives_with_a_large_pool(void **state)
{
	(void)state;
	poor_program(16, MEMCLIENT_FAULT_INLINE);
	poor_program(16, MEMCLIENT_FAULT_THREAD);
}

static uint64_t faults_of(pid_t pid)
{
	struct testadmin_use use[2];

	assert_int_equal(testadmin_use(&memd, &pid, 1, use), 0);
	return use[0].faults;
}

/* Nobody asks for sessions: memd looks by itself. */
static void await_one_sided(uint64_t count)
{
	for (int i = 0; i < 6000 && counter("faults_one_sided") < count; i++)
		usleep(10000);
	assert_true(counter("faults_one_sided") >= count);
}

static void await_faults(pid_t pid, uint64_t count)
{
	for (int i = 0; i < 6000 && faults_of(pid) < count; i++)
		usleep(10000);
	assert_true(faults_of(pid) >= count);
}

enum { LIMITED_POOL = 16 << 20, AMPLE = 96 << 20, LITTLE = 30 << 20 };

static void change_limit(struct poor *p, pid_t pid)
{
	uint64_t before;

	await_one_sided(ENOUGH);
	await_limit(pid, AMPLE, 2 * LIMITED_POOL);
	assert_int_equal(memory_group_limit(&p->group, LITTLE), 0);
	await_limit(pid, LITTLE, 2 * LIMITED_POOL);
	await_nothing_lent();
	before = counter("faults_one_sided");
	await_faults(pid, faults_of(pid) + ENOUGH);
	assert_int_equal(counter("faults_one_sided"), before);
	assert_int_equal(memory_group_limit(&p->group, AMPLE), 0);
	await_one_sided(before + ENOUGH);
}

/* As `docker update --memory` does. */
static void a_limit_changes(void **state)
{
	struct poor p = { .task = {
		.model = model_create(UNITS, 7),
		.fault_mode = MEMCLIENT_FAULT_INLINE,
		.threads = 2,
		.go = shared_memory(sizeof(atomic_uint)),
	} };
	pid_t pid;

	(void)state;
	start_poor(&p, "--pool-size=16M", AMPLE);
	pid = program_start(be_poor, &p);
	change_limit(&p, pid);
	atomic_store(p.task.go, 1);
	program_expect_good(pid);
	assert_int_equal(memory_group_destroy(&p.group), 0);
	stop();
	munmap(p.task.go, sizeof(atomic_uint));
	model_destroy(p.task.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_programs_leave_nothing),
		cmocka_unit_test(memd_is_killed),
		cmocka_unit_test(a_poor_program_lives),
		cmocka_unit_test(a_poor_program_lives_with_a_large_pool),
		cmocka_unit_test(a_limit_changes),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
