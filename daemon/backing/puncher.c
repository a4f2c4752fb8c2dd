/* SPDX-License-Identifier: MIT */
/* memd's side of the handover; the helper's is punch_helper.c.
 *
 * The helper is kept on the CPU memd runs on: there the handover is two
 * switches of context (some 4 us), elsewhere it may have to wake a CPU. */
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

enum {
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

/* Between two in one place: whatever ends them must not keep memd busy. */
#define RENEWAL_NS		UINT64_C(1000000000)

#define OWNER_NONE		UINT32_MAX	/* no uid is that */

enum puncher_state { PUNCHER_DEAD, PUNCHER_READY, PUNCHER_STUCK };

struct puncher {
	enum puncher_state state;
	pid_t pid;
	int socket;
	int cpu;			/* it is bound to; -1: to none */
	uint64_t started_ns;
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
	uint64_t renewed_count;
	bool has_helpers;
	bool is_bindable;
	uint32_t files_max;
	struct known_file *known;
};

/* ---- making them */

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

/* is_first: there is nothing yet that a child could inherit. */
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

static int puncher_start(struct puncher *p, bool is_first)
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
	p->state = PUNCHER_READY;
	return 0;
}

int punchers_create(uint32_t files_max, bool has_helpers,
		    struct punchers **ret_punchers)
{
	struct punchers *ps = calloc(1, sizeof(*ps));
	int err = -ENOMEM;

	if (ps == NULL)
		return -ENOMEM;
	ps->files_max = files_max;
	ps->has_helpers = has_helpers;
	ps->is_bindable = true;
	ps->known = calloc(files_max + 1ul, sizeof(*ps->known));
	if (ps->known == NULL)
		goto fail;
	for (unsigned i = 0; has_helpers && i < PUNCHERS; i++) {
		err = puncher_start(&ps->all[i], true);
		if (err != 0 && i == 0)
			goto fail;
		if (err != 0)
			break;
	}
	*ret_punchers = ps;
	return 0;
fail:
	punchers_destroy(ps);
	return err;
}

static unsigned poll_stuck(struct punchers *ps);

static void puncher_end(struct puncher *p)
{
	if (p->state != PUNCHER_DEAD) {
		close(p->socket);
		(void)kill(p->pid, SIGKILL);
		(void)waitpid(p->pid, NULL,
			      p->state == PUNCHER_STUCK ? WNOHANG : 0);
	}
	drop_handover(p);
}

