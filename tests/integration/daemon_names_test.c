/* SPDX-License-Identifier: MIT */
/* Proves that memd knows groups and users of a directory service, not of
 * /etc/group and /etc/passwd alone, and that a service that does not answer
 * keeps nobody waiting.  The service is nss_service.c; nsswitch.conf names it
 * in a mount namespace of this test's. */
#include "tests/integration/daemon_client.h"
#include "tests/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static struct testmemd memd;
static int fd = -1;

/* memd's answer to a segment of that group: 0, or the error's number. */
static int create(uint64_t id, const char *name, const char *group)
{
	Memd__SegmentCreate request = MEMD__SEGMENT_CREATE__INIT;
	struct answer a;
	int result = 0;

	request.length_bytes = MIB;
	request.name = (char *)name;
	request.group = (char *)group;
	client_send(fd, T(SEGMENT_CREATE), id, &request.base);
	assert_true(client_try_receive(fd, &a));
	assert_int_equal(a.header.request_id, id);
	if (a.header.type == T(ERROR)) {
		Memd__Error *error = answer_unpack(&a,
						   &memd__error__descriptor);

		result = (int)error->code;
		memd__error__free_unpacked(error, NULL);
	}
	answer_free(&a);
	return result;
}

static void a_service_is_asked(void **state)
{
	int result = EAGAIN;

	(void)state;
	for (uint64_t id = 10; result == EAGAIN; id++) {
		result = create(id, "one", "served");
		usleep(1000);
	}
	assert_int_equal(result, 0);
	/* The answer is kept. */
	assert_int_equal(create(5, "two", "served"), 0);
	result = EAGAIN;
	for (uint64_t id = 1000; result == EAGAIN; id++) {
		result = create(id, "three", "unknown-to-all");
		usleep(1000);
	}
	assert_int_equal(result, EINVAL);
}

static void a_silent_service_keeps_nobody_waiting(void **state)
{
	(void)state;
	for (uint64_t id = 10; id < 20; id++)
		assert_int_equal(create(id, "four", "silent"), EAGAIN);
	assert_int_equal(create(20, "five", "served"), 0);
	assert_int_equal(create(21, "six", "0"), 0);
}

static void the_admin_group_may_be_of_a_service(void **state)
{
	const char *const check[] = { "--check", "--socket=@none",
				      "--admin-group=served", NULL };
	static char output[16384];

	(void)state;
	assert_int_equal(testmemd_log_count(&memd, "admin-group"), 0);
	(void)testmemd_run(check, output, sizeof(output));
	assert_non_null(strstr(output, "ok    admin group: served is gid "
			       "54321\n"));
}

/* ---- */

static int name_the_service(void)
{
	char path[TEMPORARY_BYTES];
	static const char text[] = "passwd: files memdtest\n"
				   "group: files memdtest\n";
	int file, err;

	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -1;
	file = mkstemp(temporary_template("memd-nss", path));
	if (file < 0)
		return -1;
	err = write(file, text, strlen(text)) != (ssize_t)strlen(text) ||
	      mount(path, "/etc/nsswitch.conf", NULL, MS_BIND, NULL) != 0;
	close(file);
	(void)unlink(path);
	return err ? -1 : 0;
}

static int begin(void **state)
{
	const char *const flags[] = { "--admin-group=served", NULL };

	(void)state;
	if (testmemd_start(&memd, flags) != 0)
		return -1;
	fd = client_open(&memd, false, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(fd);
	return testmemd_stop(&memd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_is_asked),
		cmocka_unit_test(a_silent_service_keeps_nobody_waiting),
		cmocka_unit_test(the_admin_group_may_be_of_a_service),
	};

	if (geteuid() != 0 || name_the_service() != 0) {
		printf("skip: no mount namespace, or no nsswitch.conf\n");
		return 77;
	}
	setenv("LD_LIBRARY_PATH", NSS_SERVICE_FOLDER, 1);
	return cmocka_run_group_tests(tests, begin, end);
}
