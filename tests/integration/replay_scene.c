/* SPDX-License-Identifier: MIT */
#include "tests/integration/replay_scene.h"

#include "proto/limits.h"
#include "tests/integration/daemon_client.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct replay_scene scene = { .admin = -1 };

int scene_begin(const char *const *flags)
{
	if (testmemd_start(&scene.memd, flags) != 0)
		return -1;
	scene.admin = client_open(&scene.memd, true, NULL);
	return 0;
}

int scene_end(void)
{
	close(scene.admin);
	return testmemd_stop(&scene.memd);
}

/* ---- segments */

struct memclient *scene_open(void)
{
	struct memclient_options o = { .size = sizeof(o),
				       .timeout_ms = 60000 };
	struct memclient *mc = NULL;

	if (memclient_open(scene.memd.socket, &o, &mc) != 0)
		fail_msg("%s", memclient_error(NULL));
	return mc;
}

uint8_t *scene_attach(struct memclient *mc, const char *name)
{
	void *p = NULL;

	if (memclient_attach(mc, name, NULL, &p, NULL) != 0)
		fail_msg("%s", memclient_error(mc));
	return p;
}

static uint64_t scene_word(uint64_t page)
{
	return (page + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

void scene_fill(uint8_t *p, uint64_t pages)
{
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t word = scene_word(page);

		memcpy(p + page * PAGE + page % 500 * 8, &word, sizeof(word));
	}
}

void scene_verify(const uint8_t *p, uint64_t page)
{
	static const uint8_t zeros[PAGE];
	uint64_t at = page % 500 * 8, word = scene_word(page);

	p += page * PAGE;
	assert_memory_equal(p + at, &word, sizeof(word));
	assert_memory_equal(p, zeros, at);
	assert_memory_equal(p + at + 8, zeros, PAGE - 8 - at);
}

/* More than once: what is being read ahead meanwhile comes in behind the
 * eviction. */
void scene_evict_all(void)
{
	Memd__EvictRequest request = MEMD__EVICT_REQUEST__INIT;
	struct answer a;

	do {
		client_send(scene.admin, T(EVICT), 50, &request.base);
		client_receive(scene.admin, T(EVICT_REPLY), 50, &a);
		answer_free(&a);
		client_await_counter(scene.admin, "evicting_frames", 0);
		client_await_counter(scene.admin, "loading_frames", 0);
	} while (client_counter(scene.admin, "resident_frames") != 0);
}

void scene_make(const char *name, uint32_t page_size)
{
	struct memclient_segment_options o = { .size = sizeof(o),
					       .page_size = page_size };
	struct memclient *mc = scene_open();

	if (memclient_segment_create(mc, name, PAGES * PAGE, &o) != 0)
		fail_msg("%s", memclient_error(mc));
	scene_fill(scene_attach(mc, name), PAGES);
	memclient_close(mc);
	scene_evict_all();
}

void scene_remove(const char *name)
{
	struct memclient *mc = scene_open();

	assert_int_equal(memclient_segment_unlink(mc, name), 0);
	memclient_close(mc);
}

void scene_expect_empty(void)
{
	client_await_counter(scene.admin, "committed_units", 0);
	client_await_counter(scene.admin, "free_frames",
			     client_counter(scene.admin, "frame_count"));
	client_await_counter(scene.admin, "free_slots",
			     client_counter(scene.admin, "slot_count"));
	assert_int_equal(client_counter(scene.admin, "pages_lost"), 0);
}

/* ---- memctl's */

pid_t scene_spawn(const char *first, const char *second)
{
	char *argv[] = { (char *)MEMCTL_PATH, (char *)"--socket",
			 scene.memd.socket, (char *)"-oraw", (char *)first,
			 (char *)second, NULL };
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv,
				     environ), 0);
	return pid;
}

void scene_expect_success(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* memd has had two messages then, Hello and Trace, besides our questions for
 * it. */
pid_t scene_start_trace(const char *save_option)
{
	uint64_t base = client_counter(scene.admin, "messages_in");
	pid_t pid = scene_spawn("trace", save_option);

	for (uint64_t asked = 1; client_counter(scene.admin, "messages_in") <
				 base + asked + 2; asked++) {
		assert_true(asked < 6000);
		poll(NULL, 0, 10);
	}
	return pid;
}

void scene_end_trace(pid_t pid)
{
	/* Sent with the turn of the loop before the second answer. */
	(void)client_counter(scene.admin, "messages_in");
	(void)client_counter(scene.admin, "messages_in");
	assert_int_equal(kill(pid, SIGINT), 0);
	scene_expect_success(pid);
}

/* ---- an administrator's */

void scene_send(const char *name, const uint64_t (*range)[2], size_t count)
{
	Memd__ReplayRequest request = MEMD__REPLAY_REQUEST__INIT;
	static Memd__Range ranges[WIRE_RANGES_MAX + 1];
	static Memd__Range *pointer[WIRE_RANGES_MAX + 1];

	for (size_t i = 0; i < count; i++) {
		memd__range__init(&ranges[i]);
		ranges[i].first = range != NULL ? range[i][0] : i;
		ranges[i].count = range != NULL ? range[i][1] : 1;
		pointer[i] = &ranges[i];
	}
	request.name = (char *)name;
	request.n_range = count;
	request.range = pointer;
	client_send(scene.admin, T(REPLAY), 60, &request.base);
}

uint64_t scene_receive(bool *ret_is_short)
{
	Memd__ReplayReply *reply;
	struct answer a;
	uint64_t pages;

	client_receive(scene.admin, T(REPLAY_REPLY), 60, &a);
	reply = answer_unpack(&a, &memd__replay_reply__descriptor);
	pages = reply->pages;
	*ret_is_short = reply->is_short;
	memd__replay_reply__free_unpacked(reply, NULL);
	answer_free(&a);
	return pages;
}
