#include "engine/port_backend.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool mp_port_is_pts(const struct stat *device)
{
    // the range Linux gives to Unix98 pseudo-terminals (Documentation/admin-guide/devices.txt)
    unsigned number = major(device->st_rdev);
    return S_ISCHR(device->st_mode) && number >= 136 && number <= 143;
}

/* The process that holds an flock on the device, from /proc/locks; 0: none to be seen. */
static pid_t lock_holder(const struct stat *device)
{
    FILE *locks = fopen("/proc/locks", "re");
    if (locks == NULL)
        return 0;
    pid_t holder = 0;
    char line[160];
    while (holder == 0 && fgets(line, sizeof line, locks) != NULL) {
        char type[16];
        int pid;
        unsigned disk_major, disk_minor;
        unsigned long inode;
        // "1: FLOCK  ADVISORY  WRITE 812 00:18:3 0 EOF"; a waiter has "->" and does not parse
        if (sscanf(line, "%*d: %15s %*s %*s %d %x:%x:%lu", type, &pid, &disk_major, &disk_minor,
                   &inode) == 5 &&
            strcmp(type, "FLOCK") == 0 && pid > 0 && inode == device->st_ino &&
            disk_major == major(device->st_dev) && disk_minor == minor(device->st_dev))
            holder = pid;
    }
    (void)fclose(locks);
    return holder;
}

static bool process_has_open(const char *pid, const struct stat *device)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    DIR *fds = opendir(path);
    if (fds == NULL)
        return false; // gone meanwhile, or somebody else's
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(fds)) != NULL;) {
        struct stat open_file;
        found = isdigit((unsigned char)entry->d_name[0]) &&
                fstatat(dirfd(fds), entry->d_name, &open_file, 0) == 0 &&
                S_ISCHR(open_file.st_mode) && open_file.st_rdev == device->st_rdev;
    }
    (void)closedir(fds);
    return found;
}

/* Any process that has the device open, from /proc/PID/fd; 0: none to be seen. */
static pid_t open_holder(const struct stat *device)
{
    DIR *processes = opendir("/proc");
    if (processes == NULL)
        return 0;
    pid_t holder = 0;
    for (struct dirent *entry; holder == 0 && (entry = readdir(processes)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]) && process_has_open(entry->d_name, device))
            holder = (pid_t)strtol(entry->d_name, NULL, 10);
    (void)closedir(processes);
    return holder;
}

/*
 * The lock names its holder exactly. Having the device open counts only for real
 * ports: the far side of a pseudo-terminal always has the near side open.
 */
static pid_t find_holder(const struct stat *device)
{
    pid_t holder = lock_holder(device);
    if (holder == 0 && !mp_port_is_pts(device))
        holder = open_holder(device);
    return holder;
}

static enum mp_status busy(const char *path, pid_t holder, struct mp_error *err)
{
    if (holder == getpid())
        return mp_fail(err, MP_EBUSY, "\"%s\" is already open in this program", path);
    char comm_path[64];
    char program[32] = "";
    (void)snprintf(comm_path, sizeof comm_path, "/proc/%d/comm", (int)holder);
    FILE *comm = holder > 0 ? fopen(comm_path, "re") : NULL;
    if (comm != NULL) {
        if (fgets(program, sizeof program, comm) != NULL)
            program[strcspn(program, "\n")] = '\0';
        (void)fclose(comm);
    }
    if (program[0] == '\0')
        return mp_fail(
            err, MP_EBUSY,
            "\"%s\" is in use by another program: close that, or choose another port", path);
    return mp_fail(err, MP_EBUSY,
                   "\"%s\" is in use by %s (pid %d): close that, or choose another port", path,
                   program, (int)holder);
}

enum mp_status mp_port_check_free(const struct mp_port_target *target, struct mp_error *err)
{
    pid_t holder = find_holder(&target->device);
    return holder == 0 ? MP_OK : busy(target->path, holder, err);
}

enum mp_status mp_port_lock(int fd, const struct mp_port_target *target, struct mp_error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return MP_OK;
    if (errno == EWOULDBLOCK)
        return busy(target->path, find_holder(&target->device), err);
    return mp_fail_sys(err, MP_EIO, errno, "cannot lock \"%s\"", target->path);
}

static enum mp_status no_permission(const struct mp_port_target *target, int sys,
                                    struct mp_error *err)
{
    const mode_t group_may = S_IRGRP | S_IWGRP;
    const struct group *group = getgrgid(target->device.st_gid);
    if (group == NULL || (target->device.st_mode & group_may) != group_may)
        return mp_fail_sys(err, MP_EIO, sys,
                           "may not open \"%s\": only its owner may (give it to a group of "
                           "yours with a udev rule)",
                           target->path);
    return mp_fail_sys(err, MP_EIO, sys,
                       "may not open \"%s\": it belongs to the group %s (join it: sudo usermod "
                       "-aG %s $USER, then log in again)",
                       target->path, group->gr_name, group->gr_name);
}

enum mp_status mp_port_open_failure(const struct mp_port_target *target, int sys,
                                    struct mp_error *err)
{
    switch (sys) {
    case EBUSY: // another program's TIOCEXCL
        return busy(target->path, find_holder(&target->device), err);
    case EACCES:
    case EPERM:
        return no_permission(target, sys, err);
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENXIO:
    case ENODEV:
        return mp_fail(
            err, MP_EGONE,
            "no port \"%s\": plug the device in, then list ports with: moonpulse ports",
            target->path);
    case ENOTTY:
    case EINVAL:
        return mp_fail(err, MP_EUNSUPPORTED,
                       "\"%s\" is not a serial port: list ports with: moonpulse ports",
                       target->path);
    default:
        return mp_fail_sys(err, MP_EIO, sys, "cannot open \"%s\"", target->path);
    }
}
