/* SPDX-License-Identifier: MIT */
/* Proves that a header is the 24 bytes that wire.h says, in both directions;
 * that every cap is enforced on the exact byte, before anything is packed or
 * allocated; and that every message type has a name. */
#include "proto/wire.h"
#include "tests/proto/descriptors.h"
#include "tests/proto/guarded.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Written down from the table in wire.h, not made by our code. */
static const uint8_t golden_header[WIRE_HEADER_BYTES] = {
	'm', 'e', 'm', 'd',
	0x01, 0x00,					/* version 1.0 */
	0x14, 0x00,					/* type 20, FAULT */
	0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,	/* request id */
	0x0a, 0x00, 0x00, 0x00,				/* body: 10 */
	0x00, 0x10, 0x00, 0x00,				/* payload: 4096 */
};

static const struct wire_header fault_header = {
	.version_major = 1, .version_minor = 0,
	.type = MEMD__MESSAGE_TYPE__TYPE_FAULT,
	.request_id = UINT64_C(0x0102030405060708),
	.body_bytes = 10, .payload_bytes = 4096,
};

static void header_packs_to_golden_bytes(void **state)
{
	uint8_t packed[WIRE_HEADER_BYTES + 1];

	(void)state;
	memset(packed, 0xee, sizeof(packed));
	wire_header_pack(&fault_header, packed);
	assert_memory_equal(packed, golden_header, WIRE_HEADER_BYTES);
	assert_int_equal(packed[WIRE_HEADER_BYTES], 0xee);
}

static void header_unpacks_from_golden_bytes(void **state)
{
	struct wire_header h;

	(void)state;
	assert_int_equal(wire_header_unpack(golden_header, 10, &h), 0);
	assert_int_equal(h.version_major, 1);
	assert_int_equal(h.version_minor, 0);
	assert_int_equal(h.type, 20);
	assert_int_equal(h.request_id, UINT64_C(0x0102030405060708));
	assert_int_equal(h.body_bytes, 10);
	assert_int_equal(h.payload_bytes, 4096);
}

static void all_ones_survive_a_round_trip(void **state)
{
	struct wire_header h = {
		.version_major = 0xff, .version_minor = 0xfe, .type = 0xfffd,
		.request_id = UINT64_MAX, .body_bytes = UINT32_MAX,
		.payload_bytes = WIRE_PAYLOAD_BYTES_MAX,
	};
	struct wire_header back;
	uint8_t packed[WIRE_HEADER_BYTES];

	(void)state;
	wire_header_pack(&h, packed);
	assert_int_equal(wire_header_unpack(packed, UINT32_MAX, &back), 0);
	assert_int_equal(back.version_major, 0xff);
	assert_int_equal(back.version_minor, 0xfe);
	assert_int_equal(back.type, 0xfffd);
	assert_int_equal(back.request_id, UINT64_MAX);
	assert_int_equal(back.body_bytes, UINT32_MAX);
	assert_int_equal(back.payload_bytes, WIRE_PAYLOAD_BYTES_MAX);
}

static void any_wrong_magic_byte_is_refused(void **state)
{
	struct wire_header untouched;
	struct wire_header h;
	uint8_t bytes[WIRE_HEADER_BYTES];

	(void)state;
	memset(&h, 0x5a, sizeof(h));
	untouched = h;
	for (size_t i = 0; i < 4; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(bytes, golden_header, sizeof(bytes));
			bytes[i] ^= (uint8_t)BIT(bit);
			assert_int_equal(wire_header_unpack(bytes, UINT32_MAX,
							    &h), -EPROTO);
		}
	}
	assert_memory_equal(&h, &untouched, sizeof(h));
}

static void other_versions_are_left_to_the_caller(void **state)
{
	uint8_t bytes[WIRE_HEADER_BYTES];
	struct wire_header h;

	(void)state;
	memcpy(bytes, golden_header, sizeof(bytes));
	bytes[4] = 9;
	bytes[5] = 7;
	assert_int_equal(wire_header_unpack(bytes, 10, &h), 0);
	assert_int_equal(h.version_major, 9);
	assert_int_equal(h.version_minor, 7);
}

/* A header with these two lengths, against this cap. */
static int unpack_lengths(uint32_t body_bytes, uint32_t payload_bytes,
			  uint32_t body_bytes_max)
{
	struct wire_header h = fault_header;
	struct wire_header back;
	uint8_t packed[WIRE_HEADER_BYTES];

	h.body_bytes = body_bytes;
	h.payload_bytes = payload_bytes;
	wire_header_pack(&h, packed);
	return wire_header_unpack(packed, body_bytes_max, &back);
}

static void length_caps_hold_on_the_exact_byte(void **state)
{
	static const struct {
		uint32_t body, payload, body_max;
		int expected;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 1, 0, 0, -EMSGSIZE },
		{ WIRE_BODY_BYTES_MAX, 0, WIRE_BODY_BYTES_MAX, 0 },
		{ WIRE_BODY_BYTES_MAX + 1, 0, WIRE_BODY_BYTES_MAX, -EMSGSIZE },
		{ WIRE_REPLY_BYTES_MAX, 0, WIRE_REPLY_BYTES_MAX, 0 },
		{ WIRE_REPLY_BYTES_MAX + 1, 0, WIRE_REPLY_BYTES_MAX,
		  -EMSGSIZE },
		{ UINT32_MAX, 0, WIRE_REPLY_BYTES_MAX, -EMSGSIZE },
		{ 0x80000000u, 0, WIRE_REPLY_BYTES_MAX, -EMSGSIZE },
		{ 0, WIRE_PAYLOAD_BYTES_MAX, 0, 0 },
		{ 0, WIRE_PAYLOAD_BYTES_MAX + 1, 0, -EMSGSIZE },
		{ 0, UINT32_MAX, 0, -EMSGSIZE },
		/* together they would wrap around 32 bits */
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, -EMSGSIZE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(unpack_lengths(cases[i].body, cases[i].payload,
						cases[i].body_max),
				 cases[i].expected);
}

