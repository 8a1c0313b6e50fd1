/* Stands before libc and counts the calls by which a process reads or changes files below one folder. The n-th can be refused, cut short, or be
 * the last thing that the process does; every one can be recorded with its bytes, so that a power cut can be played later.
 *
 * It is loaded with LD_PRELOAD and steered by the faults_* functions below, through ctypes. Calls that libc makes for itself (stdio) and changes
 * through a mapping are not seen; neither Python's os, nor SQLite, nor libgit2 writes in such a way what must last.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
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
static int kind, code, wanted, told = -1, recorded = -1;

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

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

/* Write every change to this descriptor, with its bytes; -1 ends it. */
void faults_record(int descriptor) { recorded = descriptor; }

static void put(const char *call, const char *one, const char *other, off_t at, const void *bytes, size_t size) {
    char head[PATH_MAX * 2 + 128];
    int length = snprintf(head, sizeof head, "%s\t%s\t%s\t%lld\t%zu\n", call, one, other, (long long)at, size);
    pthread_mutex_lock(&turn);
    syscall(SYS_write, recorded, head, length);
    for (size_t done = 0; done < size;) {
        ssize_t count = syscall(SYS_write, recorded, (const char *)bytes + done, size - done);
        if (count <= 0) break;
        done += count;
    }
    pthread_mutex_unlock(&turn);
}

/* A word of the test's own among the recorded changes: what was promised until here. */
void faults_note(const char *word) {
    if (recorded >= 0) put("note", word, "", 0, "", 0);
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

static ssize_t after(int met, const char *name, const void *bytes, ssize_t count, off_t at) {
    int was = errno;
    if (count > 0 && recorded >= 0) put("write", name, "", at, bytes, count);
    if (met == TORN) end();
    errno = was;
    return count;
}

static off_t where(int descriptor, ssize_t count) {
    if (recorded < 0 || count <= 0) return 0;
    if (fcntl(descriptor, F_GETFL) & O_APPEND) {
        struct stat found;
        fstat(descriptor, &found);
        return found.st_size - count;
    }
    return lseek(descriptor, 0, SEEK_CUR) - count;
}

/* --- opening */

static int opens(const char *call, int flags, const char *name) {
    return meets(call, name, flags & (O_CREAT | O_TRUNC) ? CHANGE | SPACE : READ);
}

static int opened(int flags, const char *name, int was_there, int handle) {
    if (handle >= 0 && recorded >= 0 && (flags & O_CREAT) && !was_there) put("create", name, "", 0, "", 0);
    if (handle >= 0 && recorded >= 0 && (flags & O_TRUNC) && was_there) put("truncate", name, "", 0, "", 0);
    return handle;
}

static int is_there(const char *name) { return syscall(SYS_access, name, F_OK) == 0; }

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
        int there = recorded >= 0 && is_there(name);                                                                                           \
        return opened(flags, name, there, REAL(symbol)(path, flags, mode));                                                                    \
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
        int there = recorded >= 0 && is_there(name);                                                                                           \
        return opened(flags, name, there, REAL(symbol)(folder, path, flags, mode));                                                            \
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
    return after(met, name, bytes, count, where(descriptor, count));
}

#define WRITING_AT(symbol, offset)                                                                                                             \
    NEXT(symbol)                                                                                                                               \
    ssize_t symbol(int descriptor, const void *bytes, size_t size, offset at) {                                                                \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !name_of(descriptor, name)) return REAL(symbol)(descriptor, bytes, size, at);                                      \
        int met = meets("pwrite", name, CHANGE | SPACE | WRITE);                                                                               \
        if (refused(met)) return -1;                                                                                                           \
        return after(met, name, bytes, REAL(symbol)(descriptor, bytes, part(met, size), at), at);                                              \
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
        done = after(met, name, bytes, done, at_place ? at : where(descriptor, done));
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
        int result = REAL(symbol)(descriptor);                                                                                                 \
        if (!result && recorded >= 0) put("sync", name, "", 0, "", 0);                                                                         \
        return result;                                                                                                                         \
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
        int result = REAL(symbol)(descriptor, size);                                                                                           \
        if (!result && recorded >= 0) put("truncate", name, "", size, "", 0);                                                                  \
        return result;                                                                                                                         \
    }
CUTTING(ftruncate, off_t)
CUTTING(ftruncate64, off64_t)

