/* SPDX-License-Identifier: MIT */
/* memd's side and the helper's side of a handover: a page of shared memory
 * with two counters that are futexes, and a socket for descriptors.
 *
 * The helper is kept on the CPU memd runs on: there the handover is two
 * switches of context (some 4 us), elsewhere it may have to wake a CPU. */
#include "daemon/pager/puncher.h"

#include "common/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PUNCHERS = 8,
	MIN_FREE = 3,		/* else a distrusted owner is not served */
	LOOK_MS = 50,		/* how often a slow one is looked at */
};

/* In one sleep.  A healthy punch takes microseconds and sleeps, if at all, for
 * a page on its way to the kernel's swap: milliseconds each.  Clients wait 10 s
 * for an answer by default, so a few hostile owners at once are endured. */
#define PATIENCE_NS		UINT64_C(2000000000)
#define PATIENCE_DISTRUSTED_NS	UINT64_C(100000000)
/* In all, where /proc does not tell what a process does. */
#define PATIENCE_BLIND_NS	UINT64_C(60000000000)

/* Shared with the helper.  memd writes the request and then `asked`; the
 * helper answers and then sets `answered` to the same. */
struct handover {
	_Atomic uint32_t asked;
	_Alignas(64) _Atomic uint32_t answered;
	bool must_forget;		/* all descriptors, first */
	bool has_data;
	int32_t fd;			/* the helper's; -1: it is on the
					 * socket; answered with its number */
	int32_t drop_fd;		/* close this and do nothing else;
					 * -1: not that */
	int32_t result;
	uint64_t offset, length;
};

enum puncher_state { PUNCHER_DEAD, PUNCHER_READY, PUNCHER_STUCK };

struct puncher {
	enum puncher_state state;
	pid_t pid;
	int socket;
	int cpu;			/* it is bound to; -1: to none */
	struct handover *handover;
	uint32_t file;			/* STUCK: with this; 0: forgotten */
	uint32_t owner;			/* STUCK: of this one */
};

/* The active helper's descriptor of a file, valid in that generation. */
struct known_file {
	uint32_t generation;
	int fd;
};

struct punchers {
	struct puncher all[PUNCHERS];
	struct puncher *active;
	uint32_t generation;		/* grows when `active` changes */
	bool is_fresh;			/* the active one must forget first */
	bool is_bindable;
	uint32_t files_max;
	struct known_file *known;
};

static void futex_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* timeout_ms 0: for ever. */
static void futex_wait(_Atomic uint32_t *word, uint32_t value,
		       unsigned timeout_ms)
{
	struct timespec ts = { .tv_nsec = (long)timeout_ms * 1000000 };

	(void)syscall(SYS_futex, word, FUTEX_WAIT, value,
		      timeout_ms != 0 ? &ts : NULL, NULL, 0);
}

/* ---- in the helper */

enum { HELPER_SOCKET = 3 };

static int receive_fd(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(HELPER_SOCKET, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg == NULL || cmsg->cmsg_type != SCM_RIGHTS)
		return -EMFILE;		/* there was no room for it here */
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static void serve(struct handover *ho)
{
	int err;

	if (ho->must_forget)
		(void)close_range(HELPER_SOCKET + 1, ~0u, 0);
	ho->result = 0;
	if (ho->drop_fd >= 0) {
		close(ho->drop_fd);
		return;
	}
	if (ho->fd < 0)
		ho->fd = receive_fd();
	ho->has_data = false;
	if (ho->fd < 0) {
		ho->result = ho->fd;
		return;
	}
	do
		err = fallocate(ho->fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)ho->offset, (off_t)ho->length);
	while (err != 0 && errno == EINTR);
	ho->result = err != 0 ? -errno : 0;
	if (err == 0) {
		off_t data = lseek(ho->fd, (off_t)ho->offset, SEEK_DATA);

		ho->has_data = data >= 0 &&
			       (uint64_t)data < ho->offset + ho->length;
	}
}

