/* SPDX-License-Identifier: MIT */
/* A service manager that reads no messages must not stop memd.
 *
 * sd_notify(3) waits when the manager's socket is full; memd hung in its
 * status line, and with it all clients.  Here the socket is filled first,
 * then memd is given reasons to send more, and must go on answering. */
#include "tests/integration/testadmin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Send to memd's manager (us) until nothing more fits. */
static int fill(int notify_fd)
{
	struct sockaddr_un sun;
	socklen_t length = sizeof(sun);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ssize_t sent;

	if (fd < 0 ||
	    getsockname(notify_fd, (struct sockaddr *)&sun, &length) != 0)
		return -1;
	do
		sent = sendto(fd, "X=1", 3, 0, (struct sockaddr *)&sun, length);
	while (sent == 3);
	close(fd);
	return errno == EAGAIN ? 0 : -1;
}

int main(void)
{
	struct testadmin_status status;
	struct testmemd tm;
	int failed = 0;

	/* A memd that hangs must not hang its test. */
	alarm(60);
	/* With a watchdog it has something to say every second. */
	setenv("WATCHDOG_USEC", "60000000", 1);
	if (testmemd_start(&tm, NULL) != 0)
		return 1;
	if (fill(tm.notify_fd) != 0) {
		perror("filling the notify socket");
		failed = 1;
	}
	for (int i = 0; i < 3 && failed == 0; i++) {
		usleep(1200000);
		failed = testadmin_status(&tm, &status) != 0;
	}
	if (testmemd_stop(&tm) != 0)
		failed = 1;
	printf("notify_full_test: %s\n", failed ? "FAILED" : "ok");
	return failed;
}
