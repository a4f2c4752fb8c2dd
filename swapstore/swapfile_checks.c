/* SPDX-License-Identifier: MIT */
/* The reasons to refuse a swap file, and their texts: one line with path, cause
 * and cure.  Nothing here changes a file. */
#include "swapstore/swapfile_checks.h"

#include "common/units.h"
#include "swapstore/swapstore.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xxhash.h>

enum { LAYOUT_VERSION = 1 };

static const char header_magic[8] = "memdswap";

int swapfile_refuse(const struct swapfile_attempt *at, int err,
		    const char *format, ...)
{
	int used = snprintf(at->reason, at->reason_size, "%s: ", at->path);
	va_list args;

	if (used >= 0 && (size_t)used < at->reason_size) {
		va_start(args, format);
		vsnprintf(at->reason + used, at->reason_size - (size_t)used,
			  format, args);
		va_end(args);
	}
	return err;
}

int swapfile_refuse_call(const struct swapfile_attempt *at, int err,
			 const char *what)
{
	return swapfile_refuse(at, err, "%s: %s; choose another swap_file",
			       what, strerror(-err));
}

const char *swapfile_folder(const char *path, char *buf, size_t buf_size)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(buf, buf_size, ".");
	else
		snprintf(buf, buf_size, "%.*s",
			 (int)MAX(slash - path, (ptrdiff_t)1), path);
	return buf;
}

int swapfile_refuse_open(const struct swapfile_attempt *at, int err)
{
	char folder[1024];

	swapfile_folder(at->path, folder, sizeof(folder));
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
		return swapfile_refuse(at, err, "the folder %s does not "
				       "exist; make it (mkdir -p) or choose "
				       "another swap_file", folder);
	case ELOOP:
		return swapfile_refuse(at, -EINVAL, "is a symbolic link; name "
				       "the file it means in swap_file");
	case EISDIR:
	case ENXIO:
		return swapfile_refuse(at, -EINVAL, "is not a regular file; "
				       "name a file in swap_file");
	case EACCES:
	case EPERM:
		return swapfile_refuse(at, err, "uid %u may not open it; let "
				       "that user write to %s, or choose "
				       "another swap_file",
				       (unsigned)geteuid(), folder);
	case EROFS:
		return swapfile_refuse(at, err, "the file system is "
				       "read-only; choose another swap_file");
	default:
		return swapfile_refuse_call(at, err, "cannot be opened");
	}
}

int swapfile_refuse_locked(const struct swapfile_attempt *at)
{
	return swapfile_refuse(at, -EBUSY, "is in use by another memd; stop "
			       "that one or choose another swap_file");
}

/* Checks RLIMIT_FSIZE in advance, because exceeding it raises SIGXFSZ. */
int swapfile_check_size(struct swapfile_attempt *at, uint64_t size_bytes)
{
	uint64_t slots_max = UINT32_MAX - 1;
	char asked[16];
	struct rlimit limit;

	units_format_size(size_bytes, asked, sizeof(asked));
	if (size_bytes == 0)
		return swapfile_refuse(at, -EINVAL, "a size of 0 holds "
				       "nothing; set swap_size to 4K or more");
	if (size_bytes > slots_max * SWAP_SLOT_BYTES)
		return swapfile_refuse(at, -EINVAL, "%s is more than the 16T "
				       "a swap file can have; lower swap_size",
				       asked);
	at->file_bytes = SWAPFILE_HEADER_BYTES +
			 DIV_ROUND_UP(size_bytes, SWAP_SLOT_BYTES) *
				 SWAP_SLOT_BYTES;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY &&
	    at->file_bytes > limit.rlim_cur)
		return swapfile_refuse(at, -EFBIG, "%s is more than this "
				       "process may write to one file; raise "
				       "LimitFSIZE= (ulimit -f) or lower "
				       "swap_size", asked);
	return 0;
}