/* Nothing of memd's stays open here, and memd's end is this one's. */
static void shed(int socket, pid_t parent)
{
	sigset_t all;

	/* A signal to the whole group must not stop memd from punching. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "memd-puncher");
	if (getppid() != parent || chdir("/") != 0)
		_exit(EXIT_FAILURE);
	for (int fd = 0; fd <= HELPER_SOCKET; fd++)
		if (socket != fd && dup2(socket, fd) != fd)
			_exit(EXIT_FAILURE);
	(void)close_range(HELPER_SOCKET + 1, ~0u, 0);
}

static _Noreturn void helper_run(struct handover *ho, int socket, pid_t parent)
{
	uint32_t seen = 0;

	shed(socket, parent);
	for (;;) {
		while (atomic_load(&ho->asked) == seen)
			futex_wait(&ho->asked, seen, 0);
		seen++;
		serve(ho);
		atomic_store(&ho->answered, seen);
		futex_wake(&ho->answered);
	}
}

/* ---- making them */

static int puncher_start(struct puncher *p)
{
	pid_t parent = getpid();
	int pair[2];

	p->handover = mmap(NULL, sizeof(*p->handover), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->handover == MAP_FAILED) {
		p->handover = NULL;
		return -ENOMEM;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	p->pid = fork();
	if (p->pid == 0)
		helper_run(p->handover, pair[1], parent);
	close(pair[1]);
	if (p->pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	p->socket = pair[0];
	p->cpu = -1;
	p->state = PUNCHER_READY;
	return 0;
}

int punchers_create(uint32_t files_max, struct punchers **ret_punchers)
{
	struct punchers *ps = calloc(1, sizeof(*ps));
	int err = -ENOMEM;

	if (ps == NULL)
		return -ENOMEM;
	ps->files_max = files_max;
	ps->is_bindable = true;
	ps->known = calloc(files_max + 1ul, sizeof(*ps->known));
	if (ps->known == NULL)
		goto fail;
	for (unsigned i = 0; i < PUNCHERS; i++) {
		err = puncher_start(&ps->all[i]);
		if (err != 0)
			goto fail;
	}
	*ret_punchers = ps;
	return 0;
fail:
	punchers_destroy(ps);
	return err;
}

static void puncher_end(struct puncher *p)
{
	if (p->state != PUNCHER_DEAD) {
		close(p->socket);
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL,
			      p->state == PUNCHER_STUCK ? WNOHANG : 0);
	}
	if (p->handover != NULL)
		munmap(p->handover, sizeof(*p->handover));
}

void punchers_destroy(struct punchers *ps)
{
	if (ps == NULL)
		return;
	(void)punchers_poll(ps);
	for (unsigned i = 0; i < PUNCHERS; i++)
		puncher_end(&ps->all[i]);
	free(ps->known);
	free(ps);
}

/* ---- who punches */

static unsigned count_state(const struct punchers *ps,
			    enum puncher_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PUNCHERS; i++)
		count += ps->all[i].state == state;
	return count;
}

unsigned punchers_stuck_count(const struct punchers *ps)
{
	return count_state(ps, PUNCHER_STUCK);
}

static const struct puncher *find_stuck(const struct punchers *ps,
					uint32_t file, const uint32_t *owner)
{
	for (unsigned i = 0; i < PUNCHERS; i++) {
		const struct puncher *p = &ps->all[i];

		if (p->state == PUNCHER_STUCK &&
		    (owner != NULL ? p->owner == *owner : p->file == file))
			return p;
	}
	return NULL;
}

bool punchers_is_held(const struct punchers *ps, uint32_t file)
{
	return find_stuck(ps, file, NULL) != NULL;
}

bool punchers_is_blamed(const struct punchers *ps, uint32_t owner)
{
	return find_stuck(ps, 0, &owner) != NULL;
}

/* Is it still there?  One that was killed is not made again: by now there is
 * too much a new one would inherit, and there are others. */
static bool is_alive(struct puncher *p)
{
	if (waitpid(p->pid, NULL, WNOHANG) == 0)
		return true;
	close(p->socket);
	p->state = PUNCHER_DEAD;
	return false;
}

/* The one that has the descriptors, or another that has none. */
static struct puncher *take_active(struct punchers *ps)
{
	struct puncher *p = ps->active;

	for (unsigned i = 0; i < PUNCHERS; i++) {
		if (p != NULL && p->state == PUNCHER_READY)
			break;
		p = &ps->all[i];
	}
	if (p == NULL || p->state != PUNCHER_READY)
		return NULL;
	if (p != ps->active) {
		ps->active = p;
		ps->generation++;
		ps->is_fresh = true;
	}
	return p;
}

unsigned punchers_poll(struct punchers *ps)
{
	unsigned count = 0;

	for (unsigned i = 0; i < PUNCHERS; i++) {
		struct puncher *p = &ps->all[i];

		if (p->state != PUNCHER_STUCK)
			continue;
		if (atomic_load(&p->handover->answered) ==
		    atomic_load(&p->handover->asked))
			p->state = PUNCHER_READY;
		else if (is_alive(p))
			continue;
		count++;
	}
	return count;
}

/* ---- handing over */

static int send_fd(const struct puncher *p, int fd)
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

static void bind_beside(struct punchers *ps, struct puncher *p)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu == p->cpu || cpu < 0 || cpu >= CPU_SETSIZE ||
	    !ps->is_bindable)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	ps->is_bindable = sched_setaffinity(p->pid, sizeof(set), &set) == 0;
	p->cpu = cpu;
}

/* Perhaps its CPU is too busy for it. */
static void unbind(struct puncher *p)
{
	cpu_set_t set;

	if (p->cpu < 0)
		return;
	memset(&set, 0xff, sizeof(set));
	(void)sched_setaffinity(p->pid, sizeof(set), &set);
	p->cpu = -1;
}

