/* SPDX-License-Identifier: MIT */
/* Proves that messages are the bytes the protobuf encoding says (written here
 * by hand), that a message cut at any byte, with unknown fields, or with
 * lengths that point outside is refused or read right but never read past,
 * and that the arena is the only memory a peer's bytes can make us use. */
#include "proto/wire.h"
#include "tests/proto/descriptors.h"
#include "tests/proto/guarded.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

struct bytes {
	uint16_t type;
	uint8_t length;
	uint8_t at[40];
};

#define T(NAME) MEMD__MESSAGE_TYPE__TYPE_##NAME

static const struct bytes golden_hello = { T(HELLO), 10, {
	0x08, 0x01,			/* version_major = 1 */
	0x10, 0x00,			/* version_minor = 0 */
	0x18, 0x07,			/* capabilities = 7 */
	0x22, 0x02, 'l', 's' } };	/* command = "ls" */

static const struct bytes golden_error = { T(ERROR), 6, {
	0x08, 0x26,			/* code = 38 */
	0x12, 0x02, 'n', 'o' } };

static const struct bytes golden_fault = { T(FAULT), 10, {
	0x08, 0x03,			/* segment = 3 */
	0x12, 0x04, 0x00, 0x01, 0xac, 0x02,	/* page = 0, 1, 300; packed */
	0x18, 0x01 } };			/* access = WRITE */

static const struct bytes golden_fault_reply = { T(FAULT_REPLY), 10, {
	0x08, 0x03,			/* segment = 3 */
	0x10, 0xac, 0x02,		/* page = 300 */
	0x18, 0xa8, 0x02,		/* first = 296 */
	0x20, 0x08 } };			/* count = 8 */

static const struct bytes golden_age = { T(AGE), 15, {
	0x08, 0x01,			/* segment = 1 */
	0x12, 0x04, 0x08, 0x00, 0x10, 0x40,	/* range = { 0, 64 } */
	0x12, 0x05, 0x08, 0x80, 0x04, 0x10, 0x01 } };	/* { 512, 1 } */

static const struct bytes golden_create = { T(SEGMENT_CREATE), 8, {
	0x08, 0x80, 0x80, 0x80, 0x01,	/* length_bytes = 2 MiB */
	0x1a, 0x01, 'x' } };		/* name = "x" */

static const struct bytes golden_info = { T(SESSIONS_REPLY), 36, {
	0x0a, 0x20,			/* session: 32 bytes */
	0x08, 0x01, 0x10, 0x02, 0x18, 0x03,	/* session, pid, uid */
	0x22, 0x02, 's', 'h',		/* command */
	0x28, 0x04, 0x30, 0x05, 0x38, 0x06, 0x40, 0x07,
	0x49, 0, 0, 0, 0, 0, 0, 0x04, 0x40,	/* faults_per_s = 2.5 */
	0x50, 0x08,			/* limit_frames */
	0x58, 0x80, 0x01,		/* connected_ms = 128; 32 bytes end */
	0x10, 0x7f, } };		/* pool_bytes = 127 */

/* Each with the lengths at which a prefix is a whole message: all required
 * fields are in, no field is cut. */
static const struct {
	const struct bytes *bytes;
	uint8_t whole_at[4];
} goldens[] = {
	{ &golden_hello, { 4, 6, 10 } },
	{ &golden_error, { 6 } },
	{ &golden_fault, { 2, 8, 10 } },
	{ &golden_fault_reply, { 5, 8, 10 } },
	{ &golden_age, { 2, 8, 15 } },
	{ &golden_create, { 5, 8 } },
	{ &golden_info, { 36 } },
};

static const ProtobufCMessageDescriptor *descriptor_of(uint16_t type)
{
	return type_descriptor_find(type)->body;
}

static void assert_packs_to(const ProtobufCMessage *message,
			    const struct bytes *golden)
{
	uint8_t packed[WIRE_HEADER_BYTES + sizeof(golden->at)];
	struct wire_header h;
	ssize_t length = wire_pack(golden->type, 77, message, 0, packed,
				   sizeof(packed));

	assert_int_equal(length, WIRE_HEADER_BYTES + golden->length);
	assert_int_equal(wire_header_unpack(packed, sizeof(golden->at), &h), 0);
	assert_int_equal(h.type, golden->type);
	assert_int_equal(h.request_id, 77);
	assert_int_equal(h.body_bytes, golden->length);
	assert_memory_equal(packed + WIRE_HEADER_BYTES, golden->at,
			    golden->length);
}

