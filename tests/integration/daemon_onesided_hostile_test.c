/* SPDX-License-Identifier: MIT */
/* Proves: a client that does what it likes with its desk, its files and its
 * data file harms nobody but itself: the others read the right bytes, no frame
 * stays away, and memd stops. */
#include "common/checks.h"
#include "tests/integration/files_segment.h"
#include "tests/integration/hostile_desk.h"
#include "tests/integration/onesided_task.h"
#include "tests/integration/testadmin.h"
#include "tests/skip.h"
#include "tests/tier.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

/* ---- the desk */

struct hostile {
	struct task task;	/* of the honest */
	void (*be_bad)(struct hostile_desk *hd);
	atomic_uint *rounds, *is_over;
};

enum { BAD_ROUNDS = 300, HELD_PAGES = 256 };

/* What comes is not read. */
static void drain(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void be_hostile(void *arg)
{
	struct hostile *h = arg;
	struct hostile_desk hd = {
		.dc = desk_client_open(&memd, 0, 0, true),
		.pages = HELD_PAGES,
		.rng = tier_seed(),
	};

	desk_client_map(&hd.dc, HELD_PAGES * UNIT_BYTES);
	for (;;) {
		h->be_bad(&hd);
		desk_client_ring(&hd.dc);
		drain(hd.dc.fd);
		atomic_fetch_add(h->rounds, 1);
		usleep(500);
	}
}

static void be_honest(void *arg)
{
	struct hostile *h = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = crew_of(&h->task, area_of(&h->task, mc));

	crew_fill(&crew);
	while (atomic_load(h->is_over) == 0)
		crew_run(&crew);
	crew_verify(&crew);
	memclient_close(mc);
}

static void live_beside(void (*be_bad)(struct hostile_desk *hd))
{
	struct hostile h = {
		.be_bad = be_bad,
		.rounds = shared_memory(sizeof(atomic_uint)),
		.is_over = shared_memory(sizeof(atomic_uint)),
		.task = { .fault_mode = MEMCLIENT_FAULT_INLINE, .threads = 2 },
	};
	struct hostile other = h;
	pid_t hostile, honest[2];

	h.task.model = model_create(UNITS, 7);
	other.task.model = model_create(UNITS, 8);
	files_start_memd();
	hostile = program_start(be_hostile, &h);
	honest[0] = program_start(be_honest, &h);
	honest[1] = program_start_as(geteuid() == 0 ? OWNER : 0, be_honest,
				     &other);
	while (atomic_load(h.rounds) < BAD_ROUNDS ||
	       counter("faults_one_sided") == 0)
		usleep(10000);
	atomic_store(h.is_over, 1);
	program_expect_good(honest[0]);
	program_expect_good(honest[1]);
	program_kill(hostile);
	stop();
	model_destroy(h.task.model);
	model_destroy(other.task.model);
}

static void intents_are_held_for_ever(void **state)
{
	(void)state;
	live_beside(hostile_desk_hold_intents);
}

static void desk_is_scribbled_over(void **state)
{
	(void)state;
	live_beside(hostile_desk_scribble);
}

static void pages_are_said_to_be_there(void **state)
{
	(void)state;
	live_beside(hostile_desk_lie);
}

/* ---- pages without a credit */

static void go_past_credits(void *arg)
{
	struct hostile *h = arg;
	struct hostile_desk hd = {
		.dc = desk_client_open(&memd, 0, 0, true),
	};

	desk_client_map(&hd.dc, 2 * HOSTILE_PAST_PAGES * UNIT_BYTES);
	desk_client_ring(&hd.dc);
	(void)desk_client_poll(&hd.dc);
	hostile_desk_install(&hd);
	client_expect_error(hd.dc.fd, 0, EIO, "past memd");
	client_expect_end(hd.dc.fd);
	atomic_store(h->is_over, 1);
}

static void pages_without_credit_spoil_their_segment(void **state)
{
	struct hostile h = {
		.is_over = shared_memory(sizeof(atomic_uint)),
		.task = { .model = model_create(UNITS, 9),
			  .fault_mode = MEMCLIENT_FAULT_INLINE,
			  .threads = 2 },
	};
	pid_t honest;

	(void)state;
	files_start_memd();
	honest = program_start(be_honest, &h);
	program_run(go_past_credits, &h);
	program_expect_good(honest);
	assert_int_equal(counter("segments_spoiled"), 1);
	assert_int_equal(testmemd_log_count(&memd, "segment-spoiled"), 1);
	assert_int_equal(testadmin_await_empty(&memd), 0);
	await_nothing_lent();
	assert_int_equal(testmemd_stop(&memd), 0);
	model_destroy(h.task.model);
}

/* ---- a read that never ends */

struct holder {
	int file;
	atomic_uint *is_held;
};

struct waiting {
	struct holder *holder;
	int uffd;
};

/* Take the fault, and do not answer it. */
static void *see_fault(void *arg)
{
	struct waiting *w = arg;
	struct pollfd p = { .fd = w->uffd, .events = POLLIN };
	struct uffd_msg message;

	while (read(w->uffd, &message, sizeof(message)) !=
	       sizeof(message))
		(void)poll(&p, 1, -1);
	atomic_store(w->holder->is_held, 1);
	return NULL;
}

/* The kernel keeps the inode locked while it waits for the page. */
static void hold_file(void *arg)
{
	struct waiting w = { .holder = arg, .uffd = hostile_desk_open_uffd(0) };
	void *at = hostile_desk_map_missing(w.uffd, -1, UNIT_BYTES);
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, see_fault, &w) == 0);
	(void)!pread(w.holder->file, at, UNIT_BYTES, 0);
	dprintf(STDERR_FILENO, "the read has ended\n");
}

