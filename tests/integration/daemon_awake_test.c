/* SPDX-License-Identifier: MIT */
/* Proves that memd is awake for whom it has answered, even if it slept before
 * it could: the next question in the mailbox needs no Ring, and is answered.
 * What takes long is a page of another memd's, which is stopped meanwhile.
 *
 * memd is awake for busy_poll after the answer.  Each question that comes
 * before that can be over is a proof; one that comes later says nothing. */
#include "common/clock.h"
#include "tests/integration/mailbox_client.h"
#include "tests/integration/store_hosts.h"
#include "tests/skip.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES = 1 << 20, TRIES = 200, PROOFS = 20, PATIENCE_S = 120 };
#define BUSY_POLL	"10000"			/* the most there can be, */
#define BUSY_POLL_NS	UINT64_C(10000000)	/* the same */

static struct store_hosts hosts;
static struct testmemd memd;

static void start_memd(void)
{
	char address[64];
	const char *const flags[] = { "--store=remote", address,
				      "--swap-size=16M",
				      "--busy-poll=" BUSY_POLL, NULL };

	store_hosts_start(&hosts, 0);
	snprintf(address, sizeof(address), "--store-address=127.0.0.1:%u",
		 hosts.port[0]);
	assert_int_equal(testmemd_start(&memd, flags), 0);
}

static void ask(const struct mailbox_client *mc, uint64_t id)
{
	mailbox_client_ask_page(mc, 0, id, 0);
	mailbox_client_ring(mc);
}

static void dirty_page(const struct mailbox_client *mc, uint8_t value)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			     mc->data, 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	memset(page, value, 4096);
	munmap(page, 4096);
}

/* Ask for a page that cannot be had now, wait until memd sleeps, have it
 * answered, and ask for another one: is memd awake?  False: that says nothing,
 * because it had the page after all, from what it had not sent yet, or because
 * this took too long. */
static bool ask_and_wait(const struct mailbox_client *mc, uint64_t id)
{
	const struct mailbox_cell *cell = &mc->box->cell[0];
	bool has_slept, is_awake, is_soon;
	uint64_t before_ns;

	assert_int_equal(kill(hosts.memd[0].pid, SIGSTOP), 0);
	ask(mc, id);
	while (atomic_load(&cell->state) == CELL_ASKED &&
	       atomic_load(&mc->box->daemon_sleeps) == 0)
		usleep(1000);
	before_ns = clock_now_ns();
	has_slept = atomic_load(&cell->state) == CELL_ASKED;
	assert_int_equal(kill(hosts.memd[0].pid, SIGCONT), 0);
	while (atomic_load(&cell->state) == CELL_ASKED)
		;
	/* As a client does, M2: who says that he is awake has to look. */
	mailbox_client_ask_page(mc, 1, id, 1);
	is_awake = atomic_load(&mc->box->daemon_sleeps) == 0;
	is_soon = clock_now_ns() < before_ns + BUSY_POLL_NS;
	if (!is_awake)
		mailbox_client_ring(mc);
	assert_int_equal(mailbox_client_take_page(mc, 0, id, 0), 0);
	assert_int_equal(mailbox_client_take_page(mc, 1, id, 1), 0);
	assert_true(is_awake || !has_slept || !is_soon);
	return has_slept && is_soon;
}

static void the_answered_need_not_ring(void **state)
{
	struct mailbox_client mc;
	unsigned proofs = 0;
	uint64_t id = 1;

	(void)state;
	alarm(PATIENCE_S);	/* what is never answered ends here */
	start_memd();
	mc = mailbox_client_open(&memd, BYTES);
	ask(&mc, id);
	assert_int_equal(mailbox_client_take_page(&mc, 0, id, 0), 0);
	for (unsigned i = 0; i < TRIES && proofs < PROOFS; i++) {
		dirty_page(&mc, (uint8_t)(i + 1));
		client_send_advise(mc.fd, ++id, mc.segment, 0, 1,
				   MEMD__ADVICE__ADVICE_PAGEOUT);
		client_expect_ok(mc.fd, id);
		usleep(10000);
		if (ask_and_wait(&mc, ++id))
			proofs++;
	}
	/* And when it sleeps again, it is rung. */
	while (atomic_load(&mc.box->daemon_sleeps) == 0)
		usleep(1000);
	ask(&mc, ++id);
	assert_int_equal(mailbox_client_take_page(&mc, 0, id, 0), 0);
	mailbox_client_close(&mc);
	assert_int_equal(testmemd_stop(&memd), 0);
	store_hosts_stop(&hosts);
	if (proofs == 0)
		skip_case("this machine is too slow to ask within %s us",
			  BUSY_POLL);
	print_message("asked in time %u times\n", proofs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answered_need_not_ring),
	};

	return skip_exit_status(cmocka_run_group_tests(tests, NULL, NULL), 1);
}
