/* SPDX-License-Identifier: MIT */
/* See meter.h.  The formats are those of proc(5) and of the kernel's
 * Documentation/ABI/stable/sysfs-block. */
#include "tests/bench/meter.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

#define TRACEPOINTS "/sys/kernel/tracing/events/"
#define TEXT(number) #number
#define TEXT_OF(macro) TEXT(macro)
#define YIELD TEXT_OF(SYS_sched_yield)

enum { SWAP_PAGE_BYTES = 4096, PATH_BYTES = 128 };

const char *const meter_names[METER_COUNTS] = {
	"voluntary_switches", "involuntary_switches", "minor_faults",
	"syscalls", "yields", "signals", "copies", "continues", "zaps",
	"punches", "shootdowns",
};

/* Look in each line of the file for each of the formats, which take a value
 * each.  Returns how many were found. */
static unsigned scan_lines(const char *path, unsigned count,
			   const char *const *formats, void *const *values)
{
	FILE *f = fopen(path, "re");
	unsigned found = 0;
	char line[1024];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		for (unsigned i = 0; i < count; i++)
			found += sscanf(line, formats[i], values[i]) == 1;
	if (f != NULL)
		fclose(f);
	return found;
}

static int64_t read_number(const char *folder, const char *name,
			   const char *format)
{
	char path[2 * PATH_BYTES];
	int64_t value = 0;
	void *at = &value;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return scan_lines(path, 1, &format, &at) == 1 ? value : 0;
}

/* ---- tracepoints */

/* SIGCONT and SIGSTOP are the crew's own.  The numbers are those of <signal.h>,
 * <linux/userfaultfd.h>, <linux/falloc.h>, and the kernel's own
 * TLB_REMOTE_SEND_IPI. */
static const struct {
	const char *event, *filter;
} traced[METER_COUNTS] = {
	[METER_SYSCALLS] = { "raw_syscalls/sys_enter", "id != " YIELD },
	[METER_YIELDS] = { "raw_syscalls/sys_enter", "id == " YIELD },
	[METER_SIGNALS] = { "signal/signal_deliver", "sig != 18 && sig != 19" },
	[METER_COPIES] = { "syscalls/sys_enter_ioctl",
			   "cmd == 0xc028aa03 || cmd == 0xc020aa04" },
	[METER_CONTINUES] = { "syscalls/sys_enter_ioctl",
			      "cmd == 0xc020aa07" },
	[METER_ZAPS] = { "raw_syscalls/sys_enter",
			 "id == " TEXT_OF(SYS_madvise) " || id == "
			 TEXT_OF(SYS_process_madvise) },
	[METER_PUNCHES] = { "syscalls/sys_enter_fallocate", "mode & 2" },
	[METER_SHOOTDOWNS] = { "tlb/tlb_flush", "reason == 4" },
};

/* Without those of the kernel it takes no privilege. */
static int open_event(uint32_t type, uint64_t config, pid_t tid,
		      bool is_of_kernel)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.inherit = is_of_kernel,
		.exclude_kernel = !is_of_kernel,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

int meter_open_faults(void)
{
	return open_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 0,
			  false);
}

/* Returns a descriptor, or -1 and errno. */
static int open_traced(enum meter_count what, pid_t tid)
{
	char folder[PATH_BYTES];
	int64_t id;
	int fd = -1;

	snprintf(folder, sizeof(folder), TRACEPOINTS "%s", traced[what].event);
	id = read_number(folder, "id", "%" SCNd64);
	if (id != 0)
		fd = open_event(PERF_TYPE_TRACEPOINT, (uint64_t)id, tid, true);
	if (fd < 0 ||
	    ioctl(fd, PERF_EVENT_IOC_SET_FILTER, traced[what].filter) == 0)
		return fd;
	close(fd);
	return -1;
}

void meter_explain(void)
{
	for (unsigned what = METER_TRACED; what < METER_COUNTS; what++) {
		int fd = open_traced(what, 0);

		if (fd >= 0)
			close(fd);
		else
			printf("{\"left_out\": \"%s cannot be counted: "
			       TRACEPOINTS "%s: %s\"}\n", meter_names[what],
			       traced[what].event, strerror(errno));
	}
}

void meter_probe(pid_t tid, struct meter_probes *to)
{
	for (unsigned what = METER_TRACED; what < METER_COUNTS; what++) {
		int fd = open_traced(what, tid);

		if (fd < 0)
			continue;
		ASSERT(to->count < ARRAY_SIZE(to->probe));
		to->probe[to->count].fd = fd;
		to->probe[to->count++].what = what;
	}
}

void meter_probes_close(struct meter_probes *probes)
{
	while (probes->count > 0)
		close(probes->probe[--probes->count].fd);
}

