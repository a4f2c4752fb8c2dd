/* SPDX-License-Identifier: MIT */
/* Fields of messages by their names, so that tables can name the fields to
 * show. */
#ifndef MEMD_MEMCTL_FIELD_H
#define MEMD_MEMCTL_FIELD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Find a field of a message (struct Memd__*).  ASSERTs that it exists. */
const ProtobufCFieldDescriptor *field_find(const void *message,
					   const char *name);

/* False: the field is optional, and absent. */
bool field_is_there(const void *message, const ProtobufCFieldDescriptor *f);

/* The value of a field of this type; an absent one is 0 or NULL. */
uint64_t field_number(const void *message, const ProtobufCFieldDescriptor *f);
double field_decimal(const void *message, const ProtobufCFieldDescriptor *f);
char *field_text(const void *message, const ProtobufCFieldDescriptor *f);

/* The elements (pointers) of a repeated field of texts or messages. */
void **field_elements(const void *message, const ProtobufCFieldDescriptor *f,
		      size_t *ret_count);

/* Set a field of 32 bits. */
void field_set(void *message, const char *name, uint32_t number);

/* Compare two messages by a field, for sorting: < 0, 0 or > 0.  An absent field
 * is greater than any other.  "-NAME" reverses the order. */
int field_compare(const void *a, const void *b, const char *name);

#endif