static void no_body_is_only_a_header(void **state)
{
	static const uint8_t golden[WIRE_HEADER_BYTES] = {
		'm', 'e', 'm', 'd', 1, 0, 4, 0, 9,
	};
	uint8_t packed[WIRE_HEADER_BYTES];

	(void)state;
	assert_int_equal(wire_pack(MEMD__MESSAGE_TYPE__TYPE_OK, 9, NULL, 0,
				   packed, sizeof(packed)), WIRE_HEADER_BYTES);
	assert_memory_equal(packed, golden, sizeof(golden));
}

static void every_too_small_buffer_is_refused_untouched(void **state)
{
	Memd__Error error = MEMD__ERROR__INIT;
	const size_t needed = WIRE_HEADER_BYTES + 8;
	struct guarded g;

	(void)state;
	error.code = EPERM;
	error.text = "text";
	guarded_init(&g, needed);
	for (size_t size = 0; size < needed; size++) {
		memset(g.end - needed, 0xee, needed);
		assert_int_equal(wire_pack(MEMD__MESSAGE_TYPE__TYPE_ERROR, 1,
					   &error.base, 0, g.end - size, size),
				 -EMSGSIZE);
		for (size_t i = 1; i <= needed; i++)
			assert_int_equal(g.end[-(ptrdiff_t)i], 0xee);
	}
	assert_int_equal(wire_pack(MEMD__MESSAGE_TYPE__TYPE_ERROR, 1,
				   &error.base, 0, g.end - needed, needed),
			 (int)needed);
	guarded_fini(&g);
}

/* An Error whose packed body has exactly `body_bytes` (>= 2 MiB: the text's
 * length then takes four bytes). */
static ssize_t pack_body_of(size_t body_bytes, uint32_t payload_bytes)
{
	size_t text_bytes = body_bytes - 2 - 1 - 4;
	char *text = malloc(text_bytes + 1);
	uint8_t *to = malloc(WIRE_HEADER_BYTES + body_bytes);
	Memd__Error error = MEMD__ERROR__INIT;
	ssize_t result;

	assert_non_null(text);
	assert_non_null(to);
	memset(text, 'x', text_bytes);
	text[text_bytes] = '\0';
	error.code = 1;
	error.text = text;
	assert_int_equal(memd__error__get_packed_size(&error), body_bytes);
	result = wire_pack(MEMD__MESSAGE_TYPE__TYPE_ERROR, 1, &error.base,
			   payload_bytes, to, WIRE_HEADER_BYTES + body_bytes);
	free(to);
	free(text);
	return result;
}

static void packing_keeps_the_caps_too(void **state)
{
	(void)state;
	assert_int_equal(pack_body_of(WIRE_REPLY_BYTES_MAX, 0),
			 WIRE_HEADER_BYTES + WIRE_REPLY_BYTES_MAX);
	assert_int_equal(pack_body_of(WIRE_REPLY_BYTES_MAX + 1, 0), -EMSGSIZE);
	assert_int_equal(pack_body_of(WIRE_REPLY_BYTES_MAX,
				      WIRE_PAYLOAD_BYTES_MAX),
			 WIRE_HEADER_BYTES + WIRE_REPLY_BYTES_MAX);
	assert_int_equal(pack_body_of(WIRE_REPLY_BYTES_MAX,
				      WIRE_PAYLOAD_BYTES_MAX + 1), -EMSGSIZE);
}

static void every_type_has_a_name(void **state)
{
	const ProtobufCEnumDescriptor *types = &memd__message_type__descriptor;

	(void)state;
	assert_int_equal(types->n_values, ARRAY_SIZE(type_descriptors));
	for (size_t i = 0; i < ARRAY_SIZE(type_descriptors); i++) {
		const ProtobufCEnumValue *value = &types->values[i];
		uint16_t type = (uint16_t)value->value;

		assert_memory_equal(value->name, "TYPE_", 5);
		assert_string_equal(wire_type_name(type), value->name + 5);
		assert_non_null(type_descriptor_find(type));
	}
	assert_string_equal(wire_type_name(20), "FAULT");
	assert_string_equal(wire_type_name(28), "SESSION_STATS_REPLY");
}

static void unknown_types_are_named_by_number(void **state)
{
	(void)state;
	assert_string_equal(wire_type_name(5), "TYPE 5");
	assert_string_equal(wire_type_name(99), "TYPE 99");
	assert_string_equal(wire_type_name(100), "TYPE 100");
	assert_string_equal(wire_type_name(65535), "TYPE 65535");
	assert_string_equal(wire_type_name(5), "TYPE 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_packs_to_golden_bytes),
		cmocka_unit_test(header_unpacks_from_golden_bytes),
		cmocka_unit_test(all_ones_survive_a_round_trip),
		cmocka_unit_test(any_wrong_magic_byte_is_refused),
		cmocka_unit_test(other_versions_are_left_to_the_caller),
		cmocka_unit_test(length_caps_hold_on_the_exact_byte),
		cmocka_unit_test(no_body_is_only_a_header),
		cmocka_unit_test(every_too_small_buffer_is_refused_untouched),
		cmocka_unit_test(packing_keeps_the_caps_too),
		cmocka_unit_test(every_type_has_a_name),
		cmocka_unit_test(unknown_types_are_named_by_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