int swapfile_check_owner(struct swapfile_attempt *at)
{
	if (fstat(at->fd, &at->st) != 0)
		return swapfile_refuse_call(at, -errno, "cannot be looked at");
	if (!S_ISREG(at->st.st_mode))
		return swapfile_refuse_open(at, -EISDIR);
	if (at->st.st_uid != geteuid())
		return swapfile_refuse(at, -EPERM, "belongs to uid %u, memd "
				       "runs as uid %u; choose another "
				       "swap_file", (unsigned)at->st.st_uid,
				       (unsigned)geteuid());
	if ((at->st.st_mode & 077) != 0)
		return swapfile_refuse(at, -EPERM, "its mode %04o lets others "
				       "in; chmod 600 it, or choose another "
				       "swap_file",
				       (unsigned)at->st.st_mode & 07777);
	return 0;
}

/* A sum over the header's sum and three zeros. */
static uint64_t header_sum(const union swapfile_header *header)
{
	union swapfile_header copy = *header;
	uint64_t summed[5] = { 0 };
	XXH128_hash_t sum;

	copy.field.sum = 0;
	sum = XXH3_128bits(&copy, sizeof(copy));
	summed[0] = sum.low64;
	summed[1] = sum.high64;
	return XXH3_128bits(summed, sizeof(summed)).low64;
}

void swapfile_header_init(union swapfile_header *header)
{
	memset(header, 0, sizeof(*header));
	memcpy(header->field.magic, header_magic, sizeof(header_magic));
	header->field.version = htole32(LAYOUT_VERSION);
	header->field.slot_bytes = htole32(SWAP_SLOT_BYTES);
	header->field.sum = htole64(header_sum(header));
}

/* An empty file counts as new. */
int swapfile_check_header(const struct swapfile_attempt *at)
{
	union swapfile_header header;
	ssize_t n;

	if (at->st.st_size == 0)
		return 0;
	n = pread(at->fd, &header, sizeof(header),
		  MAX(at->st.st_size - (off_t)sizeof(header), (off_t)0));
	if (n < 0)
		return swapfile_refuse_call(at, -errno, "cannot be read");
	if (n < (ssize_t)sizeof(header) ||
	    memcmp(header.field.magic, header_magic,
		   sizeof(header_magic)) != 0)
		return swapfile_refuse(at, -EPERM, "is not a swap file of "
				       "memd and may be somebody's data; "
				       "choose another swap_file, or remove "
				       "it");
	if (le64toh(header.field.sum) != header_sum(&header))
		return swapfile_refuse(at, -EPERM, "its header is damaged; "
				       "remove it, memd makes a new one");
	if (le32toh(header.field.version) != LAYOUT_VERSION ||
	    le32toh(header.field.slot_bytes) != SWAP_SLOT_BYTES)
		return swapfile_refuse(at, -EPERM, "has layout %u with slots "
				       "of %u bytes, this memd knows layout "
				       "%d with %d; remove it, memd makes a "
				       "new one",
				       le32toh(header.field.version),
				       le32toh(header.field.slot_bytes),
				       LAYOUT_VERSION, SWAP_SLOT_BYTES);
	return 0;
}

uint64_t swapfile_missing_bytes(const struct swapfile_attempt *at)
{
	uint64_t has = (uint64_t)at->st.st_blocks * 512;

	return at->file_bytes > has ? at->file_bytes - has : 0;
}

static uint64_t free_bytes(const struct statvfs *vfs)
{
	uint64_t blocks = geteuid() == 0 ? vfs->f_bfree : vfs->f_bavail;

	return blocks * vfs->f_frsize;
}

int swapfile_refuse_full(const struct swapfile_attempt *at,
			 const struct statvfs *vfs)
{
	char needed[16], available[16];

	units_format_size(swapfile_missing_bytes(at), needed, sizeof(needed));
	units_format_size(free_bytes(vfs), available, sizeof(available));
	return swapfile_refuse(at, -ENOSPC, "needs %s more, the file system "
			       "has %s free; make room or lower swap_size",
			       needed, available);
}

/* Check before allocating, so that a failed attempt does not fill the disk.  A
 * file system that does not tell its size is not checked. */
int swapfile_check_space(const struct swapfile_attempt *at,
			 const struct statvfs *vfs)
{
	if (vfs->f_blocks == 0 ||
	    swapfile_missing_bytes(at) <= free_bytes(vfs))
		return 0;
	return swapfile_refuse_full(at, vfs);
}
