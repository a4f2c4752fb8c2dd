/* SPDX-License-Identifier: MIT */
/* memd's side of the handover.  The helper's side is in punch_helper.c.
 *
 *             start            post
 *    DEAD ──────────────▶ READY ──▶ BUSY ◀─┐ post
 *     ▲                   │ ▲        │ │ └─┘
 *     │ its process       │ └────────┘ │
 *     │ has ended         │  look: all │
 *     └───────────────────┴──is done───┘
 *
 *   H1  Exactly while the puncher is READY or BUSY it has a socket and a
 *       process that was not waited for.
 *   H2  asked == seen exactly while the puncher is READY.  An order is written
 *       only where the one before it in the ring was seen to be done: no
 *       result is lost.
 *   H3  knows[file] only if the helper's descriptor of that number is of that
 *       file, or will be when it has carried out its orders: orders and
 *       messages are in the same order.  A number that means another file has
 *       a DROP or a TRUNCATE in the ring, or must_drop_all is set, which the
 *       next post puts there first. */
#include "daemon/backing/puncher.h"

#include "common/clock.h"
#include "daemon/backing/punch_helper.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Looks after which a puncher counts as stuck if /proc does not tell. */
enum { LOOKS_BLIND = 60 };

static const uint8_t puncher_may_enter[PUNCHER_STATES] = {
	[PUNCHER_DEAD] = BIT(PUNCHER_READY),
	[PUNCHER_READY] = BIT(PUNCHER_BUSY) | BIT(PUNCHER_DEAD),
	[PUNCHER_BUSY] = BIT(PUNCHER_READY) | BIT(PUNCHER_DEAD),
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
	free(p->knows);
	p->knows = NULL;
}

/* is_first: the process has nothing yet that a child could inherit, so fork()
 * will do. */
static int start_process(struct puncher *p, const struct punch_helper_fds *fds,
			 bool is_first)
{
	pid_t parent = getpid();

	if (!is_first)
		return punch_helper_spawn(fds, &p->pid);
	p->pid = fork();
	if (p->pid == 0)
		punch_helper_run(p->handover, fds, parent);
	return p->pid < 0 ? -EAGAIN : 0;
}

int puncher_start(struct puncher *p, const struct puncher_ground *ground,
		  bool is_first)
{
	struct punch_helper_fds fds = { .event = ground->event_fd };
	int pair[2], err;

	p->started_ns = clock_now_ns();
	drop_handover(p);
	fds.handover = open_handover(p);
	if (fds.handover < 0)
		return fds.handover;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		err = -errno;
		close(fds.handover);
		return err;
	}
	fds.socket = pair[1];
	err = start_process(p, &fds, is_first);
	close(fds.handover);
	close(pair[1]);
	if (err != 0) {
		close(pair[0]);
		return err;
	}
	p->socket = pair[0];
	p->starts++;
	p->cpu = -1;
	p->is_bindable = true;
	p->asked = p->seen = 0;
	p->must_drop_all = false;
	puncher_enter(p, PUNCHER_READY);
	return 0;
}