static void messages_pack_to_golden_bytes(void **state)
{
	Memd__Hello hello = MEMD__HELLO__INIT;
	Memd__Error error = MEMD__ERROR__INIT;
	Memd__Fault fault = MEMD__FAULT__INIT;
	uint64_t pages[] = { 0, 1, 300 };
	Memd__SegmentCreate create = MEMD__SEGMENT_CREATE__INIT;

	(void)state;
	hello.version_major = 1;
	hello.has_capabilities = 1;
	hello.capabilities = MEMD__CAPABILITY__CAP_FAULT_THREAD |
			     MEMD__CAPABILITY__CAP_FAULT_INLINE |
			     MEMD__CAPABILITY__CAP_POISON;
	hello.command = "ls";
	assert_packs_to(&hello.base, &golden_hello);

	error.code = ENOSYS;
	error.text = "no";
	assert_packs_to(&error.base, &golden_error);

	fault.segment = 3;
	fault.n_page = ARRAY_SIZE(pages);
	fault.page = pages;
	fault.has_access = 1;
	fault.access = MEMD__ACCESS__ACCESS_WRITE;
	assert_packs_to(&fault.base, &golden_fault);

	create.length_bytes = 2 << 20;
	create.name = "x";
	assert_packs_to(&create.base, &golden_create);
}

static void nested_messages_pack_to_golden_bytes(void **state)
{
	Memd__Range range[2] = { MEMD__RANGE__INIT, MEMD__RANGE__INIT };
	Memd__Range *ranges[2] = { &range[0], &range[1] };
	Memd__Age age = MEMD__AGE__INIT;
	Memd__SessionInfo info = MEMD__SESSION_INFO__INIT;
	Memd__SessionInfo *infos[1] = { &info };
	Memd__SessionsReply reply = MEMD__SESSIONS_REPLY__INIT;

	(void)state;
	range[0].count = 64;
	range[1].first = 512;
	range[1].count = 1;
	age.segment = 1;
	age.n_range = 2;
	age.range = ranges;
	assert_packs_to(&age.base, &golden_age);

	info.session = 1;
	info.pid = 2;
	info.uid = 3;
	info.command = "sh";
	info.mapped_bytes = 4;
	info.resident_bytes = 5;
	info.swapped_bytes = 6;
	info.faults = 7;
	info.faults_per_s = 2.5;
	info.limit_frames = 8;
	info.connected_ms = 128;
	reply.n_session = 1;
	reply.session = infos;
	reply.pool_bytes = 127;
	assert_packs_to(&reply.base, &golden_info);
}

static void golden_bytes_unpack_to_their_fields(void **state)
{
	uint8_t memory[4096];
	struct wire_arena arena;
	const Memd__FaultReply *reply;
	const Memd__Fault *fault;
	const Memd__SegmentCreate *create;

	(void)state;
	wire_arena_init(&arena, memory, sizeof(memory));
	reply = (void *)wire_unpack(&memd__fault_reply__descriptor, &arena,
				    golden_fault_reply.at,
				    golden_fault_reply.length);
	assert_non_null(reply);
	assert_int_equal(reply->segment, 3);
	assert_int_equal(reply->page, 300);
	assert_int_equal(reply->first, 296);
	assert_int_equal(reply->count, 8);
	assert_false(reply->has_error);

	fault = (void *)wire_unpack(&memd__fault__descriptor, &arena,
				    golden_fault.at, golden_fault.length);
	assert_non_null(fault);
	assert_int_equal(fault->n_page, 3);
	assert_int_equal(fault->page[0], 0);
	assert_int_equal(fault->page[1], 1);
	assert_int_equal(fault->page[2], 300);
	assert_int_equal(fault->access, MEMD__ACCESS__ACCESS_WRITE);

	create = (void *)wire_unpack(&memd__segment_create__descriptor, &arena,
				     golden_create.at, golden_create.length);
	assert_non_null(create);
	assert_string_equal(create->name, "x");
	assert_int_equal(create->page_bytes, 4096);	/* the defaults */
	assert_int_equal(create->mode, 0600);
	/* The first message is still whole: nothing was reused. */
	assert_int_equal(reply->page, 300);
}

/* Unpack `length` bytes that end at the guard page, with an arena of
 * `arena_bytes` that ends at another. */
static ProtobufCMessage *unpack_guarded(uint16_t type, const uint8_t *bytes,
					size_t length,
					const struct guarded *input,
					const struct guarded *memory,
					size_t arena_bytes,
					struct wire_arena *arena)
{
	uint8_t *at = input->end - length;

	memcpy(at, bytes, length);
	wire_arena_init(arena, memory->end - arena_bytes, arena_bytes);
	return wire_unpack(descriptor_of(type), arena, at, length);
}

