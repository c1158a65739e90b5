/* A wall clock that can be set for one program and its children: LD_PRELOAD of this, and in AURA_TEST_CLOCK a file with
   the seconds (int64) by which it is off. Only the time of day moves; waits and the monotonic clock are the system's.
   libfaketime 0.9.10 cannot do that: with it Python's time.sleep fails (EINVAL). */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *off;

__attribute__((constructor)) static void begin(void) {
    const char *place = getenv("AURA_TEST_CLOCK");
    int file = place ? open(place, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *off, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED) off = found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && off && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *off;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec read;
    (void)zone;
    int failed = clock_gettime(CLOCK_REALTIME, &read);
    if (!failed) *now = (struct timeval){read.tv_sec, read.tv_nsec / 1000};
    return failed;
}

time_t time(time_t *into) {
    struct timespec read;
    if (clock_gettime(CLOCK_REALTIME, &read)) return -1;
    if (into) *into = read.tv_sec;
    return read.tv_sec;
}
