#include "bindings/awake.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int times = -1, states = -1;

void mp_awake_begin(void)
{
    if (times < 0)
        times = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (states < 0)
        states = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
}

static bool read_text(int file, char *text, size_t size)
{
    ssize_t length = file < 0 ? -1 : pread(file, text, size - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

struct mp_awake mp_awake(void)
{
    char text[64];
    long long ran_ns, delayed_ns;
    if (!read_text(times, text, sizeof text) ||
        sscanf(text, "%lld %lld", &ran_ns, &delayed_ns) != 2)
        return (struct mp_awake){.known = false};
    return (struct mp_awake){.ran_ns = ran_ns, .delayed_ns = delayed_ns, .known = true};
}

bool mp_awake_sleeps(void)
{
    char text[256]; // "123 (name) S ...", and a name may hold what it likes
    const char *name_end = read_text(states, text, sizeof text) ? strrchr(text, ')') : NULL;
    return name_end != NULL && (name_end[2] == 'S' || name_end[2] == 'D');
}
