/* SPDX-License-Identifier: MIT */
/* See meter.h.  The formats are those of proc(5). */
#include "tests/bench/meter.h"

#include "tests/bench/process.h"
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SWAP_PAGE_BYTES = 4096 };

/* Names of data files' mappings in /proc/PID/smaps; memd's own tables are
 * memfds too, but are named "memd-…". */
static const char segment_mapping[] = "/memfd:memd:";

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
	*ret_ns = (v[0] + v[1] + v[2] + v[3] + v[4] + v[5]) * process_tick_ns();
	return 0;
}

static void add_kswapd(const struct process *p, void *sum_ns)
{
	if (strncmp(p->name, "kswapd", strlen("kswapd")) == 0)
		*(uint64_t *)sum_ns += p->system_ns;
}

/* There is one for each memory node. */
static int read_kswapd_cpu(uint64_t *ret_ns)
{
	uint64_t ns = 0;
	int err = process_each(add_kswapd, &ns);

	if (err == 0)
		*ret_ns = ns;
	return err;
}

/* The daemon and its helper processes, if it has any. */
struct family {
	pid_t daemon;
	uint64_t sum;
};

static void add_helper_cpu(const struct process *p, void *arg)
{
	struct family *f = arg;
	uint64_t ns;

	if (p->parent == f->daemon && meter_cpu_ns(p->pid, &ns) == 0)
		f->sum += ns;
}

int meter_daemon_cpu_ns(pid_t daemon, uint64_t *ret_ns)
{
	struct family f = { .daemon = daemon };
	struct process p;
	uint64_t own_ns;
	int err = meter_cpu_ns(daemon, &own_ns);

	if (err == 0)
		err = process_each(add_helper_cpu, &f);
	if (err == 0 && !process_read(daemon, &p))
		err = -ESRCH;
	if (err == 0)
		*ret_ns = own_ns + p.buried_ns + f.sum;
	return err;
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
	int err = daemon != 0 ? meter_daemon_cpu_ns(daemon, &m.daemon_cpu_ns) :
				read_kswapd_cpu(&m.daemon_cpu_ns);

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

/* The value of one "Key:   123 kB" line of /proc/PID/file. */
static int read_bytes(pid_t pid, const char *file, const char *key,
		      uint64_t *ret_bytes)
{
	FILE *f = proc_open(pid, file);
	size_t key_length = strlen(key);
	int err = -ENODATA;
	char line[256];
	uint64_t kib;

	if (f == NULL)
		return -errno;
	while (err != 0 && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, key_length) == 0 &&
		    sscanf(line + key_length, " %" SCNu64 " kB", &kib) == 1) {
			*ret_bytes = kib * 1024;
			err = 0;
		}
	}
	fclose(f);
	return err;
}

/* The resident memory of all mappings but those of segments. */
static int read_own_rss(pid_t pid, uint64_t *ret_bytes)
{
	FILE *f = proc_open(pid, "smaps");
	bool is_segment = false;
	uint64_t start, end, kib, bytes = 0;
	char line[512];

	if (f == NULL)
		return -errno;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			is_segment = strstr(line, segment_mapping) != NULL;
		else if (!is_segment &&
			 sscanf(line, "Rss: %" SCNu64 " kB", &kib) == 1)
			bytes += kib * 1024;
	}
	fclose(f);
	*ret_bytes = bytes;
	return 0;
}

struct helpers {
	pid_t daemon;
	struct footprint *sum;
};

/* What it has of its own; the rest it shares with the daemon. */
static void add_helper_memory(const struct process *p, void *arg)
{
	const struct helpers *h = arg;
	uint64_t bytes;

	if (p->parent != h->daemon)
		return;
	if (read_bytes(p->pid, "status", "VmPTE:", &bytes) == 0)
		h->sum->daemon_table_bytes += bytes;
	if (read_bytes(p->pid, "smaps_rollup", "Private_Clean:", &bytes) == 0)
		h->sum->daemon_rss_bytes += bytes;
	if (read_bytes(p->pid, "smaps_rollup", "Private_Dirty:", &bytes) == 0)
		h->sum->daemon_rss_bytes += bytes;
}

static int read_daemon_memory(pid_t daemon, struct footprint *fp)
{
	struct helpers helpers = { .daemon = daemon, .sum = fp };
	int err = read_bytes(daemon, "status", "VmPTE:",
			     &fp->daemon_table_bytes);

	if (err == 0)
		err = read_own_rss(daemon, &fp->daemon_rss_bytes);
	return err != 0 ? err : process_each(add_helper_memory, &helpers);
}

int footprint_read(pid_t daemon, struct footprint *ret_footprint)
{
	struct footprint fp = { 0 };
	int err = read_bytes(getpid(), "status", "VmPTE:",
			     &fp.client_table_bytes);

	if (err == 0 && daemon != 0)
		err = read_daemon_memory(daemon, &fp);
	if (err == 0)
		*ret_footprint = fp;
	return err;
}
