/* SPDX-License-Identifier: MIT */
/* See meter.h.  The formats are those of proc(5). */
#include "tests/bench/meter.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SWAP_PAGE_BYTES = 4096 };

static FILE *proc_open(pid_t pid, const char *name)
{
	char path[64];

	if (pid == 0)
		snprintf(path, sizeof(path), "/proc/%s", name);
	else
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

/* The number after `key` at the start of a line; both keys must be there. */
static int read_pair(pid_t pid, const char *file, const char *key_a,
		     const char *key_b, uint64_t *ret_a, uint64_t *ret_b)
{
	FILE *f = proc_open(pid, file);
	unsigned found = 0;
	char key[64];
	uint64_t value;

	if (f == NULL)
		return -errno;
	while (fscanf(f, "%63s %" SCNu64, key, &value) == 2) {
		if (strcmp(key, key_a) == 0) {
			*ret_a = value;
			found++;
		} else if (strcmp(key, key_b) == 0) {
			*ret_b = value;
			found++;
		}
	}
	fclose(f);
	return found == 2 ? 0 : -ENODATA;
}

/* The clock's tick in which /proc counts. */
static uint64_t tick_ns(void)
{
	return UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
}

int meter_cpu_ns(pid_t pid, uint64_t *ret_ns)
{
	struct timespec ts;
	clockid_t clock;
	int err = -clock_getcpuclockid(pid, &clock);

	if (err != 0)
		return err;
	if (clock_gettime(clock, &ts) != 0)
		return -errno;
	*ret_ns = (uint64_t)ts.tv_sec * UINT64_C(1000000000) +
		  (uint64_t)ts.tv_nsec;
	return 0;
}

/* First line of /proc/stat: user nice system idle iowait irq softirq steal,
 * in ticks. */
static int read_machine_cpu(uint64_t *ret_ns)
{
	uint64_t v[7] = { 0 };
	FILE *f = proc_open(0, "stat");
	int n;

	if (f == NULL)
		return -errno;
	n = fscanf(f,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]);
	fclose(f);
	if (n < 5)
		return -ENODATA;
	*ret_ns = (v[0] + v[1] + v[2] + v[3] + v[4] + v[5]) * tick_ns();
	return 0;
}

/* A process as /proc/PID/stat shows it. */
struct process {
	pid_t pid;
	int parent;
	char name[32];
	uint64_t system_ticks;
	uint64_t buried_ticks;	/* of children that have ended */
};

/* Names with a bracket in them are nobody's that is looked for. */
static bool read_process(pid_t pid, struct process *p)
{
	uint64_t user, system;
	FILE *f = proc_open(pid, "stat");
	int n;

	if (f == NULL)
		return false;
	n = fscanf(f, "%d (%31[^)]) %*c %d %*d %*d %*d %*d %*u %*u %*u %*u "
		   "%*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64, &p->pid,
		   p->name, &p->parent, &p->system_ticks, &user, &system);
	fclose(f);
	p->buried_ticks = user + system;
	return n == 6;
}

/* What the process adds to the processor time of the daemon; without one, to
 * that of kswapd, of which there is one for each memory node. */
static uint64_t share_of(const struct process *p, pid_t daemon)
{
	uint64_t ns = 0;

	if (daemon == 0)
		return strncmp(p->name, "kswapd", strlen("kswapd")) == 0 ?
			       p->system_ticks * tick_ns() : 0;
	if (p->pid != daemon && p->parent != daemon)
		return 0;
	if (meter_cpu_ns(p->pid, &ns) != 0)
		return 0;
	return ns + (p->pid == daemon ? p->buried_ticks * tick_ns() : 0);
}

static int read_daemon_cpu(pid_t daemon, uint64_t *ret_ns)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct process p;
	uint64_t sum = 0;

	if (proc == NULL)
		return -errno;
	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    read_process(atoi(entry->d_name), &p))
			sum += share_of(&p, daemon);
	closedir(proc);
	*ret_ns = sum;
	return 0;
}

/* Bytes of the kernel's own swap. */
static int read_kernel_swap(struct meter *m)
{
	int err = read_pair(0, "vmstat", "pswpin", "pswpout", &m->read_bytes,
			    &m->written_bytes);

	m->read_bytes *= SWAP_PAGE_BYTES;
	m->written_bytes *= SWAP_PAGE_BYTES;
	return err;
}

int meter_read(pid_t daemon, struct meter *ret_meter)
{
	struct meter m = { 0 };
	int err = read_daemon_cpu(daemon, &m.daemon_cpu_ns);

	if (err == 0)
		err = read_machine_cpu(&m.machine_cpu_ns);
	if (err == 0 && daemon == 0)
		err = read_kernel_swap(&m);
	else if (err == 0)
		err = read_pair(daemon, "io", "read_bytes:", "write_bytes:",
				&m.read_bytes, &m.written_bytes);
	if (err == 0)
		*ret_meter = m;
	return err;
}
