/* Makes one call that changes a file below a folder fail, or a clock that jumps: see faults.py.

   Loaded by LD_PRELOAD into a program and all that it starts. FAULT_STATE names a file with a
   struct state, which all of them share; FAULT_UNDER is the folder. Calls are counted from 1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct state {
    long count;    /* calls so far */
    long fail_at;  /* the call that fails; 0: none */
    long error;    /* its errno; 0: the process is killed in its place */
    long lasting;  /* whether the calls after it that need room fail too, as on a full disk */
    long jump_s;   /* seconds by which the clock of the day is moved to and fro */
    long ticks;    /* how often it was asked for */
    char failed[32]; /* name of the call that failed */
};

static struct state *shared;
static char under[PATH_MAX];
static size_t under_length;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FAULT_STATE"), *folder = getenv("FAULT_UNDER");
    if (!file || !folder || !realpath(folder, under)) return;
    under_length = strlen(under);
    int (*really)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = really(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) shared = at;
}

static int below(const char *path) {
    return !strncmp(path, under, under_length) && path[under_length] == '/';
}

static int of_descriptor(int fd) {
    char link[64], path[PATH_MAX];
    if (!shared) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path);
}

static int of_path(int folder, const char *path) {
    char whole[2 * PATH_MAX], link[64] = "/proc/self/cwd";
    if (!shared || !path) return 0;
    if (path[0] == '/') return below(path);
    if (folder != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, whole, PATH_MAX - 1);
    if (length <= 0) return 0;
    snprintf(whole + length, PATH_MAX, "/%s", path);
    return below(whole);
}

/* Whether this call, which is one of those that count, has to fail. */
static int fails(const char *name, int needs_room) {
    long number = __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST), at = shared->fail_at;
    int saved = errno;
    if (!at || !(number == at || (shared->lasting && needs_room && number > at))) return 0;
    if (number == at) strncpy(shared->failed, name, sizeof shared->failed - 1);
    if (!shared->error) kill(getpid(), SIGKILL);
    errno = saved;
    errno = (int)shared->error;
    return 1;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define CHANGE(result, name, declared, given, concerned, room) \
    result name declared { \
        REAL(name); \
        if ((concerned) && fails(#name, room)) return -1; \
        return real given; \
    }
#define OPENS(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define OPEN(name, declared, folder, ...) \
    int name declared { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        int counts = OPENS(flags) || (shared && shared->error == EMFILE); \
        if (counts && of_path(folder, path) && fails(#name, (flags & O_CREAT) != 0)) return -1; \
        return real(__VA_ARGS__, flags, mode); \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD, path)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, path)
OPEN(openat, (int folder, const char *path, int flags, ...), folder, folder, path)
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, folder, path)

CHANGE(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), of_descriptor(fd), 1)
CHANGE(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), of_descriptor(fd), 1)
CHANGE(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), of_descriptor(fd), 1)
CHANGE(ssize_t, writev, (int fd, const struct iovec *parts, int n), (fd, parts, n), of_descriptor(fd), 1)
ssize_t sendfile(int out, int in, off_t *at, size_t size);
ssize_t sendfile64(int out, int in, off64_t *at, size_t size);
CHANGE(ssize_t, sendfile, (int out, int in, off_t *at, size_t size), (out, in, at, size), of_descriptor(out), 1)
CHANGE(ssize_t, sendfile64, (int out, int in, off64_t *at, size_t size), (out, in, at, size), of_descriptor(out), 1)
CHANGE(int, ftruncate, (int fd, off_t size), (fd, size), of_descriptor(fd), 0)
CHANGE(int, ftruncate64, (int fd, off64_t size), (fd, size), of_descriptor(fd), 0)
CHANGE(int, fsync, (int fd), (fd), of_descriptor(fd), 0)
CHANGE(int, fdatasync, (int fd), (fd), of_descriptor(fd), 0)
CHANGE(int, rename, (const char *from, const char *to), (from, to), of_path(AT_FDCWD, to), 0)
CHANGE(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), of_path(b, to), 0)
CHANGE(int, link, (const char *from, const char *to), (from, to), of_path(AT_FDCWD, to), 0)
CHANGE(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), of_path(b, to), 0)
CHANGE(int, unlink, (const char *path), (path), of_path(AT_FDCWD, path), 0)
CHANGE(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), of_path(folder, path), 0)
CHANGE(int, rmdir, (const char *path), (path), of_path(AT_FDCWD, path), 0)
CHANGE(int, mkdir, (const char *path, mode_t mode), (path, mode), of_path(AT_FDCWD, path), 1)
CHANGE(int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode), of_path(folder, path), 1)

/* A clock that is set while a program runs: every second question finds it moved. */
static long moved(void) {
    if (!shared || !shared->jump_s) return 0;
    return __atomic_add_fetch(&shared->ticks, 1, __ATOMIC_SEQ_CST) % 2 ? shared->jump_s : -shared->jump_s;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    if (!result && clock == CLOCK_REALTIME) now->tv_sec += moved();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int result = real(now, zone);
    if (!result) now->tv_sec += moved();
    return result;
}

time_t time(time_t *now) {
    REAL(time);
    time_t found = real(0) + moved();
    if (now) *now = found;
    return found;
}
