/* SPDX-License-Identifier: MIT */
#include "tests/integration/testadmin.h"

#include "tests/integration/wire_peer.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Returns 0 and the reply, or -1. */
static int exchange(int fd, uint16_t type, const ProtobufCMessage *message,
		    uint16_t reply_type, struct answer *ret_answer)
{
	if (wire_peer_send(fd, type, 1, message) != 0)
		return -1;
	for (;;) {
		if (wire_peer_receive(fd, ret_answer) != 0)
			return -1;
		if (ret_answer->header.request_id == 1)
			break;
		answer_free(ret_answer);
	}
	if (ret_answer->header.type == reply_type)
		return 0;
	answer_free(ret_answer);
	return -1;
}

/* After Hello: ask for something that has no parameters. */
static int ask(int fd, uint16_t type, uint16_t reply_type,
	       struct answer *ret_answer)
{
	Memd__Hello hello = wire_peer_hello(NULL);

	hello.has_admin_only = true;
	hello.admin_only = true;
	if (exchange(fd, T(HELLO), &hello.base, T(HELLO_REPLY),
		     ret_answer) != 0)
		return -1;
	answer_free(ret_answer);
	return exchange(fd, type, NULL, reply_type, ret_answer);
}

static int ask_status(int fd, struct testadmin_status *ret_status)
{
	Memd__StatusReply *reply;
	struct answer a;

	if (ask(fd, T(STATUS), T(STATUS_REPLY), &a) != 0)
		return -1;
	reply = memd__status_reply__unpack(NULL, a.header.body_bytes, a.body);
	answer_free(&a);
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
	Memd__CountersReply *reply;
	struct answer a;
	int result = -1;

	if (ask(fd, T(COUNTERS), T(COUNTERS_REPLY), &a) != 0)
		return -1;
	reply = memd__counters_reply__unpack(NULL, a.header.body_bytes, a.body);
	answer_free(&a);
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

static void add_session(const Memd__SessionInfo *session, const pid_t *pid,
			unsigned count, struct testadmin_use *to)
{
	unsigned i = 0;

	while (i < count && (uint32_t)pid[i] != session->pid)
		i++;
	to[i].resident_bytes += session->resident_bytes;
	to[i].faults += session->faults;
	to[i].faults_one_sided += session->faults_one_sided;
	to[i].memory_limit_bytes = session->memory_limit_bytes;
	to[i].memory_needed_bytes = session->memory_needed_bytes;
}

static int ask_use(int fd, const pid_t *pid, unsigned count,
		   struct testadmin_use *to)
{
	Memd__SessionsReply *reply;
	struct answer a;

	if (ask(fd, T(SESSIONS), T(SESSIONS_REPLY), &a) != 0)
		return -1;
	reply = memd__sessions_reply__unpack(NULL, a.header.body_bytes, a.body);
	answer_free(&a);
	if (reply == NULL)
		return -1;
	memset(to, 0, (count + 1) * sizeof(*to));
	for (size_t i = 0; i < reply->n_session; i++)
		add_session(reply->session[i], pid, count, to);
	memd__sessions_reply__free_unpacked(reply, NULL);
	return 0;
}

int testadmin_use(const struct testmemd *tm, const pid_t *pid, unsigned count,
		  struct testadmin_use *ret_use)
{
	int fd = testmemd_connect(tm), result = -1;

	if (fd >= 0) {
		result = ask_use(fd, pid, count, ret_use);
		close(fd);
	}
	if (result != 0)
		fprintf(stderr, "memd does not tell its sessions\n");
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
