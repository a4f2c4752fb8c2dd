/* SPDX-License-Identifier: MIT */
/* Error texts: see errors.h.  The table has texts about memd; those of
 * strerror() would be about files. */
#include "client/link/errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int error;
	const char *text;
} texts[] = {
	{ 0, "no error" },
	{ EPERM, "not permitted: userfaultfd is not allowed here, or this is "
		 "the child of a fork, or the group is not the caller's" },
	{ ENOENT, "no such segment, or no daemon at this address" },
	{ EIO, "bytes are lost: swap could not be read, or the "
	       "segment was written to past the daemon" },
	{ EAGAIN, "too many of them now; try again later" },
	{ ENOMEM, "out of memory, or of address space, or more than may be "
		  "pinned" },
	{ EACCES, "permission denied" },
	{ EFAULT, "no such page" },
	{ EBUSY, "pages are pinned, or the daemon is busy" },
	{ EEXIST, "the name is taken" },
	{ EINVAL, "invalid argument" },
	{ EMFILE, "too many open descriptors" },
	{ ENFILE, "too many open descriptors in the system" },
	{ ENOSPC, "no room: swap is committed, or its disk is full" },
	{ ENOSYS, "not available here: there is no libmemd-engine.so.0, or "
		  "the daemon is of another version" },
	{ EPROTO, "the other side does not speak memd's protocol" },
	{ EPROTONOSUPPORT, "the daemon speaks another version of the "
			   "protocol" },
	{ EOPNOTSUPP, "the kernel is too old: userfaultfd needs Linux 5.14" },
	{ EMSGSIZE, "a message is too long" },
	{ ENOTCONN, "the daemon is gone" },
	{ ECONNREFUSED, "no daemon listens at this address" },
	{ ECONNRESET, "the daemon closed the connection" },
	{ ESHUTDOWN, "the daemon is stopping" },
	{ ETIMEDOUT, "the daemon did not answer in time" },
	{ EDQUOT, "over a limit of this session or user" },
	{ ENAMETOOLONG, "the address or name is too long" },
};

static __thread char last_text[ERRORS_TEXT_BYTES];

int errors_set(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_text, sizeof(last_text), format, args);
	va_end(args);
	return error;
}

const char *errors_text(void)
{
	return last_text[0] != '\0' ? last_text : texts[0].text;
}

const char *errors_name(int error)
{
	const char *name;
	/* Not abs(): it is not defined for INT_MIN. */
	unsigned code = error < 0 ? 0u - (unsigned)error : (unsigned)error;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if ((unsigned)texts[i].error == code)
			return texts[i].text;
	name = code <= 4095 ? strerrordesc_np((int)code) : NULL;
	return name != NULL ? name : "unknown error";
}

void errors_copy(char *to, size_t to_bytes, const char *from)
{
	size_t i = 0;

	for (; i + 1 < to_bytes && from[i] != '\0'; i++) {
		unsigned char c = (unsigned char)from[i];

		to[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	to[i] = '\0';
}

int errors_from_wire(unsigned code)
{
	return code == 0 || code > 4095 ? -EPROTO : -(int)code;
}
