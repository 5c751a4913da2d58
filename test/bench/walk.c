/*
 * The limit: walks a tree with so many threads and reads every byte of every cache, and does nothing with them.
 * Usage: walk DIRECTORY [THREADS]. Linux.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CACHE ".mediabox_cache.json"

struct name {
  unsigned long inode;
  long offset;
  unsigned short length;
  unsigned char type;
  char text[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static char **pending;
static long pending_count, pending_room, waiting, threads = 1, is_done;
static long directories, files, caches, bytes;

static void push(char *path) {
  pthread_mutex_lock(&lock);
  if (pending_count == pending_room) pending = realloc(pending, (pending_room = pending_room * 2 + 1024) * sizeof *pending);
  pending[pending_count++] = path;
  pthread_cond_signal(&more);
  pthread_mutex_unlock(&lock);
}

static char *pop(void) {
  pthread_mutex_lock(&lock);
  while (!pending_count && !is_done) {
    if (++waiting == threads) {
      is_done = 1;
      pthread_cond_broadcast(&more);
      break;
    }
    pthread_cond_wait(&more, &lock);
    waiting--;
  }
  char *path = pending_count ? pending[--pending_count] : NULL;
  pthread_mutex_unlock(&lock);
  return path;
}

static long read_cache(int directory, char **buffer, size_t *room) {
  int file = openat(directory, CACHE, O_RDONLY | O_CLOEXEC);
  struct stat seen;
  if (file < 0 || fstat(file, &seen)) return 0;
  if ((size_t)seen.st_size > *room) *buffer = realloc(*buffer, *room = seen.st_size);
  long all = 0, some;
  while ((some = read(file, *buffer, *room)) > 0) all += some;
  close(file);
  return all;
}

static void *work(void *unused) {
  size_t room = 1 << 20;
  char *names = malloc(1 << 16), *buffer = malloc(room), *path;
  long my_directories = 0, my_files = 0, my_caches = 0, my_bytes = 0, length;
  while ((path = pop())) {
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
      free(path);
      continue;
    }
    my_directories++;
    int has_cache = 0;
    while ((length = syscall(SYS_getdents64, directory, names, 1 << 16)) > 0) {
      struct name *name;
      for (long at = 0; at < length; at += name->length) {
        name = (void *)(names + at);
        if (!strcmp(name->text, ".") || !strcmp(name->text, "..")) continue;
        if (name->type == DT_DIR) {
          char *below;
          if (asprintf(&below, "%s/%s", path, name->text) > 0) push(below);
          continue;
        }
        my_files++;
        if (!strcmp(name->text, CACHE)) has_cache = 1;
      }
    }
    if (has_cache) {
      my_caches++;
      my_bytes += read_cache(directory, &buffer, &room);
    }
    close(directory);
    free(path);
  }
  pthread_mutex_lock(&lock);
  directories += my_directories;
  files += my_files;
  caches += my_caches;
  bytes += my_bytes;
  pthread_mutex_unlock(&lock);
  return unused;
}

/* Not getrusage: that begins with what the parent had. */
static void print_peak(void) {
  char line[256];
  long kilobytes;
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1) fprintf(stderr, "PEAK %ld\n", kilobytes);
}

int main(int count, char **words) {
  if (count < 2) return 2;
  if (count > 2) threads = atol(words[2]);
  push(strdup(words[1]));
  pthread_t thread[64];
  for (long number = 0; number < threads; number++) pthread_create(&thread[number], NULL, work, NULL);
  for (long number = 0; number < threads; number++) pthread_join(thread[number], NULL);
  printf("{\"directories\": %ld, \"files\": %ld, \"caches\": %ld, \"bytes\": %ld}\n", directories, files, caches, bytes);
  print_peak();
  return 0;
}
