/*
 * A recorder of file operations, loaded into a process with LD_PRELOAD.
 *
 * Every operation that changes files below CVMFSNIX_SHIM_ROOT, and every request to make them durable, is appended to the log
 * CVMFSNIX_SHIM_LOG in the order in which the kernel saw it: one lock is held around the real call and its record. The log
 * lies outside the root. From it the test rebuilds what a disk may hold after a power cut at any record.
 *
 * fsync and its kin are recorded and not passed on: no real power is cut, and the disk's speed would only slow the test.
 *
 * Record, little endian:
 *   u32 length of what follows | u8 operation | i32 pid | i32 fd | i64 a | i64 b | u32 path bytes | u32 second path bytes |
 *   u32 data bytes | path | second path | data
 *
 * Not recorded: stores through shared mappings. SQLite's -shm file is the only such file; it is no durable state, SQLite
 * rebuilds it from the write-ahead log. The test compares the model with the disk at the end, so anything else that slips
 * past this file is noticed there. What cannot be modelled is recorded as UNSUPPORTED and fails the test.
 */
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
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#undef open
#undef open64
#undef openat
#undef openat64
#undef creat
#undef creat64

enum op {
    OP_START = 1, OP_OPEN, OP_CLOSE, OP_DUP, OP_WRITE, OP_TRUNCATE, OP_EXTEND, OP_RENAME, OP_UNLINK, OP_MKDIR, OP_RMDIR,
    OP_LINK, OP_SYMLINK, OP_SYNC, OP_SYNC_ALL, OP_UNSUPPORTED
};

#define FD_MAX 65536
static unsigned char in_scope[FD_MAX];
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *(*real_dlsym)(void *, const char *);

static void *next(const char *name)
{
    if (!real_dlsym)
        real_dlsym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    return real_dlsym(RTLD_NEXT, name);
}

/* This file defines syscall as well (see its end), so that the one of the C library is asked for by name. */
static long raw(long number, long a, long b, long c, long d, long e, long f)
{
    static long (*real)(long, ...);
    if (!real)
        real = (long (*)(long, ...))next("syscall");
    return real(number, a, b, c, d, e, f);
}

/* Looked up once at first use; the race is harmless, every thread finds the same address. */
#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))next(#name)

static void put_log(int op, int fd, int64_t a, int64_t b, const char *path, const char *second, const void *data, size_t size);

static void start(void)
{
    const char *folder = getenv("CVMFSNIX_SHIM_ROOT");
    const char *file = getenv("CVMFSNIX_SHIM_LOG");
    if (!folder || !file)
        return;
    root_length = strlen(folder);
    if (root_length == 0 || root_length >= sizeof root)
        return;
    memcpy(root, folder, root_length + 1);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        return;
    /* Out of the way of the low numbers that programs close wholesale. */
    int high = (int)syscall(SYS_fcntl, log_fd, F_DUPFD_CLOEXEC, 60000 < sysconf(_SC_OPEN_MAX) ? 60000 : 200);
    if (high >= 0) {
        syscall(SYS_close, log_fd);
        log_fd = high;
    }
    put_log(OP_START, -1, 0, 0, NULL, NULL, NULL, 0);
}

static void enter(void)
{
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
}

static void leave(void)
{
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
}

__attribute__((constructor)) static void at_load(void)
{
    pthread_once(&once, start);
}

static int below(const char *path)
{
    return root_length > 0 && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int scoped(int fd)
{
    return fd >= 0 && fd < FD_MAX && in_scope[fd];
}

static void write_all(const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++) {
        const char *at = parts[i].iov_base;
        size_t left = parts[i].iov_len;
        while (left > 0) {
            ssize_t n = syscall(SYS_write, log_fd, at, left);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                abort();
            at += n;
            left -= (size_t)n;
        }
    }
}

