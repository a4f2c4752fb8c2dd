/* SPDX-License-Identifier: MIT */
#include "tests/integration/files_segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

void files_start_memd(void)
{
	start("--log-level=info", NULL);
	assert_int_equal(chmod(memd.dir, 0711), 0);
	assert_int_equal(chmod(memd.socket, 0666), 0);
}

struct task files_task(const char *name)
{
	return (struct task){
		.model = model_create(UNITS, 10),
		.name = name,
		.fault_mode = MEMCLIENT_FAULT_INLINE,
		.threads = 2,
	};
}

void files_make(const struct desk_client *owner, const struct task *t,
		uint32_t mode)
{
	struct answer a;

	client_send_create(owner->fd, 7, t->name, BYTES, mode);
	client_receive(owner->fd, T(SEGMENT_REPLY), 7, &a);
	answer_free(&a);
}

void files_fill(void *task)
{
	const struct task *t = task;
	struct memclient *mc = program_open(&memd, 0);
	struct crew crew = crew_of(t, program_attach(mc, t->name,
						     MEMCLIENT_FAULT_THREAD));

	crew_fill(&crew);
	memclient_close(mc);
}

void files_await(struct desk_client *dc)
{
	for (unsigned i = 0; desk_client_poll(dc) == 0; i++) {
		assert_true(i < 6000);
		usleep(10000);
	}
}

void files_drop(struct desk_client *owner, const struct task *t)
{
	Memd__SegmentUnlink unlink_it = MEMD__SEGMENT_UNLINK__INIT;

	unlink_it.name = (char *)t->name;
	client_send(owner->fd, T(SEGMENT_UNLINK), 9, &unlink_it.base);
	client_expect_ok(owner->fd, 9);
	desk_client_close(owner);
}
