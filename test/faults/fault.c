#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/*
 * Faults at single calls of one process, many cases in one go. Loaded with LD_PRELOAD; what to do stands in a file that
 * is shared with the process (FAULT_CONTROL) and written by fault.ts, which also holds the order of these fields. Only
 * calls on paths below the watched directories count, also through descriptors.
 *
 * FAULT_CLOCK shifts the clock by that many seconds.
 */

enum { OFF, COUNT, FAIL, KILL, SHORTEN };
enum { WRITES = 1, READS = 2, CONNECTS = 4 };

struct control {
  int32_t mode, nth, error, kinds, lasts, length, count, hits;
  char places[4][248];
  char call[32];
  char shown[512];
};

static struct control *control;
static long shift;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULT_CONTROL"), *clock = getenv("FAULT_CLOCK");
  if (clock) shift = atol(clock);
  if (!path) return;
  int fd = syscall(SYS_open, path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void *at = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED) control = at;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static long raw(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}

static const char *resolve(int fd, const char *path, char *into, size_t size) {
  char link[64];
  const char *rest = "";
  if (path && path[0] == '/') {
    int pid, number, used = 0;
    if (sscanf(path, "/proc/%d/fd/%d%n", &pid, &number, &used) < 2 || !used) return path;
    rest = path + used;
    fd = number;
  } else if (path && path[0]) {
    if (fd < 0) return path;
    rest = path;
  }
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long length = raw(SYS_readlinkat, AT_FDCWD, (long)link, (long)into, size - 1);
  if (length < 0) return "";
  into[length] = 0;
  if (rest[0] && rest[0] != '/') strncat(into, "/", size - length - 1);
  strncat(into, rest, size - strlen(into) - 1);
  return into;
}

static int watched(const char *path) {
  for (int at = 0; at < 4; at += 1) {
    size_t length = strlen(control->places[at]);
    if (length && !strncmp(path, control->places[at], length) && (path[length] == '/' || !path[length])) return 1;
  }
  return 0;
}

static int hit(int kind, const char *call, int fd, const char *path) {
  if (!control || control->mode == OFF || !(control->kinds & kind)) return 0;
  if (control->call[0] && strcmp(control->call, call)) return 0;
  int saved = errno;
  char buffer[1024];
  const char *resolved = kind == CONNECTS ? path : resolve(fd, path, buffer, sizeof buffer);
  if (kind != CONNECTS && !watched(resolved)) return errno = saved, 0;
  int nth = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
  int isHit = control->mode != COUNT && (nth == control->nth || (control->lasts && nth > control->nth));
  if (isHit) {
    if (!__atomic_fetch_add(&control->hits, 1, __ATOMIC_SEQ_CST))
      snprintf(control->shown, sizeof control->shown, "%s %.480s", call, resolved);
    if (control->mode == KILL) raw(SYS_kill, raw(SYS_getpid, 0, 0, 0, 0), SIGKILL, 0, 0);
  }
  errno = saved;
  return isHit;
}

static int fails(int kind, const char *call, int fd, const char *path) {
  if (!hit(kind, call, fd, path) || control->mode != FAIL) return 0;
  errno = control->error;
  return 1;
}

static size_t shortened(const char *call, int fd, size_t size, int *failed) {
  *failed = 0;
  if (!hit(WRITES, call, fd, 0)) return size;
  if (control->mode == FAIL) return errno = control->error, *failed = 1, size;
  return control->mode == SHORTEN && size > (size_t)control->length ? (size_t)control->length : size;
}

static int opens(int flags) { return flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC) ? WRITES : READS; }

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }
#define OPEN(name) \
  int name(const char *path, int flags, ...) { MODE(flags) REAL(name); \
    return fails(opens(flags), "open", -1, path) ? -1 : real(path, flags, mode); }
#define OPENAT(name) \
  int name(int fd, const char *path, int flags, ...) { MODE(flags) REAL(name); \
    return fails(opens(flags), "openat", fd, path) ? -1 : real(fd, path, flags, mode); }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

