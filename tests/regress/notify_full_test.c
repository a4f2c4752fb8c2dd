/* SPDX-License-Identifier: MIT */
/* A service manager that reads no messages must not stop memd.
 *
 * sd_notify(3) waits when the manager's socket is full; memd hung in its
 * status line, and with it all clients.  Here the socket is filled first,
 * then memd is given reasons to send more, and must go on answering.
 *
 * And a manager that is only slow must get what it waits for: memd dropped
 * READY=1 after a reload like any status line. */
#include "tests/integration/testadmin.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static int goes_on_answering(struct testmemd *tm)
{
	struct testadmin_status status;
	int err = fill(tm->notify_fd);

	if (err != 0)
		perror("filling the notify socket");
	for (int i = 0; i < 3 && err == 0; i++) {
		usleep(1200000);
		err = testadmin_status(tm, &status);
	}
	return err;
}

/* Reads all there is.  Returns whether READY=1 was in it. */
static bool is_told_ready(const struct testmemd *tm)
{
	bool is_told = false;
	char text[512];
	ssize_t n;

	while ((n = recv(tm->notify_fd, text, sizeof(text) - 1,
			 MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		is_told |= strncmp(text, "READY=1", 7) == 0;
	}
	return is_told;
}

/* The pause is for memd to find the socket full; were it too short, there would
 * be room at once. */
static int tells_a_slow_manager(struct testmemd *tm)
{
	(void)is_told_ready(tm);
	if (fill(tm->notify_fd) != 0 || kill(tm->pid, SIGHUP) != 0)
		return -1;
	usleep(200000);
	while (!is_told_ready(tm))
		usleep(1000);
	return 0;
}

int main(void)
{
	struct testmemd tm;
	int failed = 0;

	/* A memd that hangs must not hang its test. */
	alarm(60);
	/* With a watchdog it has something to say every second. */
	setenv("WATCHDOG_USEC", "60000000", 1);
	if (testmemd_start(&tm, NULL) != 0)
		return 1;
	if (goes_on_answering(&tm) != 0 || tells_a_slow_manager(&tm) != 0)
		failed = 1;
	if (testmemd_stop(&tm) != 0)
		failed = 1;
	printf("notify_full_test: %s\n", failed ? "FAILED" : "ok");
	return failed;
}
