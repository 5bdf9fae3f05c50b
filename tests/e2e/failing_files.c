/* A file layer that fails: preloaded into the daemon, it lets the Nth file operation below a folder fail, or kills the
 * process there. Python and SQLite both call the C library, so both see it. `failing_files.py` compiles and controls it.
 *
 * IMAGED_FAULT_BELOW is the folder; IMAGED_FAULT_CONTROL is a file that the test and all processes of the daemon map.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READS = 1, FREES = 2, SYNCS = 4, GROWS = 8 }; /* kinds of operations */

struct control {
	int error;         /* what fails; 0 kills the process */
	int lasts;         /* whether later operations fail, too */
	int kinds;         /* which operations count; 0: none */
	int at;            /* which of them fails, from 1 */
	atomic_int count;  /* how many there were */
	atomic_int struck; /* whether one has failed */
	char what[1024];   /* which one, and its path */
};

static struct control *control;
static char below[PATH_MAX];

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("IMAGED_FAULT_CONTROL"), *folder = getenv("IMAGED_FAULT_BELOW");
	int file = path && folder ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	snprintf(below, sizeof below, "%s/", folder);
	void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (mapped != MAP_FAILED)
		control = mapped;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* Decide about one operation: 0 lets it happen, 1 fails it with errno, 2 does half of a write. */
static int decide(const char *what, int kind, int folder, const char *path)
{
	char full[PATH_MAX], link[64];
	if (!control || !(control->kinds & kind))
		return 0;
	int saved = errno;
	full[0] = 0;
	if (!path || (path[0] != '/' && folder != AT_FDCWD)) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
		ssize_t length = readlink(link, full, sizeof full - 1);
		full[length < 0 ? 0 : length] = 0;
	} else if (path[0] != '/' && !getcwd(full, sizeof full)) {
		full[0] = 0;
	}
	if (path) {
		size_t length = path[0] == '/' ? 0 : strlen(full);
		snprintf(full + length, sizeof full - length, "%s%s", length ? "/" : "", path);
	}
	errno = saved;
	if (strncmp(full, below, strlen(below)))
		return 0;
	int number = atomic_fetch_add(&control->count, 1) + 1;
	if (number < control->at || (number > control->at && !control->lasts))
		return 0;
	int first = number == control->at, halves = !strcmp(what, "write") && (control->error == ENOSPC || !control->error);
	if (first) {
		snprintf(control->what, sizeof control->what, "%s %.900s", what, full + strlen(below));
		atomic_store(&control->struck, 1);
	}
	if (halves && first)
		return 2;
	if (!control->error)
		die();
	errno = control->error;
	return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* End a write of which the first half was done: the process dies, or sees a short write, as on a full disk. */
static ssize_t half(ssize_t done)
{
	if (!control->error)
		die();
	if (done <= 0)
		errno = control->error;
	return done > 0 ? done : -1;
}

static int kind_of_open(int folder, const char *path, int flags)
{
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return GROWS;
	if (flags & O_CREAT)
		return faccessat(folder, path, F_OK, 0) ? GROWS : FREES;
	return (flags & O_ACCMODE) == O_RDONLY ? READS : FREES;
}

#define OPEN(name, parameters, folder, arguments) \
	int name parameters \
	{ \
		REAL(name); \
		mode_t mode = 0; \
		if (flags & (O_CREAT | __O_TMPFILE)) { \
			va_list more; \
			va_start(more, flags); \
			mode = va_arg(more, mode_t); \
			va_end(more); \
		} \
		int saved = errno, kind = kind_of_open(folder, path, flags); \
		errno = saved; \
		return decide("open", kind, folder, path) ? -1 : real arguments; \
	}

OPEN(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(openat, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))

int __open64_2(const char *path, int flags)
{
	return open64(path, flags);
}

#define PLAIN(type, name, parameters, what, kind, folder, path, arguments) \
	type name parameters \
	{ \
		REAL(name); \
		return decide(what, kind, folder, path) ? -1 : real arguments; \
	}

PLAIN(ssize_t, read, (int file, void *to, size_t size), "read", READS, file, NULL, (file, to, size))
PLAIN(ssize_t, pread, (int file, void *to, size_t size, off_t at), "read", READS, file, NULL, (file, to, size, at))
PLAIN(ssize_t, pread64, (int file, void *to, size_t size, off64_t at), "read", READS, file, NULL, (file, to, size, at))
PLAIN(int, stat, (const char *path, struct stat *to), "stat", READS, AT_FDCWD, path, (path, to))
PLAIN(int, stat64, (const char *path, struct stat64 *to), "stat", READS, AT_FDCWD, path, (path, to))
PLAIN(int, fstat, (int file, struct stat *to), "stat", READS, file, NULL, (file, to))
PLAIN(int, fstat64, (int file, struct stat64 *to), "stat", READS, file, NULL, (file, to))
PLAIN(int, fstatat, (int folder, const char *path, struct stat *to, int how), "stat", READS, folder, path,
      (folder, path, to, how))
PLAIN(int, fstatat64, (int folder, const char *path, struct stat64 *to, int how), "stat", READS, folder, path,
      (folder, path, to, how))
PLAIN(int, fsync, (int file), "fsync", SYNCS, file, NULL, (file))
PLAIN(int, fdatasync, (int file), "fsync", SYNCS, file, NULL, (file))
PLAIN(int, futimens, (int file, const struct timespec times[2]), "set times", FREES, file, NULL, (file, times))
PLAIN(int, ftruncate, (int file, off_t size), "truncate", FREES, file, NULL, (file, size))
PLAIN(int, ftruncate64, (int file, off64_t size), "truncate", FREES, file, NULL, (file, size))
PLAIN(int, rename, (const char *from, const char *to), "rename", GROWS, AT_FDCWD, to, (from, to))
PLAIN(int, renameat, (int a, const char *from, int b, const char *to), "rename", GROWS, b, to, (a, from, b, to))
PLAIN(int, link, (const char *from, const char *to), "link", GROWS, AT_FDCWD, to, (from, to))
PLAIN(int, linkat, (int a, const char *from, int b, const char *to, int how), "link", GROWS, b, to, (a, from, b, to, how))
PLAIN(int, unlink, (const char *path), "unlink", FREES, AT_FDCWD, path, (path))
PLAIN(int, unlinkat, (int folder, const char *path, int how), "unlink", FREES, folder, path, (folder, path, how))
PLAIN(int, mkdir, (const char *path, mode_t mode), "mkdir", GROWS, AT_FDCWD, path, (path, mode))
PLAIN(int, mkdirat, (int folder, const char *path, mode_t mode), "mkdir", GROWS, folder, path, (folder, path, mode))

DIR *opendir(const char *path)
{
	REAL(opendir);
	return decide("list", READS, AT_FDCWD, path) ? NULL : real(path);
}

#define WRITE(name, parameters, arguments, first) \
	ssize_t name parameters \
	{ \
		REAL(name); \
		int fate = decide("write", GROWS, file, NULL); \
		if (fate == 2) \
			return half(real first); \
		return fate ? -1 : real arguments; \
	}

WRITE(write, (int file, const void *from, size_t size), (file, from, size), (file, from, size / 2))
WRITE(pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at), (file, from, size / 2, at))
WRITE(pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at), (file, from, size / 2, at))