/* Where a prefix is whole, it must pack to the very same bytes. */
static void check_cut(size_t g, size_t cut, const struct guarded *input,
		      const struct guarded *memory)
{
	const struct bytes *golden = goldens[g].bytes;
	struct wire_arena arena;
	uint8_t again[64];
	ProtobufCMessage *message = unpack_guarded(golden->type, golden->at,
						   cut, input, memory, 4096,
						   &arena);

	if (cut == 0 || memchr(goldens[g].whole_at, (int)cut, 4) == NULL) {
		assert_null(message);
		assert_int_equal(arena.used_bytes, 0);
		return;
	}
	assert_non_null(message);
	assert_int_equal(protobuf_c_message_get_packed_size(message), cut);
	protobuf_c_message_pack(message, again);
	assert_memory_equal(again, golden->at, cut);
}

static void a_cut_at_any_byte_is_refused_or_read_right(void **state)
{
	struct guarded input, memory;

	(void)state;
	guarded_init(&input, 64);
	guarded_init(&memory, 4096);
	for (size_t g = 0; g < ARRAY_SIZE(goldens); g++) {
		for (size_t cut = 0; cut <= goldens[g].bytes->length; cut++)
			check_cut(g, cut, &input, &memory);
	}
	guarded_fini(&input);
	guarded_fini(&memory);
}

/* Too small: refused, nothing used, nothing written past it.  From some size
 * on: always enough. */
static void check_arena_sizes(const struct bytes *golden,
			      const struct guarded *input,
			      const struct guarded *memory)
{
	struct wire_arena arena;
	bool fits = false;

	for (size_t size = 0; size <= 2048; size += 16) {
		ProtobufCMessage *message = unpack_guarded(
			golden->type, golden->at, golden->length, input,
			memory, size, &arena);

		assert_true(arena.used_bytes <= size);
		if (message == NULL) {
			assert_false(fits);
			assert_int_equal(arena.used_bytes, 0);
		} else {
			assert_int_equal((uintptr_t)message % 16, 0);
			fits = true;
		}
	}
	assert_true(fits);
}

static void every_arena_size_is_too_small_or_enough(void **state)
{
	struct guarded input, memory;

	(void)state;
	guarded_init(&input, 64);
	guarded_init(&memory, 4096);
	for (size_t g = 0; g < ARRAY_SIZE(goldens); g++)
		check_arena_sizes(goldens[g].bytes, &input, &memory);
	guarded_fini(&input);
	guarded_fini(&memory);
}

static void a_crooked_arena_still_aligns(void **state)
{
	struct wire_arena arena;
	uint8_t memory[1024];

	(void)state;
	for (size_t shift = 0; shift < 16; shift++) {
		ProtobufCMessage *message;

		wire_arena_init(&arena, memory + shift,
				sizeof(memory) - shift);
		message = wire_unpack(&memd__fault__descriptor, &arena,
				      golden_fault.at, golden_fault.length);
		assert_non_null(message);
		assert_int_equal((uintptr_t)message % 16, 0);
	}
}

static void unknown_fields_are_ignored(void **state)
{
	static const uint8_t unknown[] = {
		0xf8, 0x3f, 0x2a,			/* 1023: varint */
		0xfa, 0x3f, 0x03, 'n', 'e', 'w',	/* 1023: bytes */
		0xfd, 0x3f, 1, 2, 3, 4,			/* 1023: fixed32 */
		0xf9, 0x3f, 1, 2, 3, 4, 5, 6, 7, 8,	/* 1023: fixed64 */
	};
	uint8_t bytes[sizeof(unknown) * 2 + sizeof(golden_error.at)];
	size_t body = golden_error.length;
	uint8_t memory[4096];
	struct wire_arena arena;
	const Memd__Error *error;

	(void)state;
	memcpy(bytes, unknown, sizeof(unknown));
	memcpy(bytes + sizeof(unknown), golden_error.at, body);
	memcpy(bytes + sizeof(unknown) + body, unknown, sizeof(unknown));
	wire_arena_init(&arena, memory, sizeof(memory));
	error = (void *)wire_unpack(&memd__error__descriptor, &arena, bytes,
				    body + 2 * sizeof(unknown));
	assert_non_null(error);
	assert_int_equal(error->code, 38);
	assert_string_equal(error->text, "no");
}