void punchers_destroy(struct punchers *ps)
{
	if (ps == NULL)
		return;
	(void)poll_stuck(ps);
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

unsigned punchers_missing_count(const struct punchers *ps)
{
	return ps->has_helpers ? count_state(ps, PUNCHER_DEAD) : 0;
}

uint64_t punchers_renewed_count(const struct punchers *ps)
{
	return ps->renewed_count;
}

/* ---- those that have ended */

static bool is_alive(struct puncher *p)
{
	if (waitpid(p->pid, NULL, WNOHANG) == 0)
		return true;
	close(p->socket);
	p->state = PUNCHER_DEAD;
	return false;
}

/* Killed by an administrator, or for lack of memory. */
static void renew_dead(struct punchers *ps)
{
	uint64_t now_ns = clock_now_ns();

	for (unsigned i = 0; i < PUNCHERS; i++) {
		struct puncher *p = &ps->all[i];

		if (p->state != PUNCHER_DEAD ||
		    now_ns - p->started_ns < RENEWAL_NS)
			continue;
		if (ps->active == p)
			ps->active = NULL;	/* this one knows no file */
		if (puncher_start(p, false) == 0)
			ps->renewed_count++;
	}
}

static unsigned poll_stuck(struct punchers *ps)
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

unsigned punchers_poll(struct punchers *ps)
{
	unsigned count = poll_stuck(ps);

	if (!ps->has_helpers)
		return count;
	for (unsigned i = 0; i < PUNCHERS; i++)
		if (ps->all[i].state == PUNCHER_READY)
			(void)is_alive(&ps->all[i]);
	renew_dead(ps);
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

/* What /proc says: its state, and in the how-manieth sleep of its life it is.
 * Returns false where /proc says nothing. */
static bool look_at(pid_t pid, char *ret_state, uint64_t *ret_sleep)
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

/* Take the work away from a helper that sleeps in the last run it claimed;
 * not if it has claimed another meanwhile. */
static bool give_up(struct handover *ho, uint32_t claim)
{
	return atomic_compare_exchange_strong(&ho->claim, &claim, CLAIM_NONE);
}

/* Wait for the answer.  Returns 0; -ECHILD: it was killed; -ETIMEDOUT: it is
 * stuck.  In both cases *ret_claim says how many runs had been claimed.
 * patience_ns[i]: for run i. */
static int await(struct puncher *p, uint32_t number,
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

		futex_wait(&ho->answered, number - 1, LOOK_MS);
		if (atomic_load(&ho->answered) == number)
			break;
		if (!is_alive(p)) {
			*ret_claim = atomic_load(&ho->claim);
			return -ECHILD;
		}
		unbind(p);
		now_ns = clock_now_ns();
		if (start_ns == 0)
			start_ns = now_ns;
		claim = atomic_load(&ho->claim);
		if (look_at(p->pid, &state, &sleep)) {
			is_blocked = state == 'D';
			/* Somebody has stopped it: another does its work. */
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
		if (is_over && give_up(ho, claim)) {
			*ret_claim = claim;
			return -ETIMEDOUT;
		}
	}
	return 0;
}

/* The request stands in the handover.  As await(). */
static int hand_over(struct punchers *ps, struct puncher *p,
		     enum handover_kind kind, const uint64_t *patience_ns,
		     uint32_t *ret_claim)
{
	struct handover *ho = p->handover;
	uint32_t number = atomic_load(&ho->asked) + 1;

	ho->kind = kind;
	atomic_store(&ho->claim, 0);
	bind_beside(ps, p);
	atomic_store(&ho->asked, number);
	futex_wake(&ho->asked);
	return await(p, number, patience_ns, ret_claim);
}

static void note_stuck(struct puncher *p, uint32_t file, uint32_t owner)
{
	p->state = PUNCHER_STUCK;
	p->file = file;
	p->owner = owner;
}

/* A handover that needs no file's lock.  Returns 0 or -ECHILD: not this one. */
static int tell(struct punchers *ps, struct puncher *p,
		enum handover_kind kind)
{
	const uint64_t patience_ns = PATIENCE_NS;
	uint32_t claim;
	int err = hand_over(ps, p, kind, &patience_ns, &claim);

	if (err == -ETIMEDOUT)
		note_stuck(p, 0, OWNER_NONE);
	return err != 0 ? -ECHILD : 0;
}

/* One that has no descriptors. */
static struct puncher *take_other(struct punchers *ps)
{
	for (unsigned i = 0; i < PUNCHERS; i++) {
		struct puncher *p = &ps->all[i];

		if (p->state != PUNCHER_READY || !is_alive(p) ||
		    tell(ps, p, HANDOVER_FORGET) != 0)
			continue;
		ps->active = p;
		ps->generation++;
		return p;
	}
	return NULL;
}

/* The one that has the descriptors, or another. */
static struct puncher *take_active(struct punchers *ps)
{
	struct puncher *p = ps->active;

	if (p != NULL && p->state == PUNCHER_READY)
		return p;
	p = take_other(ps);
	if (p != NULL || count_state(ps, PUNCHER_DEAD) == 0)
		return p;
	renew_dead(ps);
	return take_other(ps);
}

/* See to it that the active one has the file's descriptor.  0 or -errno. */
static int introduce(struct punchers *ps, struct puncher *p, uint32_t file,
		     int fd)
{
	struct known_file *known = &ps->known[file];
	int err;

	if (known->generation == ps->generation)
		return 0;
	err = send_fd(p, fd);
	if (err == 0)
		err = tell(ps, p, HANDOVER_TAKE);
	if (err == 0 && p->handover->fd < 0)
		err = p->handover->fd;
	if (err == 0)
		*known = (struct known_file){ ps->generation,
					      p->handover->fd };
	return err;
}

/* N4 */
static bool is_distrusted(const struct punchers *ps, const struct punch *pu)
{
	return punchers_stuck_count(ps) != 0 &&
	       punchers_is_blamed(ps, pu->owner);
}

static bool may_try(const struct punchers *ps, const struct punch *pu)
{
	if (punchers_stuck_count(ps) == 0)
		return true;
	if (punchers_is_held(ps, pu->file))
		return false;
	return !is_distrusted(ps, pu) ||
	       (!pu->is_shunned && count_state(ps, PUNCHER_READY) >= MIN_FREE);
}

enum { PUNCH_DUE = 1 };			/* struct punch.error: no answer yet */

/* What the active one is asked for: those of the punches that are due. */
struct request {
	struct punch *of_run[PUNCHES_MAX];
	uint64_t patience_ns[PUNCHES_MAX];
	uint32_t count;
};

static void request_add(struct punchers *ps, struct puncher *p,
			struct request *rq, struct punch *pu)
{
	struct handover *ho = p->handover;
	uint32_t i = rq->count;
	int err;

	if (!may_try(ps, pu)) {
		pu->error = -EAGAIN;
		return;
	}
	err = introduce(ps, p, pu->file, pu->fd);
	if (err != 0) {
		pu->error = err == -ECHILD ? PUNCH_DUE : err;
		return;
	}
	ho->run[i].fd = ps->known[pu->file].fd;
	ho->run[i].offset = pu->offset;
	ho->run[i].length = pu->length;
	rq->patience_ns[i] = is_distrusted(ps, pu) ? PATIENCE_DISTRUSTED_NS :
						     PATIENCE_NS;
	rq->of_run[i] = pu;
	rq->count++;
}

static void request_make(struct punchers *ps, struct puncher *p,
			 struct request *rq)
{
	struct handover *ho = p->handover;
	uint32_t done = rq->count, claim = 0;
	int err;

	ho->count = rq->count;
	err = hand_over(ps, p, HANDOVER_PUNCH, rq->patience_ns, &claim);
	if (err != 0)
		done = claim != 0 ? claim - 1 : 0;
	for (uint32_t i = 0; i < done; i++) {
		rq->of_run[i]->error = ho->run[i].result;
		rq->of_run[i]->next_data = ho->run[i].next_data;
	}
	if (err != -ETIMEDOUT)
		return;		/* what a killed one has left is still due;
				 * to punch twice harms nobody */
	note_stuck(p, rq->of_run[done]->file, rq->of_run[done]->owner);
	rq->of_run[done]->error = -ETIMEDOUT;
}

static void punch_alone(struct punch *pu, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		pu[i].error = punch_range(pu[i].fd, pu[i].offset,
					  pu[i].length, &pu[i].next_data);
}

void punchers_punch(struct punchers *ps, struct punch *pu, unsigned count)
{
	bool is_due = true;

	ASSERT(count <= PUNCHES_MAX);
	for (unsigned i = 0; i < count; i++) {
		ASSERT(pu[i].file != 0 && pu[i].file <= ps->files_max);
		pu[i].error = PUNCH_DUE;
		pu[i].next_data = UINT64_MAX;
	}
	if (!ps->has_helpers) {
		punch_alone(pu, count);
		return;
	}
	while (is_due) {
		struct puncher *p = take_active(ps);
		struct request rq = { .count = 0 };

		is_due = false;
		for (unsigned i = 0; i < count; i++) {
			if (pu[i].error != PUNCH_DUE)
				continue;
			if (p == NULL)
				pu[i].error = -EAGAIN;
			else if (p->state == PUNCHER_READY)
				request_add(ps, p, &rq, &pu[i]);
		}
		if (p != NULL && p->state == PUNCHER_READY && rq.count != 0)
			request_make(ps, p, &rq);
		for (unsigned i = 0; i < count; i++)
			is_due |= pu[i].error == PUNCH_DUE;
	}
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
	p->handover->fd = known.fd;
	(void)tell(ps, p, HANDOVER_DROP);
}
