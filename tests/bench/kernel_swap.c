/* SPDX-License-Identifier: MIT */
/* See kernel_swap.h. */
#include "tests/bench/kernel_swap.h"

#include "tests/bench/kernel_file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SYSCTL_VM "/proc/sys/vm"

/* zram is not read ahead by the kernel, whatever the setting. */
static const char *const clusters[SWAP_VARIANTS] = {
	[SWAP_FILE_CLUSTER_0] = "0",
	[SWAP_FILE_CLUSTER_3] = "3",
	[SWAP_ZRAM] = "0",
};

static int set_cluster(struct kernel_swap *ks, enum swap_variant variant)
{
	if (kernel_file_has_word(SYSCTL_VM, "page-cluster", clusters[variant]))
		return 0;
	if (!ks->has_saved_cluster) {
		ks->saved_cluster = kernel_file_number(SYSCTL_VM,
						       "page-cluster");
		ks->has_saved_cluster = true;
	}
	return kernel_file_write(SYSCTL_VM, "page-cluster", clusters[variant]);
}

static int reset_cluster(struct kernel_swap *ks)
{
	char text[32];
	int err;

	if (!ks->has_saved_cluster)
		return 0;
	snprintf(text, sizeof(text), "%ld", ks->saved_cluster);
	err = kernel_file_write(SYSCTL_VM, "page-cluster", text);
	if (err != 0)
		fprintf(stderr, "paging: vm.page-cluster stays changed, it was "
			"%s: %s\n", text, strerror(-err));
	ks->has_saved_cluster = false;
	return err != 0 ? -1 : 0;
}

static struct swap_area *area_of(struct kernel_swap *ks,
				 enum swap_variant variant)
{
	return variant == SWAP_ZRAM ? &ks->zram : &ks->file;
}

/* Once for nothing, so that what is not allowed is known before. */
static void try_variant(struct kernel_swap *ks, enum swap_variant variant)
{
	char *reason = ks->reason[variant];
	int err;

	if (reason[0] != '\0')
		return;
	err = kernel_swap_begin(ks, variant);
	if (err == 0)
		err = kernel_swap_end(ks);
	if (err != 0)
		snprintf(reason, SWAP_REASON_BYTES,
			 "swapon(2) of %s with vm.page-cluster %s: %s",
			 area_of(ks, variant)->path, clusters[variant],
			 strerror(-err));
}

static void leave_all_out(struct kernel_swap *ks, const char *reason)
{
	for (unsigned v = 0; v < SWAP_VARIANTS; v++)
		snprintf(ks->reason[v], SWAP_REASON_BYTES, "%s", reason);
}

static void make_file(struct kernel_swap *ks, const char *folder,
		      uint64_t bytes)
{
	char path[sizeof(ks->file.path)];
	char *reason = ks->reason[SWAP_FILE_CLUSTER_0];

	snprintf(path, sizeof(path), "%s/kernel.swap", folder);
	if (swap_area_create_file(&ks->file, path, bytes, reason,
				  SWAP_REASON_BYTES) != 0)
		memcpy(ks->reason[SWAP_FILE_CLUSTER_3], reason,
		       SWAP_REASON_BYTES);
}

void kernel_swap_create(struct kernel_swap *ks, const char *folder,
			uint64_t limit_bytes, uint64_t swap_bytes,
			const bool wanted[SWAP_VARIANTS])
{
	char reason[SWAP_REASON_BYTES];

	*ks = (struct kernel_swap){ 0 };
	if (geteuid() != 0) {
		leave_all_out(ks, "a memory cgroup and swapon(2) need root");
		return;
	}
	if (memory_group_create(&ks->group, limit_bytes, reason,
				sizeof(reason)) != 0) {
		leave_all_out(ks, reason);
		return;
	}
	if (wanted[SWAP_FILE_CLUSTER_0] || wanted[SWAP_FILE_CLUSTER_3])
		make_file(ks, folder, swap_bytes);
	if (wanted[SWAP_ZRAM] &&
	    swap_area_create_zram(&ks->zram, swap_bytes,
				  ks->reason[SWAP_ZRAM],
				  SWAP_REASON_BYTES) != 0 &&
	    swap_area_destroy(&ks->zram) != 0)
		fprintf(stderr, "paging: half of a zram stays behind\n");
	for (unsigned v = 0; v < SWAP_VARIANTS; v++)
		if (wanted[v])
			try_variant(ks, v);
}

int kernel_swap_begin(struct kernel_swap *ks, enum swap_variant variant)
{
	int err = set_cluster(ks, variant);

	return err != 0 ? err : swap_area_switch_on(area_of(ks, variant));
}

int kernel_swap_end(struct kernel_swap *ks)
{
	int err = swap_area_switch_off(&ks->file);

	return err != 0 ? err : swap_area_switch_off(&ks->zram);
}

int kernel_swap_destroy(struct kernel_swap *ks)
{
	int result = 0;

	if (swap_area_destroy(&ks->file) != 0)
		result = -1;
	if (swap_area_destroy(&ks->zram) != 0)
		result = -1;
	if (memory_group_destroy(&ks->group) != 0)
		result = -1;
	if (reset_cluster(ks) != 0)
		result = -1;
	return result;
}