static void use_held(void *arg)
{
	struct task *t = arg;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = crew_of(t, area_of(t, mc));

	if (t->name == NULL)
		crew_fill(&crew);
	crew_run_until(&crew, &memd,
		       program_counter(&memd, "faults_one_sided") + ENOUGH);
	crew_verify(&crew);
	memclient_close(mc);
}

static void ask_for_pages(const struct desk_client *dc)
{
	for (uint64_t page = 0; page < UNITS; page += 97) {
		client_send_fault(dc->fd, 100 + page, dc->segment, page);
		assert_int_equal(client_receive_fault(dc->fd, 100 + page,
						      page), 0);
	}
}

static void work_on(const struct desk_client *dc, struct task *shared)
{
	struct task own = files_task(NULL);
	pid_t program[2];

	program[0] = program_start(use_held, shared);
	program[1] = program_start(use_held, &own);
	ask_for_pages(dc);
	program_expect_good(program[0]);
	program_expect_good(program[1]);
	ask_for_pages(dc);
	model_destroy(own.model);
}

/* memd stops while it is held. */
static void a_read_that_never_ends_holds_up_nobody(void **state)
{
	struct holder holder = {
		.is_held = shared_memory(sizeof(atomic_uint)),
	};
	struct desk_client dc;
	struct task t;
	int uffd = hostile_desk_open_uffd(0);
	pid_t pid;

	(void)state;
	if (uffd < 0)
		skip_case("no userfaultfd for faults in the kernel here");
	close(uffd);
	t = files_task("files");
	files_start_memd();
	dc = desk_client_open(&memd, 0, 0, true);
	files_make(&dc, &t, 0660);
	desk_client_attach(&dc, "files", false);
	program_run(files_fill, &t);
	files_await(&dc);
	holder.file = dc.file[0];
	pid = program_start(hold_file, &holder);
	program_await_word(pid, holder.is_held, 1);
	work_on(&dc, &t);
	files_drop(&dc, &t);
	assert_int_equal(testmemd_stop(&memd), 0);
	program_kill(pid);
	model_destroy(t.model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intents_are_held_for_ever),
		cmocka_unit_test(desk_is_scribbled_over),
		cmocka_unit_test(pages_are_said_to_be_there),
		cmocka_unit_test(pages_without_credit_spoil_their_segment),
		cmocka_unit_test(a_read_that_never_ends_holds_up_nobody),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL),
				ARRAY_SIZE(tests));
}
