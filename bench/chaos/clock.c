/* The wall clock of a process, off by the seconds that stand in the file CHAOS_CLOCK.

   Preloaded; only what says the time of day is off, as after an NTP step: what waits does not
   see it. (Debian's libfaketime 0.9.10 makes time.sleep of Python 3.11 fail.) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long looked_at = -1;
static long offset;

static int real(clockid_t id, struct timespec *at) { return syscall(SYS_clock_gettime, id, at); }

static long seconds_off(void) {
  struct timespec now;
  real(CLOCK_MONOTONIC, &now);
  long long tenth = now.tv_sec * 10LL + now.tv_nsec / 100000000;
  if (tenth == looked_at) return offset;
  looked_at = tenth;
  const char *path = getenv("CHAOS_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  char text[32] = "";
  if (file >= 0) {
    if (read(file, text, sizeof text - 1) > 0) offset = atol(text);
    close(file);
  }
  return offset;
}

int clock_gettime(clockid_t id, struct timespec *at) {
  int failed = real(id, at);
  if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += seconds_off();
  return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