static void read_probes(const struct meter_probes *probes, struct meter *m)
{
	for (unsigned what = METER_TRACED; what < METER_COUNTS; what++)
		m->count[what] = -1;
	for (unsigned i = 0; i < probes->count; i++) {
		int64_t *sum = &m->count[probes->probe[i].what], value;

		if (read(probes->probe[i].fd, &value, sizeof(value)) > 0)
			*sum = MAX(*sum, 0) + value;
	}
}

/* ---- processes */

/* A thread of the daemon's; its folder is /proc/PID/task/TID.  What ends
 * meanwhile counts nothing. */
static void add_thread(const char *folder, pid_t daemon, struct meter *m,
		       struct meter_probes *probes)
{
	static const char *const formats[] = {
		"Name: %31s", "Pid: %d", "Tgid: %d", "PPid: %d",
		"voluntary_ctxt_switches: %" SCNd64,
		"nonvoluntary_ctxt_switches: %" SCNd64,
	};
	int64_t voluntary = 0, involuntary = 0;
	int pid = 0, tgid = 0, parent = 0;
	char name[32] = "", path[PATH_BYTES];
	void *const values[] = { name, &pid, &tgid, &parent, &voluntary,
				 &involuntary };

	snprintf(path, sizeof(path), "%s/status", folder);
	if (scan_lines(path, ARRAY_SIZE(formats), formats, values) !=
	    ARRAY_SIZE(formats))
		return;
	if (daemon == 0 ? strncmp(name, "kswapd", 6) != 0 :
			  tgid != daemon && parent != daemon)
		return;
	if (probes != NULL)
		meter_probe(pid, probes);
	m->count[METER_VOLUNTARY] += voluntary;
	m->count[METER_INVOLUNTARY] += involuntary;
	m->count[METER_MINOR] += read_number(folder, "stat",
		"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %" SCNd64);
	m->cpu_ns += (uint64_t)read_number(folder, "schedstat", "%" SCNd64);
}

void meter_read_daemon(pid_t daemon, const struct meter_probes *probes,
		       struct meter_probes *to_probe, struct meter *ret_meter)
{
	glob_t threads = { 0 };

	*ret_meter = (struct meter){ 0 };
	if (glob("/proc/[0-9]*/task/[0-9]*", GLOB_NOSORT, NULL, &threads) == 0)
		for (size_t i = 0; i < threads.gl_pathc; i++)
			add_thread(threads.gl_pathv[i], daemon, ret_meter,
				   to_probe);
	globfree(&threads);
	read_probes(probes, ret_meter);
}

void meter_read_self(const struct meter_probes *probes, struct meter *ret_meter)
{
	struct timeval cpu;
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);
	timeradd(&ru.ru_utime, &ru.ru_stime, &cpu);
	*ret_meter = (struct meter){
		.cpu_ns = (uint64_t)(cpu.tv_sec * 1000000 + cpu.tv_usec) * 1000,
		.read_bytes = (uint64_t)read_number("/proc/self", "io",
						    "read_bytes: %" SCNd64),
		.count[METER_VOLUNTARY] = ru.ru_nvcsw,
		.count[METER_INVOLUNTARY] = ru.ru_nivcsw,
		.count[METER_MINOR] = ru.ru_minflt,
	};
	read_probes(probes, ret_meter);
}

/* ---- the disk */

/* Bytes of memd or of the kernel, and what the device has ended. */
int meter_read_disk(pid_t daemon, const char *file, struct meter_disk *ret_disk)
{
	static const char *const ours[] = {
		"read_bytes: %" SCNu64, "write_bytes: %" SCNu64,
	}, *const kernels[] = {
		"pswpin %" SCNu64, "pswpout %" SCNu64,
	}, *const requests[] = {
		"%" SCNd64, "%*u %*u %*u %*u %" SCNd64,
	};
	char path[PATH_BYTES] = "/proc/vmstat";
	struct meter_disk *d = ret_disk;
	void *const bytes[] = { &d->read_bytes, &d->written_bytes };
	void *const counts[] = { &d->reads, &d->writes };
	uint64_t unit = daemon == 0 ? SWAP_PAGE_BYTES : 1;
	struct stat st;
	dev_t device;

	if (daemon != 0)
		snprintf(path, sizeof(path), "/proc/%d/io", (int)daemon);
	if (scan_lines(path, 2, daemon != 0 ? ours : kernels, bytes) != 2 ||
	    stat(file, &st) != 0)
		return -ENODATA;
	d->read_bytes *= unit;
	d->written_bytes *= unit;
	device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
		 major(device), minor(device));
	if (scan_lines(path, 2, requests, counts) != 2)
		d->reads = d->writes = -1;
	return 0;
}