static void malformed_bodies_are_refused(void **state)
{
	static const struct bytes cases[] = {
		/* text of "127", 2^31 - 1, 2^32 - 1, 2^64 - 1 bytes */
		{ T(ERROR), 6, { 8, 1, 0x12, 0x7f, 'n', 'o' } },
		{ T(ERROR), 10, { 8, 1, 0x12, 0xff, 0xff, 0xff, 0xff, 0x07,
				  'n', 'o' } },
		{ T(ERROR), 10, { 8, 1, 0x12, 0xff, 0xff, 0xff, 0xff, 0x0f,
				  'n', 'o' } },
		{ T(ERROR), 15, { 8, 1, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff,
				  0xff, 0xff, 0xff, 0xff, 1, 'n', 'o' } },
		/* a varint of eleven bytes */
		{ T(SEGMENT_DETACH), 12, { 8, 0xff, 0xff, 0xff, 0xff, 0xff,
					   0xff, 0xff, 0xff, 0xff, 0xff, 1 } },
		/* field number 0; a group; a missing required field */
		{ T(SEGMENT_DETACH), 4, { 0x00, 0x01, 8, 1 } },
		{ T(SEGMENT_DETACH), 3, { 0x0b, 0x08, 0x01 } },
		{ T(HELLO), 2, { 8, 1 } },
		{ T(SEGMENT_DETACH), 0, { 0 } },
		/* a string where a number belongs, in a required field */
		{ T(SEGMENT_DETACH), 3, { 0x0a, 1, 'x' } },
		/* a Range without count; packed pages ending in mid-varint */
		{ T(AGE), 6, { 8, 1, 0x12, 2, 8, 0 } },
		{ T(FAULT), 6, { 8, 1, 0x12, 2, 0, 0x80 } },
	};
	struct guarded input, memory;
	struct wire_arena arena;

	(void)state;
	guarded_init(&input, 64);
	guarded_init(&memory, 4096);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_null(unpack_guarded(cases[i].type, cases[i].at,
					   cases[i].length, &input, &memory,
					   4096, &arena));
	guarded_fini(&input);
	guarded_fini(&memory);
}

/* Touched with as many ranges as allowed, every number as long as it gets. */
static void the_largest_legal_messages_fit_the_usual_arena(void **state)
{
	static uint8_t packed[WIRE_HEADER_BYTES + WIRE_BODY_BYTES_MAX];
	static uint8_t memory[WIRE_ARENA_BYTES];
	static Memd__Range range[WIRE_RANGES_MAX];
	static Memd__Range *ranges[WIRE_RANGES_MAX];
	Memd__Touched touched = MEMD__TOUCHED__INIT;
	struct wire_arena arena;
	ssize_t length;

	(void)state;
	for (size_t i = 0; i < WIRE_RANGES_MAX; i++) {
		memd__range__init(&range[i]);
		range[i].first = UINT64_MAX - i;
		range[i].count = UINT64_MAX;
		ranges[i] = &range[i];
	}
	touched.segment = UINT32_MAX;
	touched.n_range = WIRE_RANGES_MAX;
	touched.range = ranges;
	length = wire_pack(T(TOUCHED), 0, &touched.base, 0, packed,
			   sizeof(packed));
	assert_true(length > WIRE_HEADER_BYTES);
	wire_arena_init(&arena, memory, sizeof(memory));
	assert_non_null(wire_unpack(&memd__touched__descriptor, &arena,
				    packed + WIRE_HEADER_BYTES,
				    (size_t)length - WIRE_HEADER_BYTES));
}

static void a_full_body_of_tiny_fields_is_bounded_by_the_arena(void **state)
{
	static uint8_t body[WIRE_BODY_BYTES_MAX];
	struct guarded memory;
	struct wire_arena arena;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i += 2) {
		body[i] = 0x78;		/* field 15, unknown, varint 0 */
		body[i + 1] = 0;
	}
	guarded_init(&memory, WIRE_ARENA_BYTES);
	wire_arena_init(&arena, memory.end - WIRE_ARENA_BYTES,
			WIRE_ARENA_BYTES);
	assert_null(wire_unpack(&memd__segment_detach__descriptor, &arena,
				body, sizeof(body)));
	assert_int_equal(arena.used_bytes, 0);
	guarded_fini(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_pack_to_golden_bytes),
		cmocka_unit_test(nested_messages_pack_to_golden_bytes),
		cmocka_unit_test(golden_bytes_unpack_to_their_fields),
		cmocka_unit_test(a_cut_at_any_byte_is_refused_or_read_right),
		cmocka_unit_test(every_arena_size_is_too_small_or_enough),
		cmocka_unit_test(a_crooked_arena_still_aligns),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(malformed_bodies_are_refused),
		cmocka_unit_test(
			the_largest_legal_messages_fit_the_usual_arena),
		cmocka_unit_test(
			a_full_body_of_tiny_fields_is_bounded_by_the_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
