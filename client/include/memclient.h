/* SPDX-License-Identifier: MIT */
/* libmemclient maps memory whose pages a memd daemon moves between RAM and
 * swap files.  A program uses the memory through plain pointers.
 *
 *	struct memclient *mc = NULL;
 *	void *p;
 *
 *	if (memclient_open(NULL, NULL, &mc) != 0 ||
 *	    memclient_map(mc, 1 << 30, NULL, &p) != 0) {
 *		fprintf(stderr, "%s\n", memclient_error(mc));
 *		exit(1);
 *	}
 *	memset(p, 1, 1 << 30);		// like any other memory
 *	memclient_close(mc);
 *
 * The same is in memclient(3), with more examples.
 *
 * Terms
 * -----
 * region   Addresses of this process that memclient_map() or memclient_attach()
 *          has mapped.
 * segment  The array of pages that a region shows.  A private segment belongs
 *          to one connection.  A named segment is shared by processes.
 * page     What comes and goes as a whole: 4 KiB, 16 KiB, 64 KiB or 2 MiB.  A
 *          page that was never written reads as zeros.
 * frame    4 KiB of the daemon's memory (its pool).  A page in use is in
 *          frames; all other pages are in swap files.
 * fault    A thread touches a page that is not mapped.  userfaultfd(2) reports
 *          the fault to the library.  The library brings the page in, by itself
 *          or by asking the daemon, and maps it, and the thread goes on.
 *
 * Fault modes
 * -----------
 * Each region has one of two fault modes.
 *
 * thread   (default) A thread of the library handles the fault.  System calls
 *          may be given addresses inside the region if the process may use full
 *          userfaultfd: it can open /dev/userfaultfd, or has CAP_SYS_PTRACE, or
 *          the sysctl vm.unprivileged_userfaultfd is 1.  Without these, loads
 *          and stores work, but a system call that meets a missing page fails
 *          with EFAULT.  Call memclient_touch() or memclient_pin() first.
 * inline   The faulting thread handles the fault itself, in a handler of
 *          SIGBUS.  A fault then costs less than in thread mode, because no
 *          other thread has to wake up.
 *          A system call that meets a missing page always fails with EFAULT.
 *          Call memclient_touch() or memclient_pin() first.
 *          The library calls a SIGBUS handler that the program installed before
 *          its first inline region, for every SIGBUS that is not about a region
 *          and for lost and late pages.  A handler that the program installs
 *          later must call the library's handler likewise.  A thread that
 *          touches an inline region must not block SIGBUS, and its signal stack
 *          must not be in an inline region.  While a page is fetched, the
 *          thread's other signals wait.
 *
 * What the library promises
 * ------------------------
 * A read gives the bytes that were written last, or the thread gets SIGBUS.  It
 * never gives zeros in their place.  SIGBUS means one of these:
 *
 *   - The page's bytes are lost: the disk failed, or the checksum was wrong.
 *   - The daemon came back without the segment.
 *   - For memclient_options.timeout_ms the daemon did not answer, or could not
 *     give the page a frame.  Such a page is late, not lost.
 *
 * If the daemon answers but waits for a slow disk or another host, the thread
 * waits without end, as it does for the kernel's swap.  `memctl status` shows
 * this.  Time in which the process is stopped (SIGSTOP, a debugger, a freezer)
 * does not count.
 *
 * After SIGBUS for a late page the program may touch the page again; the
 * library then asks for it again.  In thread regions it asks again only 0.2 s
 * after the SIGBUS: touches before that are SIGBUS at once.  Kernels before 6.6
 * have no UFFDIO_POISON: there a thread waits for a late page of a thread
 * region until the page comes.
 *
 * si_code in thread regions is BUS_MCEERR_AR if the kernel has both
 * UFFDIO_POISON and memory failure handling, else BUS_ADRERR.  In inline
 * regions it is BUS_MCEERR_AR for a lost page and BUS_ADRERR for a late page.
 *
 * When the daemon goes away
 * ------------------------
 * Until the library is connected again:
 *
 *   - Mapped pages stay mapped and keep their bytes.
 *   - Pages of private memory that are in RAM can still be touched.
 *   - A touch of any other page waits, at most timeout_ms, and then is SIGBUS.
 *     This includes every page of a named segment that is not mapped: nobody
 *     watches shared memory meanwhile, so the library maps nothing of it.
 *
 * After it is connected again:
 *
 *   - Regions of named segments go on if the daemon still has the segment.
 *   - Private memory belonged to the broken session.  Its pages that are not in
 *     RAM are lost.
 *   - All pins, of all regions, are lost.
 *
 * What the program must do, and what it may do
 * -------------------------------------------
 *   - These calls may be used on a region or a part of it, also on a part of a
 *     page: mprotect(), mlock(), munlock(), mbind(), and madvise() with NORMAL,
 *     RANDOM, SEQUENTIAL, WILLNEED, COLD, PAGEOUT, POPULATE_READ,
 *     POPULATE_WRITE and DONTNEED.  All of them leave the bytes alone.  memd
 *     does not hear of them; it hears of memclient_advise().  Do not make a
 *     read-only region writable: writes then go to a copy, which vanishes when
 *     memd unmaps the page.  mlock() keeps no page in RAM; memclient_pin()
 *     does.  Where a system call gets EFAULT, mlock() gets ENOMEM.  A call on a
 *     part of a region splits the mapping there; a process may have so many
 *     mappings (sysctl vm.max_map_count).
 *   - Do not use madvise() with any other value.  From a huge page (HUGEPAGE,
 *     COLLAPSE) memd cannot take anything, so the daemon gives up the segment.
 *     It also gives up a segment of which REMOVE has dropped pages.  With
 *     DOFORK a child reads zeros, and with DODUMP a core dump shows them.
 *   - Do not munmap(), mremap() or mmap() over a region or a part of it.  The
 *     rest of the region still works, but nobody watches that part any more.
 *     What the program has mapped there
 *     instead is at risk: memclient_unmap() unmaps it, and memd may drop pages
 *     of it, which then read as zeros.  At the place to which
 *     mremap() has moved a part, a touch of a page that is not mapped is
 *     SIGBUS.
 *   - A region is not inherited by fork(): in the child its addresses are
 *     unmapped, and no descriptor of the library is open.  On the parent's
 *     connection only memclient_close() works there, and frees memory; all
 *     other calls return -EPERM.  The child may open a connection of its own.
 *     clone(2) and _Fork() run no pthread_atfork() handlers.  After them, call
 *     any function of the library in the child (memclient_close() is enough)
 *     before the child drops privileges: that call closes the descriptors that
 *     the child has inherited.
 *   - Pin memory for everything that keeps physical pages: direct I/O, fixed
 *     buffers of io_uring, RDMA, devices.  Without memclient_pin() the page may
 *     leave meanwhile, and the device writes into memory that nobody sees any
 *     more.
 *   - Pin, in both fault modes, what the kernel reads or writes for a thread
 *     that is ending.  The kernel does not wait for a page then; it ignores a
 *     word on a missing page.  This concerns three things.  (1) Robust mutexes:
 *     pin each from before it is locked until after it is unlocked.  The kernel
 *     follows a list from one mutex to the next, so a missing mutex also hides
 *     those behind it: no thread gets EOWNERDEAD, and threads that wait for
 *     them wait for ever.  (2) The word of set_tid_address(2), on which
 *     pthread_join() waits.  (3) The list head of set_robust_list(2).  The last
 *     two are in glibc's descriptor of a thread, at the end of its stack: pin
 *     the whole stack if it is in a region.
 *   - Where a system call gets EFAULT for a missing page (see Fault modes), pin
 *     whatever the program gives to system calls.  Also pin mutexes, condition
 *     variables, semaphores and barriers, private or shared, while threads use
 *     them: they call futex(2) as soon as a thread has to wait, and if that
 *     fails, glibc aborts the program or waits for ever.  Also pin the area of
 *     rseq(2), which is in glibc's descriptor of a thread.  In thread mode with
 *     full userfaultfd none of these needs a pin.
 *   - The library's thread and the thread of an engine (embedded:, tcp://) have
 *     the ordinary scheduling policy, nice 0 if that is allowed, and every
 *     processor of the cpuset, whatever the thread has that opened the
 *     connection.  So a cpuset confines them; sched_setaffinity(2) and
 *     taskset(1) do not.
 *   - The program may close all descriptors: the library's thread keeps its
 *     own.  (With inline regions, up to 512 of the program's numbers are files
 *     of memd's swap with these regions' pages, opened for reading.)  The
 *     library does not close a number that belongs to something else by then.
 *     Faults in inline mode take longer afterwards: memd, or the library's
 *     thread, does for them what took the closed descriptors.
 *   - A core dump contains no regions, because it would show zeros for every
 *     page that is not mapped.
 *
 * Errors and threads
 * -----------------
 * Functions of type int return 0 or a negative errno number.  On failure they
 * write nothing through a ret_ pointer.  memclient_error() returns the reason
 * in words, and what to do.  Each function returns -EINVAL if `mc` is NULL, or
 * if the `size` of a struct is not set.
 *
 * Any thread may call any function at any time, but memclient_close() must be
 * the last call.  No function may be called from a signal handler.  C99 and C++
 * compatible. */
