/* Stands before libc and counts the calls by which a process reads or changes files below one folder. The n-th can be refused, cut short, or be
 * the last thing that the process does.
 *
 * It is loaded with LD_PRELOAD and steered by the faults_* functions below, through ctypes. Calls that libc makes for itself (stdio) and changes
 * through a mapping are not seen; neither Python's os, nor SQLite, nor libgit2 writes in such a way what must last.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ = 1, CHANGE = 2, SPACE = 4, WRITE = 8 }; /* what a call is: SPACE may find the disk full, WRITE may be cut short */
enum { NOTHING = 0, KILL = 1, REFUSE = 2, REFUSE_ON = 3, SHORT = 4, TORN = 5 };

static char root[PATH_MAX];
static size_t root_length;
static atomic_long counted;
static long target;
static int kind, code, wanted, told = -1;


#define REAL(name) ((__typeof__(&name))next_##name())
#define NEXT(name)                                                                                                                             \
    static void *next_##name(void) {                                                                                                           \
        static void *found;                                                                                                                    \
        if (!found) found = dlsym(RTLD_NEXT, #name);                                                                                           \
        return found;                                                                                                                          \
    }

/* --- steering */

void faults_root(const char *path) {
    strncpy(root, path, sizeof root - 1);
    root_length = strlen(root);
}

/* From here on calls of the classes `classes` are counted; the n-th (from 1) meets `what`. `names`, if not -1, gets a line for each. */
void faults_arm(long n, int what, int error, int classes, int names) {
    atomic_store(&counted, 0);
    target = n, kind = what, code = error, told = names;
    wanted = classes;
}

/* Count nothing any more; how many there were. */
long faults_disarm(void) {
    wanted = 0, told = -1;
    return atomic_load(&counted);
}

/* --- whose file is it */

static int below(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || path[root_length] == 0);
}

static int name_of(int descriptor, char *name) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlink, link, name, PATH_MAX - 1);
    if (length < 0) return 0;
    name[length] = 0;
    return below(name);
}

static int place_of(int folder, const char *path, char *name) {
    if (!path) return 0;
    if (path[0] == '/') {
        strncpy(name, path, PATH_MAX - 1), name[PATH_MAX - 1] = 0;
        return below(name);
    }
    if (folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, name, PATH_MAX) < 0) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = syscall(SYS_readlink, link, name, PATH_MAX - 1);
        if (length < 0) return 0;
        name[length] = 0;
    }
    size_t length = strlen(name);
    snprintf(name + length, PATH_MAX - length, "/%s", path);
    return below(name);
}

/* --- the n-th call */

static void end(void) { syscall(SYS_kill, syscall(SYS_getpid), SIGKILL); for (;;) pause(); }

/* What the call that comes now meets. The kill strikes before it. */
static int meets(const char *call, const char *name, int class) {
    if (!(class & wanted)) return NOTHING;
    long number = atomic_fetch_add(&counted, 1) + 1;
    if (told >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld\t%d\t%s\t%s\n", number, class, call, name);
        syscall(SYS_write, told, line, length);
    }
    if (!target || number < target || (number > target && kind != REFUSE_ON)) return NOTHING;
    if (kind == KILL) end();
    if ((kind == SHORT || kind == TORN) && !(class & WRITE)) return NOTHING;
    if (kind == REFUSE || kind == REFUSE_ON) errno = code;
    return kind;
}

static int refused(int met) { return met == REFUSE || met == REFUSE_ON; }

static size_t part(int met, size_t size) { return met == SHORT || met == TORN ? (size > 1 ? size / 2 : size) : size; }

static ssize_t after(int met, ssize_t count) {
    if (met == TORN) end();
    return count;
}

/* --- opening */

static int opens(const char *call, int flags, const char *name) {
    return meets(call, name, flags & (O_CREAT | O_TRUNC) ? CHANGE | SPACE : READ);
}

#define OPENING(symbol)                                                                                                                        \
    NEXT(symbol)                                                                                                                               \
    int symbol(const char *path, int flags, ...) {                                                                                             \
        char name[PATH_MAX];                                                                                                                   \
        va_list rest;                                                                                                                          \
        va_start(rest, flags);                                                                                                                 \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                                              \
        va_end(rest);                                                                                                                          \
        if (!root_length || !place_of(AT_FDCWD, path, name)) return REAL(symbol)(path, flags, mode);                                           \
        if (refused(opens("open", flags, name))) return -1;                                                                                    \
        return REAL(symbol)(path, flags, mode);                                                                    \
    }
OPENING(open)
OPENING(open64)

#define OPENING_AT(symbol)                                                                                                                     \
    NEXT(symbol)                                                                                                                               \
    int symbol(int folder, const char *path, int flags, ...) {                                                                                 \
        char name[PATH_MAX];                                                                                                                   \
        va_list rest;                                                                                                                          \
        va_start(rest, flags);                                                                                                                 \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                                              \
        va_end(rest);                                                                                                                          \
        if (!root_length || !place_of(folder, path, name)) return REAL(symbol)(folder, path, flags, mode);                                     \
        if (refused(opens("openat", flags, name))) return -1;                                                                                  \
        return REAL(symbol)(folder, path, flags, mode);                                                            \
    }
