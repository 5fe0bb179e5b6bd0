/* Records what a process does to the files under one directory, in order, while it does it.
 *
 * Loaded with LD_PRELOAD. KEYWAY_RECORDER_ROOT is the directory, KEYWAY_RECORDER_LOG the file that the
 * records are appended to; the test appends its own between them. A record is written after what it
 * tells of is done, and nothing else is done meanwhile: a sync covers what stands before it.
 *
 * A record: kind (1 byte), number of the file (8), offset or size (8), length of the path (4), length
 * of the data (4), path, data. Integers are in the machine's order. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("KEYWAY_RECORDER_ROOT");
    const char *log = getenv("KEYWAY_RECORDER_LOG");
    if (directory == NULL || log == NULL) return;
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log_fd < 0 || strlen(directory) >= sizeof root) abort();
    strcpy(root, directory);
    root_length = strlen(root);
}

/* What the next definition of `name` is: the one of the C library. */
#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, #name))

static int is_watched(const char *path) {
    return log_fd >= 0 && path != NULL && strncmp(path, root, root_length) == 0
        && (path[root_length] == '/' || path[root_length] == '\0');
}

/* The path that a descriptor was opened by, if it is watched. */
static int watched_path(int fd, char *path) {
    char link[64];
    if (log_fd < 0 || fd < 0 || fd == log_fd) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = '\0';
    return is_watched(path);
}

static void record(char kind, uint64_t file, uint64_t number, const char *path, const void *data, size_t length) {
    unsigned char head[25];
    uint32_t path_length = (uint32_t)strlen(path), data_length = (uint32_t)length;
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &file, 8);
    memcpy(head + 9, &number, 8);
    memcpy(head + 17, &path_length, 4);
    memcpy(head + 21, &data_length, 4);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, path_length}, {(void *)data, length}};
    ssize_t whole = (ssize_t)(sizeof head + path_length + length);
    if (syscall(SYS_writev, log_fd, parts, 3) != whole) abort();
}

static uint64_t file_of(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) abort();
    return (uint64_t)status.st_ino;
}

/* Runs `act` alone, then `tell` if it went well; `errno` is that of `act`. */
#define ALONE(type, act, tell)              \
    pthread_mutex_lock(&turn);              \
    type result = (act);                    \
    int error = errno;                      \
    if (result >= 0) { tell; }              \
    pthread_mutex_unlock(&turn);            \
    errno = error;                          \
    return result

static int open_watched(const char *path, int flags, mode_t mode) {
    struct stat status;
    int was_there = syscall(SYS_newfstatat, AT_FDCWD, path, &status, 0) == 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    int error = errno;
    if (fd >= 0 && !was_there) record('C', file_of(fd), 0, path, "", 0);
    if (fd >= 0 && was_there && (flags & O_TRUNC)) record('S', file_of(fd), 0, path, "", 0);
    errno = error;
    return fd;
}

static int open_any(const char *path, int flags, mode_t mode) {
    if (!is_watched(path)) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    ALONE(int, open_watched(path, flags, mode), );
}

#define MODE(flags, mode)                                     \
    mode_t mode = 0;                                          \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                  \
        va_list rest;                                         \
        va_start(rest, flags);                                \
        mode = va_arg(rest, mode_t);                          \
        va_end(rest);                                         \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return open_any(path, flags | O_LARGEFILE, mode);
}

static ssize_t write_at(int fd, const void *data, size_t length, off64_t offset, const char *path) {
    ALONE(ssize_t, syscall(SYS_pwrite64, fd, data, length, offset),
          record('W', file_of(fd), (uint64_t)offset, path, data, (size_t)result));
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    char path[PATH_MAX];
    if (!watched_path(fd, path)) return syscall(SYS_pwrite64, fd, data, length, offset);
    return write_at(fd, data, length, offset, path);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    return pwrite64(fd, data, length, offset);
}

static ssize_t write_on(int fd, const void *data, size_t length, const char *path) {
    ALONE(ssize_t, syscall(SYS_write, fd, data, length),
          record('W', file_of(fd), (uint64_t)(lseek64(fd, 0, SEEK_CUR) - result), path, data, (size_t)result));
}

ssize_t write(int fd, const void *data, size_t length) {
    char path[PATH_MAX];
    if (!watched_path(fd, path)) return syscall(SYS_write, fd, data, length);
    return write_on(fd, data, length, path);
}

static int resize(int fd, off64_t size, const char *path) {
    ALONE(int, (int)syscall(SYS_ftruncate, fd, size), record('S', file_of(fd), (uint64_t)size, path, "", 0));
}

int ftruncate64(int fd, off64_t size) {
    char path[PATH_MAX];
    if (!watched_path(fd, path)) return (int)syscall(SYS_ftruncate, fd, size);
    return resize(fd, size, path);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int sync_with(long call, int fd) {
    char path[PATH_MAX];
    if (!watched_path(fd, path)) return (int)syscall(call, fd);
    ALONE(int, (int)syscall(call, fd), record('Y', file_of(fd), 0, path, "", 0));
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }

int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

int unlink(const char *path) {
    if (!is_watched(path)) return NEXT(int (*)(const char *), unlink)(path);
    ALONE(int, NEXT(int (*)(const char *), unlink)(path), record('U', 0, 0, path, "", 0));
}

int rename(const char *from, const char *to) {
    if (!is_watched(from)) return NEXT(int (*)(const char *, const char *), rename)(from, to);
    ALONE(int, NEXT(int (*)(const char *, const char *), rename)(from, to), record('R', 0, 0, from, to, strlen(to)));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    int (*next)(int, const char *, int, const char *, int) = NEXT(int (*)(int, const char *, int, const char *, int), linkat);
    if (!is_watched(to)) return next(from_fd, from, to_fd, to, flags);
    ALONE(int, next(from_fd, from, to_fd, to, flags), record('L', 0, 0, from, to, strlen(to)));
}

int mkdir(const char *path, mode_t mode) {
    if (!is_watched(path)) return NEXT(int (*)(const char *, mode_t), mkdir)(path, mode);
    ALONE(int, NEXT(int (*)(const char *, mode_t), mkdir)(path, mode), record('M', 0, 0, path, "", 0));
}
