/* SPDX-License-Identifier: MIT */
#include "tests/bench/remote_place.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HERE "10.77.0.1"
#define THERE "10.77.0.2"

void remote_place_loopback(struct remote_place *place)
{
	*place = (struct remote_place){ .name = "loopback",
					.address = "127.0.0.1",
					.here_fd = -1, .there_fd = -1 };
}

/* A new namespace, which this process is in then: a descriptor of it. */
static int make_namespace(void)
{
	if (unshare(CLONE_NEWNET) != 0 ||
	    system("ip link set lo up") != 0)
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* ip(8) takes a namespace's path for its name. */
static bool lay_cable(const struct remote_place *place)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "ip link add cable type veth peer name cable netns "
		 "/proc/%d/fd/%d && ip addr add " HERE "/24 dev cable && "
		 "ip link set cable up", getpid(), place->there_fd);
	if (system(command) != 0)
		return false;
	remote_place_enter(place);
	snprintf(command, sizeof(command),
		 "ip addr add " THERE "/24 dev cable && ip link set cable up");
	if (system(command) != 0)
		return false;
	remote_place_leave(place);
	return true;
}

int remote_place_veth(struct remote_place *place)
{
	*place = (struct remote_place){ .name = "veth", .address = THERE,
					.here_fd = -1, .there_fd = -1 };
	place->there_fd = make_namespace();
	if (place->there_fd >= 0)
		place->here_fd = make_namespace();
	if (place->here_fd >= 0 && lay_cable(place))
		return 0;
	fprintf(stderr, "network namespaces and ip(8) with veth cannot be had "
		"here: not root?\n");
	return -1;
}

static void move_to(int fd)
{
	if (fd >= 0 && setns(fd, CLONE_NEWNET) != 0) {
		perror("setns");
		exit(EXIT_FAILURE);
	}
}

void remote_place_enter(const struct remote_place *place)
{
	move_to(place->there_fd);
}

void remote_place_leave(const struct remote_place *place)
{
	move_to(place->here_fd);
}

int remote_place_listen(const struct remote_place *place,
			struct sockaddr_in *ret_sin)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t length = sizeof(sin);
	int fd;

	remote_place_enter(place);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	remote_place_leave(place);
	sin.sin_addr.s_addr = inet_addr(place->address);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    listen(fd, 4) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &length) != 0) {
		perror("listen");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*ret_sin = sin;
	return fd;
}