OPENING_AT(openat)
OPENING_AT(openat64)

#define CREATING(symbol)                                                                                                                       \
    int symbol(const char *path, mode_t mode) { return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode); }
CREATING(creat)
CREATING(creat64)

/* --- bytes */

NEXT(write)
ssize_t write(int descriptor, const void *bytes, size_t size) {
    char name[PATH_MAX];
    if (!root_length || !name_of(descriptor, name)) return REAL(write)(descriptor, bytes, size);
    int met = meets("write", name, CHANGE | SPACE | WRITE);
    if (refused(met)) return -1;
    ssize_t count = REAL(write)(descriptor, bytes, part(met, size));
    return after(met, count);
}

#define WRITING_AT(symbol, offset)                                                                                                             \
    NEXT(symbol)                                                                                                                               \
    ssize_t symbol(int descriptor, const void *bytes, size_t size, offset at) {                                                                \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !name_of(descriptor, name)) return REAL(symbol)(descriptor, bytes, size, at);                                      \
        int met = meets("pwrite", name, CHANGE | SPACE | WRITE);                                                                               \
        if (refused(met)) return -1;                                                                                                           \
        return after(met, REAL(symbol)(descriptor, bytes, part(met, size), at));                                              \
    }
WRITING_AT(pwrite, off_t)
WRITING_AT(pwrite64, off64_t)

/* Several pieces become one write: what is counted is the call. */
static ssize_t gathered(const char *call, int descriptor, const char *name, const struct iovec *pieces, int count, int at_place, off_t at) {
    size_t size = 0;
    for (int each = 0; each < count; each++) size += pieces[each].iov_len;
    char *bytes = malloc(size ? size : 1), *end_of = bytes;
    for (int each = 0; each < count; each++) end_of = mempcpy(end_of, pieces[each].iov_base, pieces[each].iov_len);
    int met = meets(call, name, CHANGE | SPACE | WRITE);
    ssize_t done = -1;
    if (!refused(met)) {
        done = at_place ? syscall(SYS_pwrite64, descriptor, bytes, part(met, size), at) : syscall(SYS_write, descriptor, bytes, part(met, size));
        done = after(met, done);
    }
    free(bytes);
    return done;
}

NEXT(writev)
ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    char name[PATH_MAX];
    if (!root_length || !name_of(descriptor, name)) return REAL(writev)(descriptor, pieces, count);
    return gathered("writev", descriptor, name, pieces, count, 0, 0);
}

#define WRITING_PIECES_AT(symbol, offset)                                                                                                      \
    NEXT(symbol)                                                                                                                               \
    ssize_t symbol(int descriptor, const struct iovec *pieces, int count, offset at) {                                                         \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !name_of(descriptor, name)) return REAL(symbol)(descriptor, pieces, count, at);                                    \
        return gathered("pwritev", descriptor, name, pieces, count, 1, at);                                                                    \
    }
WRITING_PIECES_AT(pwritev, off_t)
WRITING_PIECES_AT(pwritev64, off64_t)

NEXT(read)
ssize_t read(int descriptor, void *bytes, size_t size) {
    char name[PATH_MAX];
    if (!(wanted & READ) || !name_of(descriptor, name)) return REAL(read)(descriptor, bytes, size);
    return refused(meets("read", name, READ)) ? -1 : REAL(read)(descriptor, bytes, size);
}

#define READING_AT(symbol, offset)                                                                                                             \
    NEXT(symbol)                                                                                                                               \
    ssize_t symbol(int descriptor, void *bytes, size_t size, offset at) {                                                                      \
        char name[PATH_MAX];                                                                                                                   \
        if (!(wanted & READ) || !name_of(descriptor, name)) return REAL(symbol)(descriptor, bytes, size, at);                                  \
        return refused(meets("pread", name, READ)) ? -1 : REAL(symbol)(descriptor, bytes, size, at);                                           \
    }
READING_AT(pread, off_t)
READING_AT(pread64, off64_t)

/* --- what is done to a descriptor */

#define ON_DESCRIPTOR(symbol, word, class)                                                                                                     \
    NEXT(symbol)                                                                                                                               \
    int symbol(int descriptor) {                                                                                                               \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !name_of(descriptor, name)) return REAL(symbol)(descriptor);                                                       \
        if (refused(meets(word, name, class))) return -1;                                                                                      \
        return REAL(symbol)(descriptor); \
    }
ON_DESCRIPTOR(fsync, "fsync", CHANGE | SPACE)
ON_DESCRIPTOR(fdatasync, "fdatasync", CHANGE | SPACE)
ON_DESCRIPTOR(syncfs, "syncfs", CHANGE | SPACE)

