/* SPDX-License-Identifier: MIT */
#include "tests/integration/testadmin.h"

#include "proto/wire.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_message(int fd, uint16_t type, uint64_t id,
			const ProtobufCMessage *message)
{
	uint8_t frame[1024];
	ssize_t length = wire_pack(type, id, message, 0, frame, sizeof(frame));

	return length > 0 && send(fd, frame, (size_t)length, MSG_NOSIGNAL) ==
		length ? 0 : -1;
}

static int receive_message(int fd, struct wire_header *h, uint8_t *body,
			   size_t size)
{
	uint8_t head[WIRE_HEADER_BYTES];

	if (recv(fd, head, sizeof(head), MSG_WAITALL) != sizeof(head) ||
	    wire_header_unpack(head, (uint32_t)size, h) != 0)
		return -1;
	return h->body_bytes == 0 ||
	       recv(fd, body, h->body_bytes, MSG_WAITALL) ==
		(ssize_t)h->body_bytes ? 0 : -1;
}

static int exchange(int fd, uint16_t type, const ProtobufCMessage *message,
		    uint16_t reply_type, uint8_t *body, size_t size,
		    size_t *ret_length)
{
	struct wire_header h;

	if (send_message(fd, type, 1, message) != 0)
		return -1;
	do {
		if (receive_message(fd, &h, body, size) != 0)
			return -1;
	} while (h.request_id != 1);
	*ret_length = h.body_bytes;
	return h.type == reply_type ? 0 : -1;
}

/* After Hello: ask for something that has no parameters. */
static int ask(int fd, uint16_t type, uint16_t reply_type, uint8_t *body,
	       size_t size, size_t *ret_length)
{
	Memd__Hello hello = MEMD__HELLO__INIT;

	hello.version_major = WIRE_VERSION_MAJOR;
	hello.version_minor = WIRE_VERSION_MINOR;
	hello.has_admin_only = true;
	hello.admin_only = true;
	if (exchange(fd, MEMD__MESSAGE_TYPE__TYPE_HELLO, &hello.base,
		     MEMD__MESSAGE_TYPE__TYPE_HELLO_REPLY, body, size,
		     ret_length) != 0)
		return -1;
	return exchange(fd, type, NULL, reply_type, body, size, ret_length);
}

static int ask_status(int fd, struct testadmin_status *ret_status)
{
	Memd__StatusReply *reply;
	uint8_t body[16384];
	size_t length;

	if (ask(fd, MEMD__MESSAGE_TYPE__TYPE_STATUS,
		MEMD__MESSAGE_TYPE__TYPE_STATUS_REPLY, body, sizeof(body),
		&length) != 0)
		return -1;
	reply = memd__status_reply__unpack(NULL, length, body);
	if (reply == NULL)
		return -1;
	*ret_status = (struct testadmin_status){
		.pool_frames = reply->pool_frames,
		.free_frames = reply->free_frames,
		.pinned_frames = reply->pinned_frames,
		.slot_count = reply->slot_count,
		.free_slots = reply->free_slots,
		.quarantined_slots = reply->quarantined_slots,
		.committed_pages = reply->committed_pages,
		.sessions = reply->sessions,
		.segments = reply->segments,
		.faults = reply->faults,
		.pages_lost = reply->pages_lost,
	};
	snprintf(ret_status->store, sizeof(ret_status->store), "%s",
		 reply->store);
	memd__status_reply__free_unpacked(reply, NULL);
	return 0;
}

int testadmin_status(const struct testmemd *tm,
		     struct testadmin_status *ret_status)
{
	int fd = testmemd_connect(tm), result = -1;

	if (fd >= 0) {
		result = ask_status(fd, ret_status);
		close(fd);
	}
	if (result != 0)
		fprintf(stderr, "memd does not answer to Status\n");
	return result;
}

static int ask_counter(int fd, const char *name, uint64_t *ret_value)
{
	static uint8_t body[65536];
	Memd__CountersReply *reply;
	size_t length;
	int result = -1;

	if (ask(fd, MEMD__MESSAGE_TYPE__TYPE_COUNTERS,
		MEMD__MESSAGE_TYPE__TYPE_COUNTERS_REPLY, body, sizeof(body),
		&length) != 0)
		return -1;
	reply = memd__counters_reply__unpack(NULL, length, body);
	for (size_t i = 0; reply != NULL && i < reply->n_counter; i++)
		if (strcmp(reply->counter[i]->name, name) == 0) {
			*ret_value = reply->counter[i]->value;
			result = 0;
		}
	memd__counters_reply__free_unpacked(reply, NULL);
	return result;
}

int testadmin_counter(const struct testmemd *tm, const char *name,
		      uint64_t *ret_value)
{
	int fd = testmemd_connect(tm), result = -1;

	if (fd >= 0) {
		result = ask_counter(fd, name, ret_value);
		close(fd);
	}
	if (result != 0)
		fprintf(stderr, "memd does not tell its counter %s\n", name);
	return result;
}

int testadmin_check_carrier(const struct testmemd *tm, bool is_mailbox)
{
	uint64_t requests = 0;

	if (testadmin_counter(tm, "mailbox_requests", &requests) != 0)
		return -1;
	if ((requests != 0) == is_mailbox)
		return 0;
	fprintf(stderr, "%ju requests came in mailboxes\n",
		(uintmax_t)requests);
	return -1;
}

static bool is_empty(const struct testadmin_status *s)
{
	return s->segments == 0 && s->committed_pages == 0 &&
	       s->free_frames == s->pool_frames && s->pinned_frames == 0 &&
	       s->free_slots + s->quarantined_slots == s->slot_count &&
	       s->sessions <= 1;
}

int testadmin_await_empty(const struct testmemd *tm)
{
	struct testadmin_status s;

	for (int i = 0; i < 6000; i++) {
		if (testadmin_status(tm, &s) != 0)
			return -1;
		if (is_empty(&s))
			return 0;
		usleep(10000);
	}
	fprintf(stderr, "left behind: %ju segments, %ju of %ju frames free, "
		"%ju of %ju slots free, %ju pages committed, %ju sessions\n",
		(uintmax_t)s.segments, (uintmax_t)s.free_frames,
		(uintmax_t)s.pool_frames, (uintmax_t)s.free_slots,
		(uintmax_t)s.slot_count, (uintmax_t)s.committed_pages,
		(uintmax_t)s.sessions);
	return -1;
}

int testadmin_open_files(const struct testmemd *tm)
{
	char path[64];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)tm->pid);
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}