#ifndef MEMCLIENT_H
#define MEMCLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MEMCLIENT_VERSION_MAJOR 0
#define MEMCLIENT_VERSION_MINOR 1
#define MEMCLIENT_VERSION_PATCH 0

/* A connection to a daemon, and the regions mapped through it. */
struct memclient;

/* Options of memclient_open().  A field that is 0 or NULL means the default. */
struct memclient_options {
	/* sizeof(struct memclient_options); required, so that later versions
	 * can add fields */
	size_t size;
	/* How long a fault or a call waits for a daemon that does not answer,
	 * in milliseconds; default 10000. */
	uint32_t timeout_ms;
	/* A limit that the program sets for itself: how many 4 KiB frames its
	 * pages may have; 0 = only the daemon's limits. */
	uint64_t most_frames;
	/* The name that `memctl ps` shows; default: the program's. */
	const char *command;
};

/* Connect, and start the library's thread.
 *
 * address  where the memory is:
 *          "unix:/path/to/socket", "/path/to/socket", or "unix:@name" for an
 *          abstract socket: a daemon on this host.
 *          "embedded:NAME=VALUE,…": no daemon.  Pager and swap files are in
 *          this process, on a thread of their own.  All settings of
 *          memd.conf(5) may be given.  The most important are pool_size=SIZE
 *          (memory for frames; default 256M), swap_size=SIZE (of all swap
 *          files; default 1G) and swap_dir=FOLDER for these files, which have
 *          no names.  Its default is $TMPDIR or /var/tmp.  It must not be a
 *          tmpfs, because a tmpfs is memory.
 *          "tcp://HOST:PORT?NAME=VALUE&…": as "embedded:", with the memory of a
 *          memd on another host in place of swap files.  pool_size=SIZE is the
 *          memory used here, swap_size=SIZE the memory used there.
 *          tls_ca=FILE, tls_certificate=FILE and tls_key=FILE (PEM) make the
 *          connection TLS.  Without them only loopback addresses are allowed,
 *          or all with insecure_tcp=yes.  store_mirror=HOST:PORT is a second
 *          host that keeps every page too.
 *          NULL: the address in $MEMCLIENT_ADDRESS, or /run/memd/memd.sock if
 *          that is not set.  The older name $MEMD_SOCKET is still read;
 *          memclient_error() says so right after the call.  Programs that have
 *          more rights than their caller read neither (secure_getenv(3)).
 *          "embedded:" and "tcp://" need libmemd-engine.so.0, which comes with
 *          memd.  A statically linked program cannot open it.  The program's
 *          heap must not be in memory that the engine serves.
 * options  NULL: all defaults.  Copied.
 * ret_mc   the connection; the caller ends it with memclient_close().
 *
 * Returns 0, or -EINVAL (bad address, or a bad setting in it), -ENOENT or
 * -ECONNREFUSED (no daemon there), -EACCES (the mode of the socket forbids it),
 * -EPROTO or -EPROTONOSUPPORT (not memd, or another protocol version), -EPERM
 * (the kernel gives this process no userfaultfd), -EOPNOTSUPP (kernel older
 * than 5.14), -EAGAIN (the daemon has as many sessions as it may, or no more
 * threads can be made), -ESHUTDOWN (daemon is stopping), -ENOTCONN (the daemon
 * closed the connection), -ETIMEDOUT, -ENOMEM, -EMFILE.
 * "embedded:" and "tcp://" return besides: -ENOSYS (no libmemd-engine.so.0),
 * -ENOSPC (no room on the other host), -EDQUOT (a limit on the other host),
 * -EHOSTUNREACH (no such host), -EPERM (the folder for swap files is another
 * user's), -EINVAL (it is in memory), and the errors of open(2) for it.
 * memclient_error(NULL) in the same thread returns the reason in words.
 *
 * Blocks for the handshake, at most timeout_ms.  Before that, "tcp://" takes at
 * most 5 s for each host. */