#define CUTTING(symbol, offset)                                                                                                                \
    NEXT(symbol)                                                                                                                               \
    int symbol(int descriptor, offset size) {                                                                                                  \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !name_of(descriptor, name)) return REAL(symbol)(descriptor, size);                                                 \
        if (refused(meets("ftruncate", name, CHANGE | SPACE))) return -1;                                                                      \
        return REAL(symbol)(descriptor, size); \
    }
CUTTING(ftruncate, off_t)
CUTTING(ftruncate64, off64_t)

#define CUTTING_BY_NAME(symbol, offset)                                                                                                        \
    NEXT(symbol)                                                                                                                               \
    int symbol(const char *path, offset size) {                                                                                                \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !place_of(AT_FDCWD, path, name)) return REAL(symbol)(path, size);                                                  \
        if (refused(meets("truncate", name, CHANGE | SPACE))) return -1;                                                                       \
        return REAL(symbol)(path, size); \
    }
CUTTING_BY_NAME(truncate, off_t)
CUTTING_BY_NAME(truncate64, off64_t)

/* posix_fallocate gives its error back. */
#define ALLOCATING(symbol, offset, refusal, ...)                                                                                               \
    NEXT(symbol)                                                                                                                               \
    int symbol(int descriptor, __VA_ARGS__ offset at, offset size) {                                                                           \
        char name[PATH_MAX];                                                                                                                   \
        if (root_length && name_of(descriptor, name) && refused(meets(#symbol, name, CHANGE | SPACE))) return refusal;                         \
        return ALLOCATE_##symbol; \
    }
#define ALLOCATE_fallocate REAL(fallocate)(descriptor, mode, at, size)
#define ALLOCATE_fallocate64 REAL(fallocate64)(descriptor, mode, at, size)
#define ALLOCATE_posix_fallocate REAL(posix_fallocate)(descriptor, at, size)
#define ALLOCATE_posix_fallocate64 REAL(posix_fallocate64)(descriptor, at, size)
#define MODE int mode,
ALLOCATING(fallocate, off_t, -1, MODE)
ALLOCATING(fallocate64, off64_t, -1, MODE)
ALLOCATING(posix_fallocate, off_t, code, )
ALLOCATING(posix_fallocate64, off64_t, code, )

NEXT(fchmod)
int fchmod(int descriptor, mode_t mode) {
    char name[PATH_MAX];
    if (root_length && name_of(descriptor, name) && refused(meets("fchmod", name, CHANGE))) return -1;
    return REAL(fchmod)(descriptor, mode);
}

/* --- names */

#define ON_NAME(symbol, word, class, folder, call, ...)                                                                           \
    NEXT(symbol)                                                                                                                               \
    int symbol(__VA_ARGS__) {                                                                                                                  \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !place_of(folder, path, name)) return REAL(symbol) call;                                                           \
        if (refused(meets(word, name, class))) return -1;                                                                                      \
        return REAL(symbol) call;                                                                                 \
    }
ON_NAME(unlink, "unlink", CHANGE, AT_FDCWD, (path), const char *path)
ON_NAME(unlinkat, "unlinkat", CHANGE, folder, (folder, path, flags), int folder, const char *path, int flags)
ON_NAME(rmdir, "rmdir", CHANGE, AT_FDCWD, (path), const char *path)
ON_NAME(mkdir, "mkdir", CHANGE | SPACE, AT_FDCWD, (path, mode), const char *path, mode_t mode)
ON_NAME(mkdirat, "mkdirat", CHANGE | SPACE, folder, (folder, path, mode), int folder, const char *path, mode_t mode)
ON_NAME(chmod, "chmod", CHANGE, AT_FDCWD, (path, mode), const char *path, mode_t mode)
ON_NAME(fchmodat, "fchmodat", CHANGE, folder, (folder, path, mode, flags), int folder, const char *path, mode_t mode, int flags)

#define ON_NAMES(symbol, class, from, to, call, ...)                                                                                     \
    NEXT(symbol)                                                                                                                               \
    int symbol(__VA_ARGS__) {                                                                                                                  \
        char other[PATH_MAX];                                                                                                   \
        if (!root_length || !place_of(to, target, other)) return REAL(symbol) call;                                                            \
        if (refused(meets(#symbol, other, class))) return -1;                                                                                  \
        return REAL(symbol) call;                                                                                      \
    }
ON_NAMES(rename, CHANGE | SPACE, AT_FDCWD, AT_FDCWD, (source, target), const char *source, const char *target)
ON_NAMES(renameat, CHANGE | SPACE, from, to, (from, source, to, target), int from, const char *source, int to, const char *target)
ON_NAMES(renameat2, CHANGE | SPACE, from, to, (from, source, to, target, flags), int from, const char *source, int to,
         const char *target, unsigned flags)
ON_NAMES(link, CHANGE | SPACE, AT_FDCWD, AT_FDCWD, (source, target), const char *source, const char *target)
ON_NAMES(linkat, CHANGE | SPACE, from, to, (from, source, to, target, flags), int from, const char *source, int to, const char *target,
         int flags)
