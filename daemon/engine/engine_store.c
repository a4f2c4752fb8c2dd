/* SPDX-License-Identifier: MIT */
#include "daemon/engine/engine_store.h"

#include "common/log.h"
#include "common/units.h"
#include "proto/remote_address.h"
#include "swapstore/store_mirror.h"
#include "swapstore/store_remote.h"
#include <errno.h>
#include <string.h>

static uint32_t slot_count(const struct config *config)
{
	return (uint32_t)(config->swap_size / SWAP_SLOT_BYTES);
}

/* Of a store whose slots are in files of areas. */
static uint32_t slot_limit(const struct config *config)
{
	const struct pager_config pager = {
		.slot_count = slot_count(config),
		.areas_max = areas_most(config),
	};

	return pager_slot_limit(&pager);
}

static int make_file_store(struct engine *e, const struct config *config,
			   char *ret_reason, size_t reason_size)
{
	uint32_t slots = slot_limit(config);
	struct swapstore_buffers buffers = { e->staging, e->staging_bytes };
	int err;

	if (strcmp(config->store, "sync") != 0) {
		err = store_uring_create(slots, &buffers,
					 (unsigned)config->queue_depth,
					 &e->store);
		if (err == 0)
			return 0;
		e->uring_error = err;
		err = findings_refuse(config, FINDING_io_uring, err,
				      ret_reason, reason_size);
		if (err != 0)
			return err;
	}
	err = store_sync_create(slots, (unsigned)config->io_threads,
				&e->store);
	if (err != 0)
		snprintf(ret_reason, reason_size, "store: sync: %s%s",
			 strerror(-err), err == -EAGAIN ?
				"; no thread can be started: " CURE_TASKS :
				"");
	return err;
}

static int make_mem_store(struct engine *e, const struct config *config,
			  char *ret_reason, size_t reason_size)
{
	int err = store_mem_create(slot_count(config), &e->store);

	if (err != 0)
		snprintf(ret_reason, reason_size, "store: mem: %s",
			 strerror(-err));
	return err;
}

/* ---- another memd */

static int read_certificates(const struct config *config,
		    struct channel_context **ret_tls, char *ret_reason,
		    size_t reason_size)
{
	const struct channel_tls_files files = {
		.ca = config->tls_ca,
		.certificate = config->tls_certificate,
		.key = config->tls_key,
		.crl = config->tls_crl,
	};

	/* Setting only some of them is an error: it must not mean plain TCP. */
	if (config->tls_ca[0] == '\0' && config->tls_certificate[0] == '\0' &&
	    config->tls_key[0] == '\0')
		return 0;
	return channel_context_create(&files, false, ret_tls, ret_reason,
				      reason_size);
}

/* An address that cannot be parsed counts as another host. */
static bool is_here(const char *address)
{
	struct remote_address ra = { 0 };
	char ignored[CHANNEL_REASON_BYTES];
	bool is = remote_address_parse(&ra, address, ignored,
				       sizeof(ignored)) == 0 &&
		  remote_address_is_here(&ra);

	remote_address_fini(&ra);
	return is;
}

/* Without TLS, anyone on the network path could read and change all pages. */
static int check_plain(const struct config *config, const char *address,
		       char *ret_reason, size_t reason_size)
{
	if (address[0] == '\0' || is_here(address) ||
	    strcmp(config->insecure_tcp, "yes") == 0)
		return 0;
	snprintf(ret_reason, reason_size, "%s is on another host: that needs "
		 "certificates (tls_ca, tls_certificate, tls_key), or, where "
		 "the network is trusted, insecure_tcp = yes", address);
	return -EACCES;
}

static int connect_store(struct engine *e, const struct config *config,
			 const char *address, struct swapstore **ret_store,
			 char *ret_reason, size_t reason_size)
{
	bool is_mirrored = config->store_mirror[0] != '\0';
	const struct store_remote_options options = {
		.address = address,
		.tls = e->tls,
		.command = program_invocation_short_name,
		.slot_count = slot_count(config),
		.write_behind_bytes = (size_t)config->write_behind,
		.queue_depth = (unsigned)config->queue_depth,
		.is_mirrored = is_mirrored,
		.may_be_away = is_mirrored,
	};

	return store_remote_create(&options, ret_store, ret_reason,
				   reason_size);
}

int engine_store_load_tls(const struct config *config,
			  struct channel_context **ret_tls, char *ret_reason,
			  size_t reason_size)
{
	int err;

	*ret_tls = NULL;
	if (strcmp(config->store, "remote") != 0)
		return 0;
	err = read_certificates(config, ret_tls, ret_reason, reason_size);
	if (err != 0 || *ret_tls != NULL)
		return err;
	err = check_plain(config, config->store_address, ret_reason,
			  reason_size);
	if (err == 0)
		err = check_plain(config, config->store_mirror, ret_reason,
				  reason_size);
	return err;
}

void engine_store_use_tls(struct engine *e, struct channel_context *tls)
{
	if (store_is_remote(e->store))
		store_remote_renew(e->store, tls);
	for (unsigned c = 0; store_is_mirror(e->store) &&
			     c < STORE_MIRROR_CHILDREN; c++)
		store_remote_renew(store_mirror_child(e->store, c), tls);
	channel_context_destroy(e->tls);
	e->tls = tls;
}

/* ---- a mirror */

enum { REASON_BYTES = 512 };

/* One of the two is enough to start: when the other one comes back, the pages
 * that it lacks are copied to it.  An empty reason means that this one is
 * up. */