int memclient_open(const char *address, const struct memclient_options *options,
		   struct memclient **ret_mc);

/* Unmap all regions, stop the library's thread, and disconnect.  `mc` may be
 * NULL.  Private memory is freed; named segments stay in the daemon.  No other
 * thread may use a region or the connection during this call.
 *
 * Blocks while the kernel unmaps; does not wait for a daemon.  With "embedded:"
 * and "tcp://" it also waits until the engine has stopped.  That takes at most
 * the setting stop_timeout (default there: 1s) for pages on their way, and then
 * the time until the disk has done its requests (embedded:), or at most 1 s for
 * each other host. */
void memclient_close(struct memclient *mc);

/* Options of memclient_map() and memclient_attach().  All 0: thread mode, and
 * pages of 4 KiB or, for memclient_attach(), of the segment's size. */
struct memclient_map_options {
	size_t size;		/* sizeof(struct memclient_map_options) */
	uint32_t page_size;	/* bytes: 4096, 16384, 65536 or 2097152 */
	uint32_t fault_mode;	/* MEMCLIENT_FAULT_… */
	/* memclient_attach() only: map without the right to write */
	uint32_t read_only;
};

#define MEMCLIENT_FAULT_THREAD	0u
#define MEMCLIENT_FAULT_INLINE	1u