/* What /proc says: is it in an uninterruptible sleep, and in the how-manieth
 * sleep of its life?  Returns false where /proc says nothing. */
static bool look_at(pid_t pid, bool *ret_is_blocked, uint64_t *ret_sleep)
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
	*ret_is_blocked = state == 'D';
	*ret_sleep = sleep;
	return is_known && state != '?';
}

/* Returns 0, -ETIMEDOUT or -ECHILD (it was killed). */
static int await(struct puncher *p, uint32_t number, uint64_t patience_ns)
{
	struct handover *ho = p->handover;
	uint64_t start_ns = 0, since_ns = 0, sleep = 0, last_sleep = 0;
	bool was_blocked = false;

	while (atomic_load(&ho->answered) != number) {
		bool is_blocked = false;
		uint64_t now_ns;

		futex_wait(&ho->answered, number - 1, LOOK_MS);
		if (atomic_load(&ho->answered) == number)
			break;
		if (!is_alive(p))
			return -ECHILD;
		unbind(p);
		now_ns = clock_now_ns();
		if (start_ns == 0)
			start_ns = now_ns;
		if (!look_at(p->pid, &is_blocked, &sleep)) {
			if (now_ns - start_ns > PATIENCE_BLIND_NS)
				return -ETIMEDOUT;
			continue;
		}
		if (!is_blocked || !was_blocked || sleep != last_sleep)
			since_ns = now_ns;
		was_blocked = is_blocked;
		last_sleep = sleep;
		if (is_blocked && now_ns - since_ns >= patience_ns)
			return -ETIMEDOUT;
	}
	return 0;
}

/* The request stands in the handover.  As await(). */
static int hand_over(struct punchers *ps, struct puncher *p,
		     uint64_t patience_ns)
{
	struct handover *ho = p->handover;
	uint32_t number = atomic_load(&ho->asked) + 1;

	ho->must_forget = ps->is_fresh;
	ps->is_fresh = false;
	bind_beside(ps, p);
	atomic_store(&ho->asked, number);
	futex_wake(&ho->asked);
	return await(p, number, patience_ns);
}

static int ask(struct punchers *ps, struct puncher *p,
	       const struct punch *punch, uint64_t patience_ns)
{
	struct known_file *known = &ps->known[punch->file];
	struct handover *ho = p->handover;
	bool is_known = known->generation == ps->generation;
	int err;

	if (!is_known) {
		err = send_fd(p, punch->fd);
		if (err != 0)
			return err;
	}
	ho->drop_fd = -1;
	ho->fd = is_known ? known->fd : -1;
	ho->offset = punch->offset;
	ho->length = punch->length;
	err = hand_over(ps, p, patience_ns);
	if (err != 0)
		return err;
	if (ho->fd >= 0)
		*known = (struct known_file){ ps->generation, ho->fd };
	return ho->result;
}

static void note_stuck(struct puncher *p, uint32_t file, uint32_t owner)
{
	p->state = PUNCHER_STUCK;
	p->file = file;
	p->owner = owner;
}

/* N4 */
static bool is_too_risky(const struct punchers *ps, const struct punch *punch)
{
	return punch->is_shunned ||
	       count_state(ps, PUNCHER_READY) < MIN_FREE;
}

int punchers_punch(struct punchers *ps, const struct punch *punch,
		   bool *ret_has_data)
{
	bool is_distrusted = punchers_stuck_count(ps) != 0 &&
			     punchers_is_blamed(ps, punch->owner);
	struct puncher *p;
	int err;

	ASSERT(punch->file != 0 && punch->file <= ps->files_max);
	if (punchers_is_held(ps, punch->file))
		return -EAGAIN;
	do {
		if (is_distrusted && is_too_risky(ps, punch))
			return -EAGAIN;
		p = take_active(ps);
		if (p == NULL)
			return -EAGAIN;
		err = ask(ps, p, punch,
			  is_distrusted ? PATIENCE_DISTRUSTED_NS :
					  PATIENCE_NS);
	} while (err == -ECHILD);	/* punching twice harms nobody */
	if (err == -ETIMEDOUT)
		note_stuck(p, punch->file, punch->owner);
	else if (err == 0)
		*ret_has_data = p->handover->has_data;
	return err;
}

void punchers_forget(struct punchers *ps, uint32_t file)
{
	struct known_file known = ps->known[file];
	struct puncher *p = ps->active;

	for (unsigned i = 0; i < PUNCHERS; i++)
		if (ps->all[i].file == file)
			ps->all[i].file = 0;
	ps->known[file] = (struct known_file){ 0 };
	if (p == NULL || p->state != PUNCHER_READY ||
	    known.generation != ps->generation)
		return;		/* N3: whoever has it forgets it in time */
	p->handover->drop_fd = known.fd;
	if (hand_over(ps, p, PATIENCE_NS) == -ETIMEDOUT)
		note_stuck(p, 0, 0);
}