static int check_away(const char *first, const char *second, char *ret_reason,
		      size_t reason_size)
{
	const char *away = first[0] != '\0' ? first : second;

	if (first[0] != '\0' && second[0] != '\0') {
		snprintf(ret_reason, reason_size, "%s; %s", first, second);
		return -EHOSTUNREACH;
	}
	if (away[0] != '\0')
		log_event(LOG_LEVEL_WARNING, "store-away", "reason=\"%s\"",
			  away);
	return 0;
}

static struct store_mirror_child child_of(struct swapstore *store)
{
	return (struct store_mirror_child){
		.store = store,
		.is_up = store_remote_is_up,
		.epoch = store_remote_epoch,
		.has = store_remote_has,
	};
}

static int make_mirror(struct engine *e, struct swapstore *const store[2],
		       char *ret_reason, size_t reason_size)
{
	const struct store_mirror_child child[STORE_MIRROR_CHILDREN] = {
		child_of(store[0]), child_of(store[1]),
	};
	int err = store_mirror_create(child, &e->store);

	if (err != 0)
		snprintf(ret_reason, reason_size, "store_mirror: %s",
			 strerror(-err));
	return err;
}

static int make_mirrored_store(struct engine *e, const struct config *config,
			       char *ret_reason, size_t reason_size)
{
	struct swapstore *store[STORE_MIRROR_CHILDREN] = { NULL, NULL };
	char first[REASON_BYTES], second[REASON_BYTES];
	int err;

	err = connect_store(e, config, config->store_address, &store[0], first,
			    sizeof(first));
	if (err != 0)
		snprintf(ret_reason, reason_size, "%s", first);
	if (err == 0) {
		err = connect_store(e, config, config->store_mirror, &store[1],
				    second, sizeof(second));
		if (err != 0)
			snprintf(ret_reason, reason_size, "%s", second);
	}
	if (err == 0)
		err = check_away(first, second, ret_reason, reason_size);
	if (err == 0)
		err = make_mirror(e, store, ret_reason, reason_size);
	if (err != 0) {
		swapstore_destroy(store[0]);
		swapstore_destroy(store[1]);
	}
	return err;
}

static int make_remote_store(struct engine *e, const struct config *config,
			     char *ret_reason, size_t reason_size)
{
	int err = engine_store_load_tls(config, &e->tls, ret_reason,
					reason_size);

	if (err != 0)
		return err;
	if (config->store_mirror[0] != '\0')
		return make_mirrored_store(e, config, ret_reason, reason_size);
	return connect_store(e, config, config->store_address, &e->store,
			     ret_reason, reason_size);
}

/* ---- all stores */

int engine_store_create(struct engine *e, const struct config *config,
			bool has_helpers, char *ret_reason, size_t reason_size)
{
	int err;

	if (strcmp(config->store, "mem") == 0)
		return make_mem_store(e, config, ret_reason, reason_size);
	if (strcmp(config->store, "remote") == 0)
		return make_remote_store(e, config, ret_reason, reason_size);
	err = areas_open(&e->areas, config, has_helpers, ret_reason,
			 reason_size);
	if (err != 0)
		return err;
	return make_file_store(e, config, ret_reason, reason_size);
}

void engine_store_destroy(struct engine *e)
{
	swapstore_destroy(e->store);
	areas_close(&e->areas);
	channel_context_destroy(e->tls);
}

static void describe_remote(const struct engine *e,
			    const struct swapstore *store, char *buf,
			    size_t size)
{
	struct store_remote_status rs;
	char sent[16], received[16];

	store_remote_status_get(store, &rs);
	if (rs.is_up)
		snprintf(buf, size, "%s, round trip %.2f ms, %s sent, %s "
			 "received%s", rs.address, (double)rs.rtt_ns / 1e6,
			 units_format_size(rs.sent_bytes, sent, sizeof(sent)),
			 units_format_size(rs.received_bytes, received,
					   sizeof(received)),
			 e->tls != NULL ? ", TLS" : "");
	else
		snprintf(buf, size, "%s, not reached for %.1f s: %s",
			 rs.address, (double)rs.down_ns / 1e9, rs.reason);
}

static void describe_mirror(const struct engine *e, char *buf, size_t size)
{
	struct store_mirror_status ms;
	char text[2][ENGINE_STORE_TEXT_BYTES / 3];

	store_mirror_status_get(e->store, &ms);
	for (unsigned c = 0; c < STORE_MIRROR_CHILDREN; c++)
		describe_remote(e, store_mirror_child(e->store, c), text[c],
				sizeof(text[c]));
	snprintf(buf, size, "%s; %s; %llu and %llu of %llu pages", text[0],
		 text[1], (unsigned long long)ms.slots[0],
		 (unsigned long long)ms.slots[1],
		 (unsigned long long)ms.slot_count);
}

const char *engine_store_describe(const struct engine *e,
				  char buf[ENGINE_STORE_TEXT_BYTES])
{
	if (store_is_mirror(e->store))
		describe_mirror(e, buf, ENGINE_STORE_TEXT_BYTES);
	else if (store_is_remote(e->store))
		describe_remote(e, e->store, buf, ENGINE_STORE_TEXT_BYTES);
	else
		snprintf(buf, ENGINE_STORE_TEXT_BYTES, "%s%s",
			 e->uring_error != 0 ? "io_uring: " : "",
			 e->uring_error != 0 ? strerror(-e->uring_error) : "");
	return buf;
}