/* Map `length` bytes of private memory, which are zeros.
 *
 * length    bytes, > 0; rounded up to whole pages.
 * options   NULL: defaults.
 * ret_addr  the start of the region, aligned to the page size.
 *
 * Returns 0, or -EINVAL (length is 0 or too large; bad page size, or too large
 * for the daemon's pool; bad fault mode; read_only is set), -EDQUOT (a limit of
 * this session or user), -ENOSPC (swap is committed, or its disk full), -EBUSY
 * (more than 64 maps of this connection, or 512 of this user, are under way),
 * -EAGAIN (the daemon has max_segments; or another program of this user keeps
 * one of its data files locked; or mlockall(MCL_FUTURE) is on and
 * RLIMIT_MEMLOCK is too low), -EMFILE (too many descriptors here or in the
 * daemon, or too many connections with inline regions), -ENOMEM, -ENOTCONN
 * (daemon gone), -EPROTO, -ETIMEDOUT.  Blocks for one round trip, and while the
 * daemon makes a swap file, at most timeout_ms.  The region belongs to `mc`
 * until memclient_unmap() or memclient_close(). */
int memclient_map(struct memclient *mc, size_t length,
		  const struct memclient_map_options *options, void **ret_addr);

/* Unmap the region that starts at `addr`, which memclient_map() or
 * memclient_attach() returned.  No other thread may touch it during this call.
 * Works without a daemon.  Returns 0, or -EINVAL (no region starts there). */
int memclient_unmap(struct memclient *mc, void *addr);

