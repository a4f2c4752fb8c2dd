/* SPDX-License-Identifier: MIT */
/* What callers pass: see options.h. */
#include "client/options.h"
#include "client/link/address.h"
#include "client/link/errors.h"
#include "client/include/memclient.h"

#include <errno.h>
#include <string.h>

enum { TIMEOUT_DEFAULT_MS = 10000, OPTIONS_BYTES_MAX = 4096 };

#define SOCKET_DEFAULT "/run/memd/memd.sock"

int options_take(void *to, size_t to_bytes, const void *from,
			const char *what)
{
	const uint8_t *bytes = from;
	size_t size;

	memset(to, 0, to_bytes);
	if (from == NULL)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size) || size > OPTIONS_BYTES_MAX)
		return errors_set(-EINVAL, "%s.size is not set: "
				  "%s.size = sizeof(%s)", what, what, what);
	for (size_t i = to_bytes; i < size; i++)
		if (bytes[i] != 0)
			return errors_set(-EINVAL, "%s has fields that this "
					  "version of the library does not "
					  "know", what);
	memcpy(to, from, MIN(size, to_bytes));
	return 0;
}

int options_check_page_size(uint32_t *page_size)
{
	if (*page_size == 0)
		*page_size = 4096;
	if (*page_size == 4096 || *page_size == 16384 ||
	    *page_size == 65536 || *page_size == 2097152)
		return 0;
	return errors_set(-EINVAL, "a page size of %u bytes: choose 4096, "
			  "16384, 65536 or 2097152", *page_size);
}

int options_check_length(size_t length)
{
	if (length == 0)
		return errors_set(-EINVAL, "the length is 0");
	if (length > SEGMENT_BYTES_MAX)
		return errors_set(-EINVAL, "%zu bytes are more than a segment "
				  "can have (16 TiB)", length);
	return 0;
}

int options_check_name(const char *name)
{
	size_t length = name != NULL ? strnlen(name, WIRE_NAME_BYTES_MAX + 1) :
				       0;

	if (length == 0 || length > WIRE_NAME_BYTES_MAX)
		return errors_set(-EINVAL, "a segment's name has 1 to %d "
				  "bytes", WIRE_NAME_BYTES_MAX);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c < 0x20 || c == 0x7f || c == '/')
			return errors_set(-EINVAL, "a segment's name has no "
					  "'/' and no control characters");
	}
	return 0;
}

const char *options_find_address(const char *address, bool *ret_is_old)
{
	*ret_is_old = false;
	if (address == NULL)
		address = address_from_environment(ret_is_old);
	return address != NULL ? address : SOCKET_DEFAULT;
}

/* Address of a socket: "unix:/path", "/path" or "unix:@abstract". */
static int set_address(struct settings *s, const char *address)
{
	const char *path;
	size_t length;

	path = strncmp(address, "unix:", 5) == 0 ? address + 5 : address;
	length = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || length < 2)
		return errors_set(-EINVAL, "address \"%.200s\" not understood: "
				  "unix:/path/to/socket (absolute), "
				  "unix:@name, embedded:SETTING,… or "
				  "tcp://HOST:PORT",
				  address);
	if (length >= sizeof(s->address.sun_path))
		return errors_set(-EINVAL, "the path of a socket has at most "
				  "%zu bytes", sizeof(s->address.sun_path) - 1);
	memcpy(s->shown, path, length + 1);
	s->address.sun_family = AF_UNIX;
	memcpy(s->address.sun_path, path, length);
	s->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				       length);
	if (path[0] == '@')
		s->address.sun_path[0] = '\0';
	else
		s->address_bytes++;
	return 0;
}

int options_set_settings(struct settings *s, const char *address,
			const struct memclient_options *options)
{
	struct memclient_options o;
	int err = options_take(&o, sizeof(o), options,
			       "struct memclient_options");

	if (err != 0)
		return err;
	if (o.timeout_ms == 0)
		o.timeout_ms = TIMEOUT_DEFAULT_MS;
	s->timeout_ns = (uint64_t)o.timeout_ms * 1000000u;
	s->most_frames = o.most_frames;
	if (o.command == NULL)
		o.command = program_invocation_short_name;
	strncpy(s->command, o.command, sizeof(s->command) - 1);
	return set_address(s, address);
}