#define BY_PATH(kind, name, list, args) \
  int name list { REAL(name); return fails(kind, #name, -1, path) ? -1 : real args; }
#define BY_FD(kind, name, list, args) \
  int name list { REAL(name); return fails(kind, #name, fd, 0) ? -1 : real args; }
#define BY_BOTH(kind, name, list, args) \
  int name list { REAL(name); return fails(kind, #name, fd, path) ? -1 : real args; }
BY_PATH(WRITES, mkdir, (const char *path, mode_t mode), (path, mode))
BY_PATH(WRITES, rmdir, (const char *path), (path))
BY_PATH(WRITES, unlink, (const char *path), (path))
BY_PATH(WRITES, chmod, (const char *path, mode_t mode), (path, mode))
BY_PATH(WRITES, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
BY_PATH(WRITES, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
BY_PATH(WRITES, rename, (const char *path, const char *to), (path, to))
BY_PATH(WRITES, utimes, (const char *path, const struct timeval times[2]), (path, times))
BY_PATH(READS, access, (const char *path, int mode), (path, mode))
BY_BOTH(WRITES, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
BY_BOTH(WRITES, fchmodat, (int fd, const char *path, mode_t mode, int flags), (fd, path, mode, flags))
BY_BOTH(WRITES, utimensat, (int fd, const char *path, const struct timespec times[2], int flags), (fd, path, times, flags))
BY_FD(WRITES, fsync, (int fd), (fd))
BY_FD(WRITES, fdatasync, (int fd), (fd))
BY_FD(WRITES, fchmod, (int fd, mode_t mode), (fd, mode))
BY_FD(WRITES, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
BY_FD(WRITES, ftruncate64, (int fd, off64_t size), (fd, size))
BY_FD(WRITES, futimens, (int fd, const struct timespec times[2]), (fd, times))

int link(const char *from, const char *path) { REAL(link); return fails(WRITES, "link", -1, path) ? -1 : real(from, path); }
int symlink(const char *from, const char *path) { REAL(symlink); return fails(WRITES, "symlink", -1, path) ? -1 : real(from, path); }

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  int failed;
  size = shortened("write", fd, size, &failed);
  return failed ? -1 : real(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  REAL(pwrite64);
  int failed;
  size = shortened("pwrite64", fd, size, &failed);
  return failed ? -1 : real(fd, bytes, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  int failed;
  size_t first = count > 0 ? parts[0].iov_len : 0, size = shortened("writev", fd, first, &failed);
  if (failed) return -1;
  if (size == first) return real(fd, parts, count);
  struct iovec part = {parts[0].iov_base, size};
  return real(fd, &part, 1);
}

ssize_t read(int fd, void *into, size_t size) { REAL(read); return fails(READS, "read", fd, 0) ? -1 : real(fd, into, size); }
ssize_t pread64(int fd, void *into, size_t size, off64_t at) { REAL(pread64); return fails(READS, "pread64", fd, 0) ? -1 : real(fd, into, size, at); }
ssize_t readlink(const char *path, char *into, size_t size) { REAL(readlink); return fails(READS, "readlink", -1, path) ? -1 : real(path, into, size); }
int scandir64(const char *path, struct dirent64 ***list, int (*filter)(const struct dirent64 *),
              int (*compare)(const struct dirent64 **, const struct dirent64 **)) {
  REAL(scandir64);
  return fails(READS, "scandir", -1, path) ? -1 : real(path, list, filter, compare);
}
DIR *opendir(const char *path) { REAL(opendir); return fails(READS, "opendir", -1, path) ? 0 : real(path); }

/* What Node asks once statx was refused by EPERM, as by an old seccomp filter. */
int __xstat64(int version, const char *path, struct stat64 *into);
int __lxstat64(int version, const char *path, struct stat64 *into);
BY_PATH(READS, __xstat64, (int version, const char *path, struct stat64 *into), (version, path, into))
BY_PATH(READS, __lxstat64, (int version, const char *path, struct stat64 *into), (version, path, into))
int __xstat(int version, const char *path, struct stat *into);
int __lxstat(int version, const char *path, struct stat *into);
BY_PATH(READS, __xstat, (int version, const char *path, struct stat *into), (version, path, into))
BY_PATH(READS, __lxstat, (int version, const char *path, struct stat *into), (version, path, into))

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  REAL(connect);
  return fails(CONNECTS, "connect", -1, "") ? -1 : real(fd, address, length);
}

long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (!real) real = dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (int at = 0; at < 6; at += 1) a[at] = va_arg(list, long);
  va_end(list);
  if (number == SYS_statx && fails(READS, "statx", (int)a[0], (const char *)a[1])) return -1;
  if (number == SYS_renameat2 && fails(WRITES, "renameat2", (int)a[2], (const char *)a[3])) return -1;
  if (number == SYS_copy_file_range && fails(WRITES, "copy_file_range", (int)a[2], 0)) return -1;
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(clock_gettime);
  int result = real(clock, now);
  if (shift && clock == CLOCK_REALTIME) now->tv_sec += shift;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(now, zone);
  if (shift) now->tv_sec += shift;
  return result;
}

time_t time(time_t *into) {
  static time_t (*real)(time_t *);
  if (!real) real = dlsym(RTLD_NEXT, "time");
  time_t now = real(0) + shift;
  if (into) *into = now;
  return now;
}