/* Options of memclient_segment_create(). */
struct memclient_segment_options {
	size_t size;		/* sizeof(struct memclient_segment_options) */
	uint32_t page_size;	/* as in memclient_map_options */
	uint32_t mode;		/* permission bits, as of a file; 0 = 0600 */
	const char *group;	/* group of the segment; NULL: the caller's */
	/* Not 0: fail with -EEXIST if the name is taken. */
	uint32_t exclusive;
};

/* Make a named segment of `length` bytes, which are zeros.  The segment belongs
 * to the caller's uid.  It is freed when memclient_segment_unlink() has taken
 * its name away and the last process has detached.  If there is a segment of
 * the same name, size and page size, it stays as it is and the call returns 0,
 * unless `exclusive` is set.
 *
 * name    1 to 255 bytes, without '/' and control characters.
 * length  bytes, > 0; rounded up to whole pages.
 *
 * Returns 0 or the errors of memclient_map(), and -EEXIST (the name is taken,
 * and `exclusive` is set or the size or page size differs), -EACCES (the
 * segment exists, and its mode forbids it to the caller), -EINVAL (bad name or
 * mode; no such group), -EPERM (the caller is neither root nor a member of the
 * group), -EAGAIN (the daemon is asking a directory service for the group: call
 * again, or give the group's number).
 * Blocks for one round trip, at most timeout_ms. */
int memclient_segment_create(struct memclient *mc, const char *name,
			     size_t length,
			     const struct memclient_segment_options *options);

/* Take the name of a segment away.  Its memory is freed when the last process
 * detaches.  Returns 0, or -EINVAL (bad name), -ENOENT, -EACCES (only the owner
 * and administrators may), -ENOTCONN, -ETIMEDOUT.  Blocks for one round trip,
 * at most timeout_ms. */
int memclient_segment_unlink(struct memclient *mc, const char *name);

/* Map a named segment.  It is shared with every other process that has attached
 * it: a page is in the same frames for all of them, and a write is seen at
 * once.
 *
 * options               page_size: 0, or the segment's page size.
 * ret_addr, ret_length  start and length of the region, in bytes; ret_length
 *                       may be NULL.
 *
 * Returns 0, or -ENOENT (no such name), -EACCES (its mode forbids it), -EINVAL
 * (bad name, bad fault mode, bad page size or not the segment's), -EIO (a
 * client has written to the segment's data file past the daemon, so no byte of
 * it can be trusted: unlink the segment), -EDQUOT (as many segments as one
 * session may attach), -EAGAIN (mlockall(), as for memclient_map()), -EMFILE,
 * -ENOMEM, -ENOTCONN, -EPROTO, -ETIMEDOUT.
 * Blocks for one round trip, at most timeout_ms. */
int memclient_attach(struct memclient *mc, const char *name,
		     const struct memclient_map_options *options,
		     void **ret_addr, size_t *ret_length);

/* Values of `advice` for memclient_advise(): how the program will use a
 * range. */
#define MEMCLIENT_ADVICE_NORMAL		0
#define MEMCLIENT_ADVICE_SEQUENTIAL	1	/* read far ahead */
#define MEMCLIENT_ADVICE_RANDOM		2	/* never read ahead */
/* Bring in; the call does not wait. */
#define MEMCLIENT_ADVICE_WILLNEED	3
/* Drop the bytes: they become zeros, for all who map the segment. */
#define MEMCLIENT_ADVICE_DONTNEED	4
/* Evict these pages before others. */
#define MEMCLIENT_ADVICE_COLD		5
#define MEMCLIENT_ADVICE_PAGEOUT	6	/* evict these pages now */

/* Give advice on every page that the range [addr, addr + length) touches.
 * DONTNEED drops only pages that are wholly inside the range.  SEQUENTIAL,
 * RANDOM and NORMAL hold for the whole segment.  If this connection has the
 * segment attached read-only, COLD and PAGEOUT do nothing and return 0, because
 * others may be using the pages.
 *
 * Returns 0, or -EINVAL (not inside one region, unknown advice), -EACCES
 * (DONTNEED on a read-only region), -EBUSY (DONTNEED or PAGEOUT on pinned
 * pages, or on pages that a thread has begun to fault in and does not go on;
 * or too many requests are under way), -ENOTCONN (daemon gone, or the
 * region lost), -ETIMEDOUT.  On failure the advice may have been carried out
 * for a part of the range.
 * Blocks until the advice has been carried out, except for WILLNEED; at most
 * timeout_ms for each 256 MiB. */
