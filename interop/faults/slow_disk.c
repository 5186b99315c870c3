/* A disk that is asked to wait: loaded before the C library, it lets no sync of a process begin while there is a file
 * of the name that STALLED_BY has. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int sync_when_allowed(const char *name, int fd) {
    const char *stalled_by = getenv("STALLED_BY");
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    while (stalled_by != NULL && access(stalled_by, F_OK) == 0)
        usleep(10 * 1000);
    return sync(fd);
}

int fsync(int fd) { return sync_when_allowed("fsync", fd); }

int fdatasync(int fd) { return sync_when_allowed("fdatasync", fd); }