static void put_log(int op, int fd, int64_t a, int64_t b, const char *path, const char *second, const void *data, size_t size)
{
    if (log_fd < 0)
        return;
    int saved = errno;
    uint32_t first_size = path ? (uint32_t)strlen(path) : 0, second_size = second ? (uint32_t)strlen(second) : 0, data_size = (uint32_t)size;
    unsigned char head[4 + 1 + 4 + 4 + 8 + 8 + 4 + 4 + 4];
    uint32_t total = (uint32_t)(sizeof head - 4) + first_size + second_size + data_size;
    int32_t pid = (int32_t)getpid(), fd32 = fd;
    unsigned char op8 = (unsigned char)op;
    unsigned char *p = head;
    memcpy(p, &total, 4); p += 4;
    memcpy(p, &op8, 1); p += 1;
    memcpy(p, &pid, 4); p += 4;
    memcpy(p, &fd32, 4); p += 4;
    memcpy(p, &a, 8); p += 8;
    memcpy(p, &b, 8); p += 8;
    memcpy(p, &first_size, 4); p += 4;
    memcpy(p, &second_size, 4); p += 4;
    memcpy(p, &data_size, 4);
    /* Records up to the size of the buffer are one write, so that a reader of the growing log meets whole records. */
    static unsigned char whole[1 << 16];
    if (sizeof head + first_size + second_size + data_size <= sizeof whole) {
        size_t n = 0;
        memcpy(whole, head, sizeof head); n += sizeof head;
        if (first_size) { memcpy(whole + n, path, first_size); n += first_size; }
        if (second_size) { memcpy(whole + n, second, second_size); n += second_size; }
        if (data_size) { memcpy(whole + n, data, data_size); n += data_size; }
        struct iovec one = { whole, n };
        write_all(&one, 1);
    } else {
        struct iovec parts[4] = {
            { head, sizeof head }, { (void *)path, first_size }, { (void *)second, second_size }, { (void *)data, data_size }
        };
        write_all(parts, 4);
    }
    errno = saved;
}

/* The absolute form of a path given to the kernel; paths below the root are used by the programs without links or dots. */
static const char *absolute(int directory, const char *path, char *buffer)
{
    if (path[0] == '/')
        return path;
    ssize_t n;
    if (directory == AT_FDCWD) {
        if (syscall(SYS_getcwd, buffer, PATH_MAX) < 0)
            return "";
        n = (ssize_t)strlen(buffer);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        n = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, PATH_MAX - 1);
        if (n < 0)
            return "";
    }
    if ((size_t)n + strlen(path) + 2 > PATH_MAX)
        return "";
    buffer[n] = '/';
    strcpy(buffer + n + 1, path);
    return buffer;
}

static void opened(int fd, int flags)
{
    if (fd < 0 || fd >= FD_MAX || log_fd < 0)
        return;
    int saved = errno;
    char link[64], target[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1);
    in_scope[fd] = 0;
    if (n > 0) {
        target[n] = 0;
        if (below(target)) {
            in_scope[fd] = 1;
            struct stat st;
            int directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
            if ((flags & O_TMPFILE) == O_TMPFILE)
                put_log(OP_UNSUPPORTED, fd, 0, 0, "O_TMPFILE", NULL, NULL, 0);
            put_log(OP_OPEN, fd, flags, directory, target, NULL, NULL, 0);
        }
    }
    errno = saved;
}

/* ---- open and close ---- */

/* Opening something else may block (a named pipe waits for its other end), so only opens below the root hold the lock. */
static int open_any(int directory, const char *path, int flags, mode_t mode)
{
    char buffer[PATH_MAX];
    pthread_once(&once, start);
    int locked = path && root_length > 0 && below(absolute(directory, path, buffer));
    if (locked)
        enter();
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (!locked)
        enter();
    opened(fd, flags);
    leave();
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list list; va_start(list, flags); mode = (mode_t)va_arg(list, int); va_end(list); }