int memclient_advise(struct memclient *mc, void *addr, size_t length,
		     int advice);

/* Bring in and map every page that the range touches.  The pages stay in RAM
 * and mapped until memclient_unpin() of the same range; pins are counted.
 * Meanwhile every system call of this process finds the pages, in both fault
 * modes and with any kind of userfaultfd.  Pins belong to this process: other
 * processes that have the segment attached must pin for themselves.
 *
 * Returns 0, or -EINVAL (not inside one region), -ENOMEM (more than may be
 * pinned: half of the pool, half of a limit on frames, or 4096 ranges), -EBUSY
 * (too many requests are under way: 16 pins and advices of one connection at a
 * time), -EACCES (the region is read-only, and the segment's mode does not let
 * the caller write), -EIO (a page is lost), -ENOTCONN (daemon gone, or the
 * region lost), -ETIMEDOUT.  On failure nothing is pinned.  The exception is
 * -ETIMEDOUT: the daemon may still pin the range, until the region is unmapped.
 * Blocks until all pages are there, at most timeout_ms. */
int memclient_pin(struct memclient *mc, void *addr, size_t length);

/* Undo one memclient_pin() of the same range.
 *
 * Returns 0, or -EINVAL (the range does not have exactly the pages of a pinned
 * range; or the connection has broken since, which ends all pins), -ENOTCONN,
 * -ETIMEDOUT.
 * Blocks for one round trip, at most timeout_ms. */
int memclient_unpin(struct memclient *mc, void *addr, size_t length);

/* Read one byte of every page of the range.  A system call right after this
 * will hardly ever meet a missing page; only memclient_pin() makes that
 * certain.  Returns 0 or -EINVAL (not inside one region).  Blocks while pages
 * come in, at most timeout_ms for each.  A page that is lost, or late, is
 * SIGBUS here as anywhere. */
int memclient_touch(struct memclient *mc, const void *addr, size_t length);

/* Figures of this connection.  Bytes and the limit are current values.  The
 * daemon counts faults from the last connection or reconnection on, so they
 * begin at 0 again when `reconnects` grows.  The library counts pages_lost and
 * reconnects from memclient_open() on. */
struct memclient_stats {
	size_t size;		/* sizeof(struct memclient_stats); required */
	uint64_t mapped_bytes;
	/* In frames; of all segments that this connection has attached. */
	uint64_t resident_bytes;
	uint64_t swapped_bytes;
	/* Page was in a frame, and was mapped without asking the daemon. */
	uint64_t faults_minor;
	uint64_t faults_zero;	/* first touch of a page */
	uint64_t faults_hit;	/* page was in a frame; the daemon was asked */
	uint64_t faults_swap_in;	/* read from swap */
	/* Page was being evicted, and was put back. */
	uint64_t faults_put_back;
	uint64_t pages_lost;	/* lost pages; not late ones */
	uint64_t limit_frames;	/* 0: none */
	uint64_t reconnects;
};

/* Read the figures.  The caller sets ret_stats->size.  Returns 0, or -EINVAL
 * (size not set), -ENOTCONN, -EPROTO, -ETIMEDOUT.  Blocks for one round trip,
 * at most timeout_ms. */
int memclient_stats(struct memclient *mc, struct memclient_stats *ret_stats);

/* Text for an errno number of either sign, for example "no room: swap is
 * committed, or its disk is full".  Static; never NULL. */
const char *memclient_strerror(int error);

/* The reason of the calling thread's last failed call, in one line that also
 * says what to do.  `mc` may be NULL, and must be NULL after a failed
 * memclient_open().  Valid until the thread's next call; never NULL. */
const char *memclient_error(const struct memclient *mc);

#ifdef __cplusplus
}
#endif
#endif
