/* SPDX-License-Identifier: MIT */
/* Limits of the protocol.  They are checked before anything is allocated. */
#ifndef MEMD_PROTO_LIMITS_H
#define MEMD_PROTO_LIMITS_H

enum {
	WIRE_HEADER_BYTES = 24,
	WIRE_BODY_BYTES_MAX = 64 * 1024,	/* a client's message */
	WIRE_REPLY_BYTES_MAX = 4 * 1024 * 1024,	/* long tables for memctl */
	WIRE_PAYLOAD_BYTES_MAX = 2 * 1024 * 1024,	/* one page of 2 MiB */
	WIRE_FDS_MAX = 4,
	WIRE_RANGES_MAX = 1024,			/* Age, Touched, Ready */
	WIRE_MARKS_MAX = 16,			/* Ready */
	WIRE_NAME_BYTES_MAX = 255,		/* segment, group, command */
	WIRE_TEXT_BYTES_MAX = 1024,		/* an error's text */
	WIRE_FAULTS_MAX = 128,			/* pages in one Fault */
	/* Unpacks any legal message of a client. */
	WIRE_ARENA_BYTES = 256 * 1024,
};

/* Texts about a connection: why it is broken, and the name of a host or
 * certificate. */
enum { CHANNEL_REASON_BYTES = 256, CHANNEL_NAME_BYTES = 256 };

/* Page sizes of segments, as log2 of the number of 4 KiB units. */
enum { PAGE_ORDER_4K = 0, PAGE_ORDER_16K = 2, PAGE_ORDER_64K = 4,
       PAGE_ORDER_2M = 9 };

#define SEGMENT_BYTES_MAX (UINT64_C(1) << 44)	/* 16 TiB */

#endif
