/* SPDX-License-Identifier: MIT */
/* Findings about the kernel: its version, userfaultfd, capture, huge pages. */
#include "daemon/findings/findings.h"

#include "daemon/backing/backing.h"
#include "daemon/backing/self_test.h"
#include "daemon/system/system.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CURE_KERNEL	"install Linux 5.14 or newer"

void finding_kernel(struct findings_ask *ask)
{
	struct utsname name;
	int major, minor;

	if (uname(&name) != 0 ||
	    sscanf(name.release, "%d.%d", &major, &minor) != 2)
		finding_warn(ask, "its version is not known\nmemd needs Linux "
			     "5.14 or newer");
	else if (major < 5 || (major == 5 && minor < 14))
		finding_fail(ask, "Linux %s has no minor faults on shared "
			     "memory\n" CURE_KERNEL, name.release);
	else
		finding_ok(ask, "Linux %s%s", name.release,
			   major < 6 || (major == 6 && minor < 6) ?
			   " (from 6.6 on a lost page is poisoned alone)" : "");
}

static int try_userfaultfd(void)
{
	struct backing *backing;
	int err = backing_create(1, true, &backing);

	if (err == 0)
		backing_destroy(backing);
	return err;
}

static const char *userfaultfd_cure(int err)
{
	switch (err) {
	case -EMFILE:
		return CURE_DESCRIPTORS;
	case -EOPNOTSUPP:
		return CURE_KERNEL;
	case -ENOSYS:
		return "use a kernel with CONFIG_USERFAULTFD=y";
	case -EPERM:
	case -EACCES:
		return "allow it in the container: docker run --security-opt "
		       "seccomp=unconfined, or a profile that has userfaultfd";
	default:
		return "";
	}
}

/* memd's own userfaultfd. */
void finding_userfaultfd(struct findings_ask *ask)
{
	bool must_try = ask->moment == FINDING_CHECK ||
			ask->moment == FINDING_BARE;
	int err = must_try ? try_userfaultfd() : ask->error;

	if (err == 0)
		finding_ok(ask, "memd can use it (it needs user mode only)");
	else if (err == -EAGAIN)
		finding_fail(ask, "no helper process can be started: %s\n"
			     CURE_TASKS, strerror(-err));
	else
		finding_fail(ask, "%s\n%s", strerror(-err),
			     userfaultfd_cure(err));
}

/* What memd does to take a page out without losing a write. */
void finding_capture(struct findings_ask *ask)
{
	bool must_try = ask->moment == FINDING_CHECK ||
			ask->moment == FINDING_BARE;
	int err = must_try ? capture_self_test() : ask->error;

	if (err == 0)
		finding_ok(ask, "a page that is taken out has its last write");
	else if (err == -ENOTSUP)
		finding_fail(ask, "splice and fallocate of this kernel lose "
			     "writes to shared memory\nuse another kernel");
	else if (err == -EMFILE || err == -ENFILE)
		finding_fail(ask, "%s\n" CURE_DESCRIPTORS, strerror(-err));
	else
		finding_fail(ask, "pages cannot be taken out of shared memory: "
			     "%s\n", strerror(-err));
}

/* Without the flag USER_MODE_ONLY, so that faults inside system calls can be
 * served, too. */
static bool may_make_full_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* The userfaultfds of programs. */
void finding_full_userfaultfd(struct findings_ask *ask)
{
	const char *device = "/dev/userfaultfd";
	char cure[128] = "sysctl vm.unprivileged_userfaultfd=1";
	bool may_open = access(device, R_OK | W_OK) == 0;

	if (may_open || may_make_full_userfaultfd()) {
		finding_ok(ask, "uid %u may %s: system calls may be given "
			   "managed memory", getuid(), may_open ?
			   "open /dev/userfaultfd" : "use it in full");
		return;
	}
	if (access(device, F_OK) == 0)
		snprintf(cure, sizeof(cure), "chgrp memd %s && chmod 0660 %s, "
			 "then join that group: usermod -aG memd USER", device,
			 device);
	finding_warn(ask, "uid %u may use it in user mode only: system calls "
		     "on missing pages fail with EFAULT\n%s", getuid(), cure);
}

void finding_huge_pages(struct findings_ask *ask)
{
	const char *path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
	char line[128];

	if (system_read_line(path, line, sizeof(line)) != 0)
		finding_ok(ask, "not in this kernel");
	else if (strstr(line, "[force]") != NULL)
		finding_warn(ask, "forced on, which memd cannot turn off for "
			     "its own files\necho never > %s", path);
	else
		finding_ok(ask, "%s (off for memd's own files anyway)", line);
}
