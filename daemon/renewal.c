/* SPDX-License-Identifier: MIT */
#include "daemon/renewal.h"

#include "daemon/config/config.h"
#include <string.h>
#include <sys/stat.h>

/* A missing file counts as unchanged: the program may be in another chroot. */
static void note_file_identity(const char *path, struct renewal_file *file)
{
	struct stat st;

	if (path[0] == '\0' || stat(path, &st) != 0)
		return;
	memset(file, 0, sizeof(*file));		/* it is compared as bytes */
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	file->length = st.st_size;
	file->written = st.st_mtim;
	file->changed = st.st_ctim;
}

static void note_file_identities(struct renewal *r, const struct config *config)
{
	const char *const path[RENEWAL_FILES] = {
		config->tls_ca, config->tls_certificate, config->tls_key,
		config->tls_crl,
	};

	for (size_t i = 0; i < RENEWAL_FILES; i++)
		note_file_identity(path[i], &r->file[i]);
}

void renewal_init(struct renewal *r, const struct config *config)
{
	memset(r, 0, sizeof(*r));
	note_file_identities(r, config);
}

/* If the certificate is replaced before its key, the reload is refused.  The
 * new key is another change, so the reload is tried again then. */
bool renewal_is_due(struct renewal *r, const struct config *config)
{
	struct renewal now;

	if (config->tls_ca[0] == '\0')
		return false;
	memcpy(&now, r, sizeof(now));
	note_file_identities(&now, config);
	if (memcmp(&now, r, sizeof(now)) == 0)
		return false;
	memcpy(r, &now, sizeof(now));
	return true;
}