int open(const char *path, int flags, ...) { MODE_OF(flags) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int directory, const char *path, int flags, ...) { MODE_OF(flags) return open_any(directory, path, flags, mode); }
int openat64(int directory, const char *path, int flags, ...) { MODE_OF(flags) return open_any(directory, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int __openat_2(int directory, const char *path, int flags) { return open_any(directory, path, flags, 0); }
int __openat64_2(int directory, const char *path, int flags) { return open_any(directory, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

#define TEMPORARY(name, parameters, arguments) \
    int name parameters { \
        REAL(int, name, char *, ...); \
        enter(); \
        int fd = real arguments; \
        opened(fd, O_RDWR | O_CREAT | O_EXCL); \
        leave(); \
        return fd; \
    }
TEMPORARY(mkstemp, (char *template), (template))
TEMPORARY(mkstemp64, (char *template), (template))
TEMPORARY(mkostemp, (char *template, int flags), (template, flags))
TEMPORARY(mkostemp64, (char *template, int flags), (template, flags))
TEMPORARY(mkstemps, (char *template, int suffix), (template, suffix))
TEMPORARY(mkstemps64, (char *template, int suffix), (template, suffix))
TEMPORARY(mkostemps, (char *template, int suffix, int flags), (template, suffix, flags))
TEMPORARY(mkostemps64, (char *template, int suffix, int flags), (template, suffix, flags))

int close(int fd)
{
    if (!scoped(fd) && fd != log_fd)
        return (int)syscall(SYS_close, fd);
    enter();
    if (scoped(fd)) {
        in_scope[fd] = 0;
        put_log(OP_CLOSE, fd, 0, 0, NULL, NULL, NULL, 0);
    }
    int result = fd == log_fd && fd >= 0 ? 0 : (int)syscall(SYS_close, fd);
    leave();
    return result;
}

static int duplicated(int from, int to)
{
    if (to >= 0 && to < FD_MAX && to != from) {
        if (scoped(to))
            put_log(OP_CLOSE, to, 0, 0, NULL, NULL, NULL, 0);
        in_scope[to] = (unsigned char)scoped(from);
        if (scoped(from))
            put_log(OP_DUP, from, to, 0, NULL, NULL, NULL, 0);
    }
    return to;
}

int dup(int fd)
{
    enter();
    int result = duplicated(fd, (int)syscall(SYS_dup, fd));
    leave();
    return result;
}

int dup2(int fd, int to)
{
    enter();
    int result = duplicated(fd, (int)syscall(SYS_dup2, fd, to));
    leave();
    return result;
}

int dup3(int fd, int to, int flags)
{
    enter();
    int result = duplicated(fd, (int)syscall(SYS_dup3, fd, to, flags));
    leave();
    return result;
}

static int fcntl_any(int fd, int command, void *argument)
{
    enter();
    int result = (int)syscall(SYS_fcntl, fd, command, argument);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        duplicated(fd, result);
    leave();
    return result;
}

/* Waiting for a lock must not hold the recorder's lock. */
#define FCNTL(name) \
    int name(int fd, int command, ...) { \
        va_list list; \
        va_start(list, command); \
        void *argument = va_arg(list, void *); \
        va_end(list); \
        if (command == F_SETLKW || command == F_OFD_SETLKW) \
            return (int)syscall(SYS_fcntl, fd, command, argument); \
        return fcntl_any(fd, command, argument); \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- contents ---- */

static int64_t position(int fd)
{
    struct stat st;
    if (((int)syscall(SYS_fcntl, fd, F_GETFL, 0) & O_APPEND) && fstat(fd, &st) == 0)
        return st.st_size;
    return (int64_t)syscall(SYS_lseek, fd, 0L, SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (!scoped(fd))
        return syscall(SYS_write, fd, data, size);
    enter();
    int64_t at = position(fd);
    ssize_t n = syscall(SYS_write, fd, data, size);
    if (n > 0)
        put_log(OP_WRITE, fd, at, 0, NULL, NULL, data, (size_t)n);
    leave();
    return n;
}

static ssize_t pwrite_any(int fd, const void *data, size_t size, off64_t at)
{
    if (!scoped(fd))
        return syscall(SYS_pwrite64, fd, data, size, at);
    enter();
    ssize_t n = syscall(SYS_pwrite64, fd, data, size, at);
    if (n > 0)
        put_log(OP_WRITE, fd, at, 0, NULL, NULL, data, (size_t)n);
    leave();
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite_any(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite_any(fd, data, size, at); }

static void log_parts(int fd, int64_t at, const struct iovec *parts, int count, ssize_t written)
{
    for (int i = 0; i < count && written > 0; i++) {
        size_t n = parts[i].iov_len < (size_t)written ? parts[i].iov_len : (size_t)written;
        if (n > 0)
            put_log(OP_WRITE, fd, at, 0, NULL, NULL, parts[i].iov_base, n);
        at += (int64_t)n;
        written -= (ssize_t)n;
    }
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!scoped(fd))
        return syscall(SYS_writev, fd, parts, count);
    enter();
    int64_t at = position(fd);
    ssize_t n = syscall(SYS_writev, fd, parts, count);
    log_parts(fd, at, parts, count, n);
    leave();
    return n;
}

static ssize_t pwritev_any(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    if (!scoped(fd))
        return syscall(SYS_pwritev2, fd, parts, (unsigned long)count, (unsigned long)at, 0UL, flags);
    enter();
    int64_t from = at == -1 ? position(fd) : at;
    ssize_t n = syscall(SYS_pwritev2, fd, parts, (unsigned long)count, (unsigned long)at, 0UL, flags);
    log_parts(fd, from, parts, count, n);
    leave();
    return n;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return pwritev_any(fd, parts, count, at, 0); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return pwritev_any(fd, parts, count, at, 0); }
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) { return pwritev_any(fd, parts, count, at, flags); }
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags) { return pwritev_any(fd, parts, count, at, flags); }

/* What the kernel copied is read back from the destination, which may be open for writing only. */
static void log_copied(int fd, int64_t at, ssize_t size)
{
    char link[64], buffer[1 << 15];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int from = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    while (from >= 0 && size > 0) {
        ssize_t n = syscall(SYS_pread64, from, buffer, (size_t)size < sizeof buffer ? (size_t)size : sizeof buffer, at);
        if (n <= 0)
            break;
        put_log(OP_WRITE, fd, at, 0, NULL, NULL, buffer, (size_t)n);
        at += n;
        size -= n;
    }
    if (from >= 0)
        syscall(SYS_close, from);
    if (size > 0)
        put_log(OP_UNSUPPORTED, fd, 0, 0, "a copy that cannot be read back", NULL, NULL, 0);
}

static ssize_t sendfile_any(int to, int from, off64_t *at, size_t size)
{
    if (!scoped(to))
        return syscall(SYS_sendfile, to, from, at, size);
    enter();
    int64_t offset = position(to);
    ssize_t n = syscall(SYS_sendfile, to, from, at, size);
    int saved = errno;
    if (n > 0)
        log_copied(to, offset, n);
    errno = saved;
    leave();
    return n;
}

ssize_t sendfile(int to, int from, off_t *at, size_t size) { return sendfile_any(to, from, at, size); }
ssize_t sendfile64(int to, int from, off64_t *at, size_t size) { return sendfile_any(to, from, at, size); }

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned int flags)
{
    if (!scoped(to))
        return raw(SYS_copy_file_range, from, (long)from_at, to, (long)to_at, (long)size, (long)flags);
    enter();
    int64_t offset = to_at ? *to_at : position(to);
    ssize_t n = raw(SYS_copy_file_range, from, (long)from_at, to, (long)to_at, (long)size, (long)flags);
    int saved = errno;
    if (n > 0)
        log_copied(to, offset, n);
    errno = saved;
    leave();
    return n;
}

#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)
#endif

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (request == FICLONE && scoped(fd)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

static int ftruncate_any(int fd, off64_t size)
{
    if (!scoped(fd))
        return (int)syscall(SYS_ftruncate, fd, size);
    enter();
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0)
        put_log(OP_TRUNCATE, fd, size, 0, NULL, NULL, NULL, 0);
    leave();
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate_any(fd, size); }
int ftruncate64(int fd, off64_t size) { return ftruncate_any(fd, size); }

static int truncate_any(const char *path, off64_t size)
{
    char buffer[PATH_MAX];
    enter();
    int result = (int)syscall(SYS_truncate, path, size);
    const char *full = absolute(AT_FDCWD, path, buffer);
    if (result == 0 && below(full))
        put_log(OP_TRUNCATE, -1, size, 0, full, NULL, NULL, 0);
    leave();
    return result;
}

int truncate(const char *path, off_t size) { return truncate_any(path, size); }
int truncate64(const char *path, off64_t size) { return truncate_any(path, size); }

static int fallocate_any(int fd, int mode, off64_t at, off64_t size)
{
    if (!scoped(fd))
        return (int)syscall(SYS_fallocate, fd, mode, at, size);
    enter();
    int result = (int)syscall(SYS_fallocate, fd, mode, at, size);
    if (result == 0 && mode == 0)
        put_log(OP_EXTEND, fd, at + size, 0, NULL, NULL, NULL, 0);
    else if (result == 0 && mode != FALLOC_FL_KEEP_SIZE)
        put_log(OP_UNSUPPORTED, fd, 0, 0, "a fallocate that changes contents", NULL, NULL, 0);
    leave();
    return result;
}

int fallocate(int fd, int mode, off_t at, off_t size) { return fallocate_any(fd, mode, at, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return fallocate_any(fd, mode, at, size); }
int posix_fallocate(int fd, off_t at, off_t size) { return fallocate_any(fd, 0, at, size) == 0 ? 0 : errno; }
int posix_fallocate64(int fd, off64_t at, off64_t size) { return fallocate_any(fd, 0, at, size) == 0 ? 0 : errno; }

/* ---- names ---- */

static int rename_any(int from_directory, const char *from, int to_directory, const char *to, unsigned flags)
{
    char first[PATH_MAX], second[PATH_MAX];
    enter();
    const char *source = absolute(from_directory, from, first), *target = absolute(to_directory, to, second);
    int result = (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    if (result == 0 && (below(source) || below(target))) {
        if (!below(source) || !below(target) || (flags & ~RENAME_NOREPLACE))
            put_log(OP_UNSUPPORTED, -1, 0, 0, "a rename across the root, or an exchange", NULL, NULL, 0);
        else
            put_log(OP_RENAME, -1, 0, 0, source, target, NULL, 0);
    }
    leave();
    return result;
}

int rename(const char *from, const char *to) { return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return rename_any(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return rename_any(a, from, b, to, flags); }

static int unlink_any(int directory, const char *path, int flags)
{
    char buffer[PATH_MAX];
    enter();
    const char *full = absolute(directory, path, buffer);
    int result = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (result == 0 && below(full))
        put_log(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, -1, 0, 0, full, NULL, NULL, 0);
    leave();
    return result;
}

int unlink(const char *path) { return unlink_any(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char *path, int flags) { return unlink_any(directory, path, flags); }
int rmdir(const char *path) { return unlink_any(AT_FDCWD, path, AT_REMOVEDIR); }

int remove(const char *path)
{
    int result = unlink(path);
    return result != 0 && errno == EISDIR ? rmdir(path) : result;
}

static int mkdir_any(int directory, const char *path, mode_t mode)
{
    char buffer[PATH_MAX];
    enter();
    int result = (int)syscall(SYS_mkdirat, directory, path, mode);
    const char *full = absolute(directory, path, buffer);
    if (result == 0 && below(full))
        put_log(OP_MKDIR, -1, mode, 0, full, NULL, NULL, 0);
    leave();
    return result;
}

int mkdir(const char *path, mode_t mode) { return mkdir_any(AT_FDCWD, path, mode); }
int mkdirat(int directory, const char *path, mode_t mode) { return mkdir_any(directory, path, mode); }

char *mkdtemp(char *template)
{
    REAL(char *, mkdtemp, char *);
    enter();
    char *result = real(template);
    char buffer[PATH_MAX];
    if (result) {
        const char *full = absolute(AT_FDCWD, result, buffer);
        if (below(full))
            put_log(OP_MKDIR, -1, 0700, 0, full, NULL, NULL, 0);
    }
    leave();
    return result;
}

static int link_any(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    char first[PATH_MAX], second[PATH_MAX];
    enter();
    const char *source = absolute(from_directory, from, first), *target = absolute(to_directory, to, second);
    int result = (int)syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
    if (result == 0 && below(target))
        put_log(below(source) && flags == 0 ? OP_LINK : OP_UNSUPPORTED, -1, 0, 0, source, target, NULL, 0);
    leave();
    return result;
}

int link(const char *from, const char *to) { return link_any(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return link_any(a, from, b, to, flags); }

static int symlink_any(const char *target, int directory, const char *path)
{
    char buffer[PATH_MAX];
    enter();
    const char *full = absolute(directory, path, buffer);
    int result = (int)syscall(SYS_symlinkat, target, directory, path);
    if (result == 0 && below(full))
        put_log(OP_SYMLINK, -1, 0, 0, full, target, NULL, 0);
    leave();
    return result;
}

int symlink(const char *target, const char *path) { return symlink_any(target, AT_FDCWD, path); }
int symlinkat(const char *target, int directory, const char *path) { return symlink_any(target, directory, path); }

/* ---- durability ---- */

static int sync_any(int fd, int number)
{
    if (!scoped(fd))
        return (int)syscall(number, fd);
    enter();
    put_log(OP_SYNC, fd, number == SYS_fdatasync, 0, NULL, NULL, NULL, 0);
    leave();
    return 0;
}

int fsync(int fd) { return sync_any(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_any(fd, SYS_fdatasync); }

/* sync_file_range promises nothing after a power cut (no metadata, no flush of the drive): passed on, not recorded. */

int syncfs(int fd)
{
    if (!scoped(fd))
        return (int)syscall(SYS_syncfs, fd);
    enter();
    put_log(OP_SYNC_ALL, fd, 0, 0, NULL, NULL, NULL, 0);
    leave();
    return 0;
}

void sync(void)
{
    enter();
    put_log(OP_SYNC_ALL, -1, 0, 0, NULL, NULL, NULL, 0);
    leave();
}

/* ---- lookups by name, calls by number ---- */

/* The .NET runtime calls copy_file_range by its number. */
long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    if (number == SYS_copy_file_range)
        return copy_file_range((int)a, (off64_t *)b, (int)c, (off64_t *)d, (size_t)e, (unsigned)f);
    return raw(number, a, b, c, d, e, f);
}

/*
 * A P/Invoke into libc asks the loader for the function in that library, past any preloaded one, so those lookups are
 * answered here. A lookup relative to the caller must go on as a jump: its result depends on the return address.
 */
#define MINE(name) if (strcmp(symbol, #name) == 0) return (void *)name;
void *dlsym(void *restrict library, const char *restrict symbol)
{
    if (!real_dlsym)
        real_dlsym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (library != RTLD_NEXT && log_fd >= 0) {
        MINE(open) MINE(open64) MINE(openat) MINE(openat64) MINE(creat) MINE(creat64) MINE(close)
        MINE(mkstemp) MINE(mkstemp64) MINE(mkostemp) MINE(mkstemps) MINE(mkostemps) MINE(mkdtemp)
        MINE(dup) MINE(dup2) MINE(dup3) MINE(fcntl) MINE(fcntl64) MINE(ioctl)
        MINE(write) MINE(pwrite) MINE(pwrite64) MINE(writev) MINE(pwritev) MINE(pwritev64) MINE(pwritev2) MINE(pwritev64v2)
        MINE(sendfile) MINE(sendfile64) MINE(copy_file_range)
        MINE(ftruncate) MINE(ftruncate64) MINE(truncate) MINE(truncate64)
        MINE(fallocate) MINE(fallocate64) MINE(posix_fallocate) MINE(posix_fallocate64)
        MINE(rename) MINE(renameat) MINE(renameat2) MINE(unlink) MINE(unlinkat) MINE(rmdir) MINE(remove)
        MINE(mkdir) MINE(mkdirat) MINE(link) MINE(linkat) MINE(symlink) MINE(symlinkat)
        MINE(fsync) MINE(fdatasync) MINE(syncfs) MINE(sync)
    }
    return real_dlsym(library, symbol);
}
