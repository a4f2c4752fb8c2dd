/* SPDX-License-Identifier: MIT */
/* memd's side of the handover.  The helper's side is in punch_helper.c.
 *
 *             start             its punch does not come back
 *    DEAD ──────────────▶ READY ──────────────▶ STUCK
 *     ▲                   │   ▲                 │   │
 *     │                   │   └─────────────────┘   │
 *     └───────────────────┘    the punch is back    │
 *     └─────────────────────────────────────────────┘
 *       its process has ended
 *
 *   H1  Exactly while the puncher is READY or STUCK it has a socket and a
 *       process that was not waited for.
 *   H2  asked == answered exactly while nothing is handed over.  A STUCK
 *       puncher whose answer has come becomes READY in puncher_has_come_back().
 *
 * The helper is bound to the CPU that memd runs on.  There a handover is two
 * context switches (about 4 us); on another CPU it may have to wake the CPU. */
#include "daemon/backing/puncher.h"

#include "common/checks.h"
#include "common/clock.h"
#include "daemon/backing/punch_helper.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { LOOK_MS = 50 };		/* how often to look at a slow helper */

/* The limit if /proc does not tell the state of the process. */
#define PATIENCE_BLIND_NS	UINT64_C(60000000000)

#define OWNER_NONE		UINT32_MAX	/* not a uid */

static const uint8_t puncher_may_enter[PUNCHER_STATES] = {
	[PUNCHER_DEAD] = BIT(PUNCHER_READY),
	[PUNCHER_READY] = BIT(PUNCHER_STUCK) | BIT(PUNCHER_DEAD),
	[PUNCHER_STUCK] = BIT(PUNCHER_READY) | BIT(PUNCHER_DEAD),
};

static void puncher_enter(struct puncher *p, enum puncher_state next)
{
	ASSERT(puncher_may_enter[p->state] & BIT(next));
	p->state = next;
}

/* ---- the process */

static int open_handover(struct puncher *p)
{
	int fd = memfd_create("memd:handover", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	p->handover = MAP_FAILED;
	if (ftruncate(fd, sizeof(*p->handover)) == 0)
		p->handover = mmap(NULL, sizeof(*p->handover),
				   PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p->handover != MAP_FAILED)
		return fd;
	p->handover = NULL;
	close(fd);
	return -ENOMEM;
}

static void drop_handover(struct puncher *p)
{
	if (p->handover != NULL)
		munmap(p->handover, sizeof(*p->handover));
	p->handover = NULL;
}

/* is_first: the process has nothing yet that a child could inherit, so fork()
 * will do. */
static int start_process(struct puncher *p, int handover_fd, int socket,
			 bool is_first)
{
	pid_t parent = getpid();

	if (!is_first)
		return punch_helper_spawn(handover_fd, socket, &p->pid);
	p->pid = fork();
	if (p->pid == 0)
		punch_helper_run(p->handover, socket, parent);
	return p->pid < 0 ? -EAGAIN : 0;
}

int puncher_start(struct puncher *p, bool is_first)
{
	int fd, pair[2], err;

	p->started_ns = clock_now_ns();
	drop_handover(p);
	fd = open_handover(p);
	if (fd < 0)
		return fd;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	err = start_process(p, fd, pair[1], is_first);
	close(fd);
	close(pair[1]);
	if (err != 0) {
		close(pair[0]);
		return err;
	}
	p->socket = pair[0];
	p->cpu = -1;
	p->file = 0;
	p->is_bindable = true;
	puncher_enter(p, PUNCHER_READY);
	return 0;
}

static bool has_answered(const struct puncher *p)
{
	return atomic_load(&p->handover->answered) ==
	       atomic_load(&p->handover->asked);
}

void puncher_end(struct puncher *p)
{
	if (p->state != PUNCHER_DEAD) {
		close(p->socket);
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL,
			      has_answered(p) ? 0 : WNOHANG);
	}
	drop_handover(p);
}

bool puncher_is_alive(struct puncher *p)
{
	if (waitpid(p->pid, NULL, WNOHANG) == 0)
		return true;
	close(p->socket);
	puncher_enter(p, PUNCHER_DEAD);
	return false;
}

bool puncher_has_come_back(struct puncher *p)
{
	if (!has_answered(p))
		return !puncher_is_alive(p);
	puncher_enter(p, PUNCHER_READY);
	return true;
}

/* ---- handing over */

