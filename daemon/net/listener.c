/* SPDX-License-Identifier: MIT */
#include "daemon/net/listener.h"

#include "common/descriptor.h"
#include "daemon/findings/findings.h"
#include "daemon/system/names.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,		/* net.core.somaxconn may limit it further */
	PATIENCE_MS = 10000,
};

static void lock_path(const char *path, char *ret, size_t size)
{
	snprintf(ret, size, "%s.lock", path);
}

/* Whether `fd` is still the file called `name`.  A memd that ends removes its
 * lock file, so a file that was opened before may have no name when it is
 * locked. */
static bool is_named(int fd, const char *name)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && lstat(name, &named) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int take_lock(const char *path, const char *where,
		     const struct reason *reason)
{
	char name[CONFIG_TEXT_BYTES + 8];

	lock_path(path, name, sizeof(name));
	for (;;) {
		int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			      0600);

		if (fd < 0)
			return reason_give(reason, -errno, "%s: %s; make the "
					   "folder, or choose another socket",
					   name, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			int err = -errno;

			close(fd);
			if (err == -EWOULDBLOCK)
				return reason_give(
					reason, -EBUSY, "%s: another memd is "
					"using it; stop that one, or choose "
					"another socket", where);
			return reason_give(reason, err, "%s: %s", name,
					   strerror(-err));
		}
		if (is_named(fd, name))
			return fd;
		close(fd);
	}
}

void listener_unlock(const char *path, int lock_fd)
{
	char name[CONFIG_TEXT_BYTES + 8];

	lock_path(path, name, sizeof(name));
	if (is_named(lock_fd, name))
		(void)unlink(name);
	close(lock_fd);
}

/* A killed memd leaves a socket file on which nobody listens: remove it.
 * Anything else belongs to somebody. */
static int clear_stale(const struct sockaddr_un *sun, socklen_t length,
		       const char *where, const struct reason *reason)
{
	const char *path = sun->sun_path;
	struct stat st;
	int fd, err;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 :
			reason_give(reason, -errno, "%s: %s", path,
				    strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return reason_give(reason, -EEXIST, "%s: exists and is not a "
				   "socket; remove it, or choose another "
				   "socket", where);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return reason_give(reason, -errno, "socket: %s",
				   strerror(errno));
	err = connect(fd, (const struct sockaddr *)sun, length) == 0 ? 0 :
		-errno;
	close(fd);
	if (err != -ECONNREFUSED)
		return reason_give(reason, -EBUSY, "%s: another program is "
				   "listening there; stop it, or choose "
				   "another socket", where);
	if (unlink(path) != 0)
		return reason_give(reason, -errno, "%s: cannot remove the "
				   "socket a dead memd has left: %s", path,
				   strerror(errno));
	return 0;
}

static int set_access(const struct config *config, const char *path,
		      const struct reason *reason)
{
	gid_t gid = (gid_t)-1;

	if (config->socket_group[0] != '\0' &&
	    names_await_group(config->socket_group, PATIENCE_MS, &gid) != 0)
		return findings_refuse(config, FINDING_socket_group, -ENOENT,
				       reason->text, reason->size);
	if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) != 0)
		return reason_give(reason, -errno, "socket_group: %s: %s; run "
				   "as root or as a member of the group", path,
				   strerror(errno));
	if (chmod(path, (mode_t)config->socket_mode) != 0)
		return reason_give(reason, -errno, "socket_mode: %s: %s", path,
				   strerror(errno));
	return 0;
}

static int bind_to(int fd, const struct config *config,
		   const struct sockaddr_un *sun, socklen_t length,
		   bool is_path, const char *where,
		   const struct reason *reason)
{
	int err = 0;

	/* Nobody may connect before mode and group are set.  (The file gets the
	 * mode of the socket.  The umask is not used: it may be that of another
	 * program.) */
	if ((is_path && fchmod(fd, 0600) != 0) ||
	    bind(fd, (const struct sockaddr *)sun, length) != 0)
		err = -errno;
	if (err == 0 && is_path)
		err = set_access(config, sun->sun_path, reason);
	else if (err == -EADDRINUSE)
		err = reason_give(reason, -EBUSY, "%s: another program is "
				  "listening there; stop it, or choose another "
				  "socket", where);
	else if (err != 0)
		err = reason_give(reason, err, "%s: %s; choose another socket",
				  where, strerror(-err));
	if (err == 0 && listen(fd, BACKLOG) != 0)
		err = reason_give(reason, -errno, "%s: %s", config->socket,
				  strerror(errno));
	if (err != 0 && is_path)
		(void)unlink(sun->sun_path);
	return err;
}

/* The address of the setting `socket`.  Returns its length. */
static socklen_t listener_address(const struct config *config,
				  struct sockaddr_un *ret_sun)
{
	size_t length = strlen(config->socket);

	*ret_sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	ASSERT(length < sizeof(ret_sun->sun_path));
	memcpy(ret_sun->sun_path, config->socket, length);
	if (ret_sun->sun_path[0] == '@')
		ret_sun->sun_path[0] = '\0';
	else
		length++;	/* a path carries its NUL */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

int listener_connect(const struct config *config)
{
	struct sockaddr_un sun;
	socklen_t length = listener_address(config, &sun);
	int err, fd = descriptor_raise(socket(AF_UNIX, SOCK_STREAM |
					      SOCK_CLOEXEC | SOCK_NONBLOCK,
					      0));

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sun, length) == 0)
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int listener_open(const struct config *config, int *ret_lock,
		  char *ret_reason, size_t reason_size)
{
	char note[CONFIG_NOTE_BYTES];
	char where[CONFIG_TEXT_BYTES + CONFIG_NOTE_BYTES];
	const struct reason reason = { ret_reason, reason_size };
	bool is_path = config->socket[0] == '/';
	struct sockaddr_un sun;
	socklen_t length = listener_address(config, &sun);
	int fd, err = 0, lock = -1;

	snprintf(where, sizeof(where), "%s%s", config->socket,
		 config_note(config, &config_keys[CONFIG_KEY_socket], note,
			     sizeof(note)));
	if (is_path) {
		lock = take_lock(config->socket, where, &reason);
		if (lock < 0)
			return lock;
		err = clear_stale(&sun, length, where, &reason);
	}
	fd = err != 0 ? -1 :
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (err == 0 && fd < 0)
		err = reason_give(&reason, -errno, "socket: %s",
				  strerror(errno));
	if (err == 0)
		err = bind_to(fd, config, &sun, length, is_path, where,
			      &reason);
	if (err == 0) {
		*ret_lock = lock;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	if (lock >= 0)
		listener_unlock(config->socket, lock);
	return err;
}

void listener_show(int fd, char *ret_text, size_t text_size)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(sun);
	bool is_abstract;

	if (getsockname(fd, (struct sockaddr *)&sun, &length) != 0)
		length = 0;
	length = MIN(length, (socklen_t)sizeof(sun));
	length -= MIN(length,
		      (socklen_t)offsetof(struct sockaddr_un, sun_path));
	is_abstract = length > 1 && sun.sun_path[0] == '\0';
	snprintf(ret_text, text_size, "unix:%s%.*s", is_abstract ? "@" : "",
		 (int)length - is_abstract, sun.sun_path + is_abstract);
}