void puncher_end(struct puncher *p)
{
	if (p->state != PUNCHER_DEAD) {
		close(p->socket);
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL,
			      p->state == PUNCHER_READY ? 0 : WNOHANG);
		puncher_enter(p, PUNCHER_DEAD);
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

/* ---- files */

static int send_file(const struct puncher *p, uint32_t file, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &file, sizeof(file) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(p->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       sizeof(file) ? 0 : -errno;
}

static uint32_t room(const struct puncher *p)
{
	return HANDOVER_ORDERS - (p->asked - p->seen);
}

/* Write one order; publish() gives it to the helper. */
static struct handover_order *add_order(struct puncher *p,
					enum handover_kind kind, uint32_t file)
{
	struct handover_order *order = handover_order(p->handover, p->asked++);

	*order = (struct handover_order){ .kind = kind, .file = file };
	return order;
}

static void publish(struct puncher *p)
{
	if (atomic_load(&p->handover->asked) == p->asked)
		return;
	if (p->state == PUNCHER_READY) {
		puncher_enter(p, PUNCHER_BUSY);
		p->was_asleep = p->is_stuck = false;
		p->looks = 0;
	}
	atomic_store(&p->handover->asked, p->asked);
	handover_wake(&p->handover->asked);
}

void puncher_forget(struct puncher *p, uint32_t file)
{
	if (p->state == PUNCHER_DEAD || p->knows == NULL || !p->knows[file])
		return;
	p->knows[file] = false;
	if (room(p) == 0) {
		p->must_drop_all = true;
		return;
	}
	(void)add_order(p, HANDOVER_DROP, file);
	publish(p);
}

/* Give it the descriptors that it lacks for these punches. */
static int give_files(struct puncher *p, const struct puncher_ground *ground,
		      const struct punch *punch, unsigned count)
{
	if (p->knows == NULL)
		p->knows = calloc(ground->files_max + 1ul, sizeof(*p->knows));
	if (p->knows == NULL)
		return -ENOMEM;
	if (p->must_drop_all) {
		(void)add_order(p, HANDOVER_DROP_ALL, 0);
		memset(p->knows, 0,
		       (ground->files_max + 1ul) * sizeof(*p->knows));
		p->must_drop_all = false;
	}
	for (unsigned i = 0; i < count; i++) {
		uint32_t file = punch[i].file;
		int err = 0;

		if (!p->knows[file])
			err = send_file(p, file, punch[i].fd);
		if (err != 0)
			return err;
		if (!p->knows[file])
			(void)add_order(p, HANDOVER_TAKE, file);
		p->knows[file] = true;
	}
	return 0;
}

/* While memd sleeps for it, the helper runs on the CPU that memd runs on.
 * There a handover is two context switches (about 4 us); on another CPU it may
 * have to wake the CPU, and others may use it. */
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

static void unbind(struct puncher *p)
{
	cpu_set_t set;

	if (p->cpu < 0)
		return;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		(void)sched_setaffinity(p->pid, sizeof(set), &set);
	p->cpu = -1;
}

int puncher_post(struct puncher *p, const struct puncher_ground *ground,
		 const struct punch *punch, unsigned count, bool is_lent,
		 uint32_t *ret_first)
{
	struct handover_order *order = NULL;
	int err;

	ASSERT(p->state != PUNCHER_DEAD && count != 0);
	if (room(p) < 2 * count + 1)
		return -EAGAIN;
	err = give_files(p, ground, punch, count);
	*ret_first = p->asked;
	for (unsigned i = 0; i < count && err == 0; i++) {
		enum handover_kind kind = punch[i].is_truncation ?
			HANDOVER_TRUNCATE : HANDOVER_PUNCH;

		order = add_order(p, kind, punch[i].file);
		if (punch[i].is_truncation)
			p->knows[punch[i].file] = false;
		order->offset = punch[i].offset;
		order->length = punch[i].length;
	}
	if (order != NULL)
		order->is_told = 1;
	if (is_lent && err == 0) {
		bind_beside(p);
		atomic_store(&p->handover->is_awaited, 1);
	} else {
		unbind(p);
	}
	/* Also if this has failed: a message that was sent is taken (H3). */
	publish(p);
	return err;
}

void puncher_look(struct puncher *p)
{
	if (p->state != PUNCHER_BUSY)
		return;
	p->seen = atomic_load(&p->handover->answered);
	if (p->seen == p->asked)
		puncher_enter(p, PUNCHER_READY);
}

void puncher_lend(struct puncher *p, uint32_t first, unsigned count,
		  uint64_t limit_ns)
{
	struct handover *ho = p->handover;
	uint64_t now_ns = clock_now_ns(), until_ns = now_ns + limit_ns;

	puncher_look(p);
	while (!puncher_has_done(p, first, count) && now_ns < until_ns) {
		handover_wait(&ho->answered, p->seen, until_ns - now_ns);
		now_ns = clock_now_ns();
		puncher_look(p);
	}
	atomic_store(&ho->is_awaited, 0);
	puncher_look(p);
	if (!puncher_has_done(p, first, count))
		unbind(p);
}

bool puncher_has_done(const struct puncher *p, uint32_t first, unsigned count)
{
	return (int32_t)(p->seen - (first + count)) >= 0;
}

void puncher_results(struct puncher *p, uint32_t first, struct punch *punch,
		     unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct handover_order *order =
			handover_order(p->handover, first + i);

		punch[i].error = order->result;
		punch[i].next_data = order->next_data;
		punch[i].left_bytes = order->left_bytes;
		/* It has no room for the descriptor: send it again. */
		if (punch[i].error == -EBADF)
			p->knows[punch[i].file] = false;
	}
}

bool puncher_is_at(const struct puncher *p, uint32_t first, unsigned count)
{
	return p->seen - first < count;
}

uint32_t puncher_file(const struct puncher *p)
{
	return handover_order(p->handover,
			      atomic_load(&p->handover->answered))->file;
}

/* ---- watching */

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

void puncher_watch(struct puncher *p)
{
	bool was_asleep = p->was_asleep && p->at == p->seen;
	uint64_t sleep = p->sleep;
	char state;

	ASSERT(p->state == PUNCHER_BUSY);
	p->looks = p->at == p->seen ? p->looks + 1 : 0;
	p->at = p->seen;
	if (!read_proc_status(p->pid, &state, &p->sleep)) {
		p->is_stuck = p->looks >= LOOKS_BLIND;
		return;
	}
	p->was_asleep = state == 'D';
	if (state == 'T')
		(void)kill(p->pid, SIGKILL);
	p->is_stuck = p->was_asleep && was_asleep && sleep == p->sleep;
}
