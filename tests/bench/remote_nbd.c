/* SPDX-License-Identifier: MIT */
/* A well-known way to read another host's memory, for comparison: nbdkit's
 * memory plugin, over TCP, read with libnbd. */
#include "tests/bench/remote.h"

#ifdef MEMD_HAVE_NBD

#include "common/clock.h"
#include <arpa/inet.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSED_FD = 3, EXIT_NONE = 127 };

/* nbdkit takes its socket as from systemd. */
static _Noreturn void become_nbdkit(int listener)
{
	char pid[16], size[32];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (listener == PASSED_FD)
		listener = dup(listener);
	if (dup2(listener, PASSED_FD) != PASSED_FD)
		_exit(EXIT_NONE);
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(size, sizeof(size), "%d", REMOTE_SPACE_BYTES);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	execlp("nbdkit", "nbdkit", "--foreground", "memory", size,
	       (char *)NULL);
	_exit(EXIT_NONE);
}

struct run {
	struct nbd_handle *nbd;
	const struct remote_work *work;
	struct remote_meter *meter;
	char *buffers;
	uint64_t sent_ns[REMOTE_DEPTH_MAX];
	int64_t cookie[REMOTE_DEPTH_MAX];
	size_t asked;
};

static bool ask(struct run *run, unsigned place)
{
	uint64_t offset = remote_offset(run->work, run->asked++);

	run->sent_ns[place] = clock_now_ns();
	run->cookie[place] = nbd_aio_pread(
		run->nbd, run->buffers + place * run->work->block_bytes,
		run->work->block_bytes, offset, NBD_NULL_COMPLETION, 0);
	return run->cookie[place] >= 0;
}

static bool take_ended(struct run *run)
{
	for (unsigned place = 0; place < run->work->depth; place++) {
		if (run->cookie[place] < 0 ||
		    nbd_aio_command_completed(run->nbd, (uint64_t)
					      run->cookie[place]) != 1)
			continue;
		run->cookie[place] = -1;
		remote_meter_add(run->meter, clock_now_ns() -
					     run->sent_ns[place]);
		if (run->asked < run->work->count && !ask(run, place))
			return false;
	}
	return true;
}

static bool read_all(struct run *run)
{
	for (unsigned i = 0; i < REMOTE_DEPTH_MAX; i++)
		run->cookie[i] = -1;
	for (unsigned i = 0; i < run->work->depth; i++)
		if (run->asked < run->work->count && !ask(run, i))
			return false;
	while (run->meter->count < run->work->count)
		if (nbd_poll(run->nbd, -1) < 0 || !take_ended(run))
			return false;
	return true;
}

static bool connect_to(struct nbd_handle *nbd, const struct sockaddr_in *sin)
{
	char host[INET_ADDRSTRLEN], port[16];

	snprintf(port, sizeof(port), "%u", ntohs(sin->sin_port));
	return inet_ntop(AF_INET, &sin->sin_addr, host, sizeof(host)) != NULL &&
	       nbd_connect_tcp(nbd, host, port) == 0;
}

static int measure(const struct sockaddr_in *sin,
		   const struct remote_work *work,
		   struct remote_result *ret_result)
{
	struct remote_meter m = { 0 };
	struct run run = { .work = work, .meter = &m };
	bool is_good;

	run.nbd = nbd_create();
	run.buffers = calloc(work->depth, work->block_bytes);
	is_good = run.nbd != NULL && run.buffers != NULL &&
		  connect_to(run.nbd, sin) &&
		  remote_meter_init(&m, work->count) == 0 && read_all(&run);
	if (!is_good)
		fprintf(stderr, "nbd: %s\n", nbd_get_error());
	remote_meter_end(&m, ret_result);
	if (run.nbd != NULL)
		nbd_close(run.nbd);
	free(run.buffers);
	return is_good ? 0 : -1;
}

static bool has_nbdkit(void)
{
	return system("nbdkit --version >/dev/null 2>&1") == 0;
}

int remote_nbd(const struct remote_place *place,
	       const struct remote_work *work,
	       struct remote_result *ret_result)
{
	struct sockaddr_in sin;
	int listener, err;
	pid_t pid;

	*ret_result = (struct remote_result){ .is_done = false };
	if (!has_nbdkit())
		return 0;
	listener = remote_place_listen(place, &sin);
	if (listener < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		become_nbdkit(listener);
	close(listener);
	if (pid < 0)
		return -1;
	err = measure(&sin, work, ret_result);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return err;
}

#else

int remote_nbd(const struct remote_place *place,
	       const struct remote_work *work,
	       struct remote_result *ret_result)
{
	(void)place;
	(void)work;
	*ret_result = (struct remote_result){ .is_done = false };
	return 0;
}

#endif
