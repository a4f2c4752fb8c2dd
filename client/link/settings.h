/* SPDX-License-Identifier: MIT */
/* The arguments of memclient_open(), in the form that the library uses.
 * Constant while the connection exists. */
#ifndef MEMD_CLIENT_LINK_SETTINGS_H
#define MEMD_CLIENT_LINK_SETTINGS_H

#include "proto/limits.h"
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct settings {
	struct sockaddr_un address;
	socklen_t address_bytes;
	char shown[sizeof(struct sockaddr_un)];	/* the address, for texts */
	uint64_t timeout_ns;
	uint64_t most_frames;
	char command[WIRE_NAME_BYTES_MAX + 1];
};

#endif