int puncher_send_fd(const struct puncher *p, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(p->socket, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static void bind_beside(struct puncher *p)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu == p->cpu || cpu < 0 || cpu >= CPU_SETSIZE ||
	    !p->is_bindable)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	p->is_bindable = sched_setaffinity(p->pid, sizeof(set), &set) == 0;
	p->cpu = cpu;
}

/* The helper's CPU may be too busy for it: let it run on any CPU. */
static void unbind(struct puncher *p)
{
	cpu_set_t set;

	if (p->cpu < 0)
		return;
	memset(&set, 0xff, sizeof(set));
	(void)sched_setaffinity(p->pid, sizeof(set), &set);
	p->cpu = -1;
}

/* Read from /proc the state of the process, and how many times it has slept so
 * far.  False: /proc does not tell. */
static bool read_proc_status(pid_t pid, char *ret_state, uint64_t *ret_sleep)
{
	char path[64], line[256], state = '?';
	unsigned long long sleep = 0;
	bool is_known = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL) {
		(void)sscanf(line, "State: %c", &state);
		is_known |= sscanf(line, "voluntary_ctxt_switches: %llu",
				   &sleep) == 1;
	}
	fclose(file);
	*ret_state = state;
	*ret_sleep = sleep;
	return is_known && state != '?';
}

/* The helper sleeps in the last run that it has claimed: take the other runs
 * away from it.  False: it has claimed another run meanwhile. */
static bool take_work_back(struct handover *ho, uint32_t claim)
{
	return atomic_compare_exchange_strong(&ho->claim, &claim, CLAIM_NONE);
}

/* Wait for the answer.  Returns 0; -ECHILD: the helper has ended; -ETIMEDOUT:
 * it is stuck.  In the last two cases *ret_claim is the number of runs that
 * were claimed.  patience_ns[i] is for run i. */
static int await_answer(struct puncher *p, uint32_t number,
			const uint64_t *patience_ns, uint32_t *ret_claim)
{
	struct handover *ho = p->handover;
	uint64_t start_ns = 0, since_ns = 0, sleep = 0, last_sleep = 0;
	bool was_blocked = false;

	while (atomic_load(&ho->answered) != number) {
		bool is_blocked, is_over;
		uint64_t now_ns;
		uint32_t claim;
		char state;

		handover_wait(&ho->answered, number - 1, LOOK_MS);
		if (atomic_load(&ho->answered) == number)
			break;
		if (!puncher_is_alive(p)) {
			*ret_claim = atomic_load(&ho->claim);
			return -ECHILD;
		}
		unbind(p);
		now_ns = clock_now_ns();
		if (start_ns == 0)
			start_ns = now_ns;
		claim = atomic_load(&ho->claim);
		if (read_proc_status(p->pid, &state, &sleep)) {
			is_blocked = state == 'D';
			/* The helper was stopped by a signal: end it, and
			 * another does its work. */
			if (state == 'T')
				(void)kill(p->pid, SIGKILL);
			if (!is_blocked || !was_blocked || sleep != last_sleep)
				since_ns = now_ns;
			is_over = is_blocked && now_ns - since_ns >=
				  patience_ns[claim != 0 ? claim - 1 : 0];
		} else {
			is_blocked = false;
			is_over = now_ns - start_ns > PATIENCE_BLIND_NS;
		}
		was_blocked = is_blocked;
		last_sleep = sleep;
		if (is_over && take_work_back(ho, claim)) {
			*ret_claim = claim;
			return -ETIMEDOUT;
		}
	}
	return 0;
}

/* Hand over the request in p->handover. */
int puncher_ask(struct puncher *p, enum handover_kind kind,
		const uint64_t *patience_ns, uint32_t *ret_claim)
{
	struct handover *ho = p->handover;
	uint32_t number = atomic_load(&ho->asked) + 1;

	ho->kind = kind;
	atomic_store(&ho->claim, 0);
	bind_beside(p);
	atomic_store(&ho->asked, number);
	handover_wake(&ho->asked);
	return await_answer(p, number, patience_ns, ret_claim);
}

void puncher_get_stuck(struct puncher *p, uint32_t file, uint32_t owner)
{
	puncher_enter(p, PUNCHER_STUCK);
	p->file = file;
	p->owner = owner;
}

int puncher_tell(struct puncher *p, enum handover_kind kind)
{
	const uint64_t patience_ns = PUNCHER_PATIENCE_NS;
	uint32_t claim;
	int err = puncher_ask(p, kind, &patience_ns, &claim);

	if (err == -ETIMEDOUT)
		puncher_get_stuck(p, 0, OWNER_NONE);
	return err != 0 ? -ECHILD : 0;
}
