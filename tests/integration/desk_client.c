/* SPDX-License-Identifier: MIT */
#include "tests/integration/desk_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void get_desk(struct desk_client *dc)
{
	Memd__Desk request = MEMD__DESK__INIT;
	Memd__DeskReply *reply;
	struct answer a;

	request.version = DESK_VERSION;
	client_send(dc->fd, T(DESK), 6, &request.base);
	client_receive(dc->fd, T(DESK_REPLY), 6, &a);
	reply = answer_unpack(&a, &memd__desk_reply__descriptor);
	assert_int_equal(reply->version, DESK_VERSION);
	memd__desk_reply__free_unpacked(reply, NULL);
	assert_true(a.fd >= 0);
	dc->desk = mmap(NULL, sizeof(struct desk), PROT_READ | PROT_WRITE,
			MAP_SHARED, a.fd, 0);
	assert_ptr_not_equal(dc->desk, MAP_FAILED);
	answer_free(&a);
	request.has_begin = request.begin = true;
	client_send(dc->fd, T(DESK), 7, &request.base);
	client_expect_ok(dc->fd, 7);
}

struct desk_client desk_client_open(const struct testmemd *tm, uid_t uid,
				    gid_t gid, bool has_desk)
{
	struct desk_client dc = { .data = -1, .book = -1 };
	uint64_t capabilities = MEMD__CAPABILITY__CAP_BELL |
				MEMD__CAPABILITY__CAP_ONE_SIDED;

	if (gid != 0)
		assert_int_equal(setegid(gid), 0);
	if (uid != 0)
		assert_int_equal(seteuid(uid), 0);
	dc.fd = client_open_with(tm, capabilities, NULL);
	if (uid != 0)
		assert_int_equal(seteuid(0), 0);
	if (gid != 0)
		assert_int_equal(setegid(0), 0);
	if (has_desk)
		get_desk(&dc);
	return dc;
}

static void take_file(struct desk_client *dc, struct answer *a)
{
	if (a->fd < 0)
		return;
	assert_true(dc->file_count < DESK_CLIENT_FILES);
	dc->file[dc->file_count++] = a->fd;
	a->fd = -1;
}

/* Files may come before a reply. */
static void receive_reply(struct desk_client *dc, uint16_t type, uint64_t id,
			  struct answer *ret_answer)
{
	for (;;) {
		assert_true(client_try_receive(dc->fd, ret_answer));
		if (ret_answer->header.request_id == id)
			break;
		if (ret_answer->header.type == T(AREA_FILE))
			take_file(dc, ret_answer);
		answer_free(ret_answer);
	}
	assert_int_equal(ret_answer->header.type, type);
}

static void drop_files(struct desk_client *dc)
{
	if (dc->data >= 0)
		close(dc->data);
	if (dc->book >= 0)
		close(dc->book);
	dc->data = dc->book = -1;
}

static void receive_attached(struct desk_client *dc, uint64_t id)
{
	Memd__SegmentReply *reply;
	struct answer a;

	drop_files(dc);
	receive_reply(dc, T(SEGMENT_REPLY), id, &a);
	reply = answer_unpack(&a, &memd__segment_reply__descriptor);
	dc->segment = reply->segment;
	assert_int_equal(reply->has_book_version, a.bell >= 0);
	memd__segment_reply__free_unpacked(reply, NULL);
	dc->data = a.fd;
	dc->book = a.bell;
	a.fd = a.bell = -1;
	answer_free(&a);
	assert_true(dc->data >= 0);
}

void desk_client_map(struct desk_client *dc, uint64_t length)
{
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;

	create.length_bytes = length;
	create.has_attach = create.attach = true;
	client_send(dc->fd, T(SEGMENT_CREATE), 2, &create.base);
	receive_attached(dc, 2);
}

static void send_attach(struct desk_client *dc, const char *name,
			bool is_read_only)
{
	Memd__SegmentAttach attach = MEMD__SEGMENT_ATTACH__INIT;

	attach.name = (char *)name;
	attach.has_read_only = true;
	attach.read_only = is_read_only;
	client_send(dc->fd, T(SEGMENT_ATTACH), 3, &attach.base);
}

void desk_client_attach(struct desk_client *dc, const char *name,
			bool is_read_only)
{
	send_attach(dc, name, is_read_only);
	receive_attached(dc, 3);
}

void desk_client_ring(const struct desk_client *dc)
{
	client_send(dc->fd, T(RING), 0, NULL);
}

void desk_client_close(struct desk_client *dc)
{
	drop_files(dc);
	while (dc->file_count > 0)
		close(dc->file[--dc->file_count]);
	if (dc->desk != NULL)
		munmap(dc->desk, sizeof(*dc->desk));
	close(dc->fd);
}

void desk_client_is_refused(struct desk_client *dc, const char *name,
			    bool is_read_only)
{
	struct answer a;

	send_attach(dc, name, is_read_only);
	receive_reply(dc, T(ERROR), 3, &a);
	answer_free(&a);
}

unsigned desk_client_poll(struct desk_client *dc)
{
	struct answer a;

	client_send(dc->fd, T(SESSION_STATS), 8, NULL);
	receive_reply(dc, T(SESSION_STATS_REPLY), 8, &a);
	answer_free(&a);
	return dc->file_count;
}
