/* SPDX-License-Identifier: MIT */
#include "client/memctl/field.h"

#include "common/checks.h"
#include <string.h>

static const void *field_at(const void *message, unsigned offset)
{
	return (const char *)message + offset;
}

const ProtobufCFieldDescriptor *field_find(const void *message,
					   const char *name)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(
			((const ProtobufCMessage *)message)->descriptor, name);

	ASSERT(f != NULL);
	return f;
}

bool field_is_there(const void *message, const ProtobufCFieldDescriptor *f)
{
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return field_text(message, f) != NULL;
	return f->label == PROTOBUF_C_LABEL_REQUIRED ||
	       *(const protobuf_c_boolean *)field_at(message,
						     f->quantifier_offset);
}

uint64_t field_number(const void *message, const ProtobufCFieldDescriptor *f)
{
	const void *at = field_at(message, f->offset);

	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT32:
		return *(const uint32_t *)at;
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)at != 0;
	default:
		ASSERT(f->type == PROTOBUF_C_TYPE_UINT64);
		return *(const uint64_t *)at;
	}
}

double field_decimal(const void *message, const ProtobufCFieldDescriptor *f)
{
	ASSERT(f->type == PROTOBUF_C_TYPE_DOUBLE);
	return *(const double *)field_at(message, f->offset);
}

char *field_text(const void *message, const ProtobufCFieldDescriptor *f)
{
	ASSERT(f->type == PROTOBUF_C_TYPE_STRING);
	return *(char *const *)field_at(message, f->offset);
}

void **field_elements(const void *message, const ProtobufCFieldDescriptor *f,
		      size_t *ret_count)
{
	ASSERT(f->label == PROTOBUF_C_LABEL_REPEATED);
	*ret_count = *(const size_t *)field_at(message, f->quantifier_offset);
	return *(void **const *)field_at(message, f->offset);
}

void field_set(void *message, const char *name, uint32_t number)
{
	const ProtobufCFieldDescriptor *f = field_find(message, name);

	ASSERT(f->type == PROTOBUF_C_TYPE_UINT32);
	*(uint32_t *)((char *)message + f->offset) = number;
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL)
		*(protobuf_c_boolean *)((char *)message +
					f->quantifier_offset) = 1;
}

#define COMPARE(x, y)	(((x) > (y)) - ((x) < (y)))

int field_compare(const void *a, const void *b, const char *name)
{
	const ProtobufCFieldDescriptor *f;
	uint64_t x = UINT64_MAX, y = UINT64_MAX;

	if (name[0] == '-')
		return field_compare(b, a, name + 1);
	f = field_find(a, name);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return strcmp(field_text(a, f), field_text(b, f));
	if (f->type == PROTOBUF_C_TYPE_DOUBLE)
		return COMPARE(field_decimal(a, f), field_decimal(b, f));
	if (field_is_there(a, f))
		x = field_number(a, f);
	if (field_is_there(b, f))
		y = field_number(b, f);
	return COMPARE(x, y);
}
