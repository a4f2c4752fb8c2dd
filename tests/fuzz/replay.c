/* SPDX-License-Identifier: MIT */
/* main() for a fuzz target in builds without libFuzzer: feeds it every file
 * named on the command line, and every file in the folders named there.  It
 * generates nothing; it keeps what the fuzzer once found from coming back. */
#include "common/checks.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed_count;

/* The input lies in a block of exactly its size, so that ASan sees a read
 * past its end. */
static int replay_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	FILE *file = fopen(path, "rb");
	size_t got = 0;

	if (file != NULL && data != NULL)
		got = fread(data, 1, size, file);
	if (file == NULL || data == NULL || got != size) {
		fprintf(stderr, "%s: cannot read: %s\n", path, strerror(errno));
	} else {
		LLVMFuzzerTestOneInput(data, size);
		replayed_count++;
	}
	if (file != NULL)
		fclose(file);
	free(data);
	return file != NULL && got == size ? 0 : -1;
}

static int replay(const char *path);

static int replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int result = 0;

	if (dir == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		char inner[4096];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(inner, sizeof(inner), "%s/%s", path,
			     entry->d_name) >= (int)sizeof(inner) ||
		    replay(inner) != 0)
			result = -1;
	}
	closedir(dir);
	return result;
}

static int replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		return replay_folder(path);
	return replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	int result = 0;

	for (int i = 1; i < argc; i++)
		result |= replay(argv[i]);
	printf("%u inputs replayed\n", replayed_count);
	/* An empty corpus proves nothing. */
	return result == 0 && replayed_count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