#define CUTTING_BY_NAME(symbol, offset)                                                                                                        \
    NEXT(symbol)                                                                                                                               \
    int symbol(const char *path, offset size) {                                                                                                \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !place_of(AT_FDCWD, path, name)) return REAL(symbol)(path, size);                                                  \
        if (refused(meets("truncate", name, CHANGE | SPACE))) return -1;                                                                       \
        int result = REAL(symbol)(path, size);                                                                                                 \
        if (!result && recorded >= 0) put("truncate", name, "", size, "", 0);                                                                  \
        return result;                                                                                                                         \
    }
CUTTING_BY_NAME(truncate, off_t)
CUTTING_BY_NAME(truncate64, off64_t)

/* Room is taken and bytes that were never written read as zero: for a power cut nothing that lasts. posix_fallocate gives its error back. */
#define ALLOCATING(symbol, offset, refusal, ...)                                                                                               \
    NEXT(symbol)                                                                                                                               \
    int symbol(int descriptor, __VA_ARGS__ offset at, offset size) {                                                                           \
        char name[PATH_MAX];                                                                                                                   \
        if (root_length && name_of(descriptor, name) && refused(meets(#symbol, name, CHANGE | SPACE))) return refusal;                         \
        int result = ALLOCATE_##symbol;                                                                                                        \
        struct stat found;                                                                                                                     \
        if (!result && recorded >= 0 && root_length && name_of(descriptor, name) && !fstat(descriptor, &found))                                \
            put("truncate", name, "", found.st_size, "", 0);                                                                                   \
        return result;                                                                                                                         \
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

static int done(const char *call, const char *one, const char *other, int result) {
    if (!result && recorded >= 0) {
        int was = errno;
        put(call, one, other, 0, "", 0);
        errno = was;
    }
    return result;
}

#define ON_NAME(symbol, word, recorded_as, class, folder, call, ...)                                                                           \
    NEXT(symbol)                                                                                                                               \
    int symbol(__VA_ARGS__) {                                                                                                                  \
        char name[PATH_MAX];                                                                                                                   \
        if (!root_length || !place_of(folder, path, name)) return REAL(symbol) call;                                                           \
        if (refused(meets(word, name, class))) return -1;                                                                                      \
        return done(recorded_as, name, "", REAL(symbol) call);                                                                                 \
    }
ON_NAME(unlink, "unlink", "unlink", CHANGE, AT_FDCWD, (path), const char *path)
ON_NAME(unlinkat, "unlinkat", "unlink", CHANGE, folder, (folder, path, flags), int folder, const char *path, int flags)
ON_NAME(rmdir, "rmdir", "unlink", CHANGE, AT_FDCWD, (path), const char *path)
ON_NAME(mkdir, "mkdir", "mkdir", CHANGE | SPACE, AT_FDCWD, (path, mode), const char *path, mode_t mode)
ON_NAME(mkdirat, "mkdirat", "mkdir", CHANGE | SPACE, folder, (folder, path, mode), int folder, const char *path, mode_t mode)
ON_NAME(chmod, "chmod", "chmod", CHANGE, AT_FDCWD, (path, mode), const char *path, mode_t mode)
ON_NAME(fchmodat, "fchmodat", "chmod", CHANGE, folder, (folder, path, mode, flags), int folder, const char *path, mode_t mode, int flags)

#define ON_NAMES(symbol, word, class, from, to, call, ...)                                                                                     \
    NEXT(symbol)                                                                                                                               \
    int symbol(__VA_ARGS__) {                                                                                                                  \
        char one[PATH_MAX], other[PATH_MAX];                                                                                                   \
        if (!root_length || !place_of(to, target, other)) return REAL(symbol) call;                                                            \
        if (!place_of(from, source, one)) strncpy(one, source, PATH_MAX - 1);                                                                  \
        if (refused(meets(#symbol, other, class))) return -1;                                                                                  \
        return done(word, one, other, REAL(symbol) call);                                                                                      \
    }
ON_NAMES(rename, "rename", CHANGE | SPACE, AT_FDCWD, AT_FDCWD, (source, target), const char *source, const char *target)
ON_NAMES(renameat, "rename", CHANGE | SPACE, from, to, (from, source, to, target), int from, const char *source, int to, const char *target)
ON_NAMES(renameat2, "rename", CHANGE | SPACE, from, to, (from, source, to, target, flags), int from, const char *source, int to,
         const char *target, unsigned flags)
ON_NAMES(link, "link", CHANGE | SPACE, AT_FDCWD, AT_FDCWD, (source, target), const char *source, const char *target)
ON_NAMES(linkat, "link", CHANGE | SPACE, from, to, (from, source, to, target, flags), int from, const char *source, int to, const char *target,
         int flags)
