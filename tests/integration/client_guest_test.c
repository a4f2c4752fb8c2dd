/* SPDX-License-Identifier: MIT */
/* The library as a guest in somebody's process.  Proves that it closes no
 * descriptor but its own, whoever has used their numbers meanwhile, and that
 * none of its own is 0, 1 or 2. */
#include "tests/integration/client_helpers.h"

#include <fcntl.h>
#include <sys/stat.h>

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

/* ---- main */

#define TEST(body) CLIENT_TEST(&fake, body)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_its_own_are_closed),
		TEST(none_is_a_standard_one),
	};
	int failed;

	fake_start(&fake);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop(&fake);
	return failed;
}
