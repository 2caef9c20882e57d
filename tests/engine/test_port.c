/* Ports and pseudo-terminals, through real pairs made with mp_pty_open. */
#include "engine/port.h"
#include "engine/pty.h"
#include "tests/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct mp_serial plain = {.baud = 9600, .bits = 8, .stop_bits = 1};
static const int patience_ms = 10000;
static char folder[] = "/tmp/test_port.XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool wait_readable(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLIN};
    return poll(&state, 1, patience_ms) == 1;
}

static size_t read_port(struct mp_port *port, unsigned char *buffer, size_t len)
{
    size_t have = 0, got = 0;
    while (have < len && wait_readable(mp_port_fd(port)) &&
           mp_port_read(port, buffer + have, len - have, &got, NULL) == MP_OK)
        have += got;
    return have;
}

static size_t read_pty(struct mp_pty *pty, unsigned char *buffer, size_t len)
{
    size_t have = 0, got = 0;
    int64_t at;
    while (have < len && wait_readable(mp_pty_fd(pty)) &&
           mp_pty_read(pty, buffer + have, len - have, &got, &at, NULL) == MP_OK)
        have += got;
    return have;
}

static struct mp_pty *make_pty(const char *link)
{
    struct mp_pty *pty = NULL;
    struct mp_error err = {0};
    CHECK_INT(mp_pty_open(&pty, link, &err), MP_OK);
    CHECK_STR(err.text, "");
    if (pty == NULL)
        exit(1); // every test needs one
    return pty;
}

static struct mp_port *open_port(const char *path)
{
    struct mp_port *port = NULL;
    struct mp_error err = {0};
    CHECK_INT(mp_port_open(&port, path, &plain, &err), MP_OK);
    CHECK_STR(err.text, "");
    if (port == NULL)
        exit(1);
    return port;
}

/* Expect a refusal that leaves the out-parameter alone. */
static struct mp_error refused(const char *path, const struct mp_serial *serial,
                               enum mp_status expected)
{
    struct mp_port *const untouched = (struct mp_port *)folder;
    struct mp_port *port = untouched;
    struct mp_error err = {0};
    CHECK_INT(mp_port_open(&port, path, serial, &err), expected);
    CHECK_INT(err.status, expected);
    CHECK(port == untouched);
    CHECK_INT(mp_port_open(&port, path, serial, NULL), expected);
    return err;
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *fds = opendir("/proc/self/fd");
    while (fds != NULL && readdir(fds) != NULL)
        count++;
    if (fds != NULL)
        (void)closedir(fds);
    return count;
}

static void test_wire_time(void)
{
    static const struct {
        struct mp_serial serial;
        size_t len;
        int64_t ns;
    } rows[] = {
        {{9600, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, 3, 3125000},
        {{9600, 7, 1, MP_PARITY_EVEN, MP_FLOW_NONE}, 3, 3125000},
        {{9600, 8, 1, MP_PARITY_ODD, MP_FLOW_NONE}, 3, 3437500},
        {{9600, 8, 2, MP_PARITY_NONE, MP_FLOW_NONE}, 3, 3437500},
        {{9600, 8, 2, MP_PARITY_ODD, MP_FLOW_NONE}, 3, 3750000},
        {{9600, 7, 1, MP_PARITY_NONE, MP_FLOW_NONE}, 1, 937500},
        {{38400, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, 8, 2083334}, // 2083333.3 rounded up
        {{12000000, 8, 1, MP_PARITY_NONE, MP_FLOW_RTSCTS}, 1, 834},
        {{9600, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, 0, 0},
        {{0, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, 100, 0},
        {{1, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, 900000000, INT64_C(9000000000000000000)},
        {{1, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, 1000000000, INT64_MAX},
        {{UINT32_MAX, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, SIZE_MAX, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(mp_serial_wire_ns(&rows[i].serial, rows[i].len), rows[i].ns);
}

static void test_every_byte_passes_both_ways(void)
{
    struct mp_pty *pty = make_pty(NULL);
    struct mp_port *port = open_port(mp_pty_path(pty));
    unsigned char sent[256], back[256] = {0};
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (unsigned char)i;
    size_t n = 0;

    CHECK_INT(mp_port_write(port, sent, sizeof sent, &n, NULL), MP_OK);
    CHECK_INT(n, sizeof sent);
    CHECK_INT(read_pty(pty, back, sizeof back), sizeof back);
    CHECK(memcmp(sent, back, sizeof sent) == 0);

    memset(back, 0, sizeof back);
    CHECK_INT(mp_pty_write(pty, sent, sizeof sent, &n, NULL), MP_OK);
    CHECK_INT(n, sizeof sent);
    CHECK_INT(read_port(port, back, sizeof back), sizeof back);
    CHECK(memcmp(sent, back, sizeof sent) == 0);

    int64_t at = 0;
    n = 99;
    CHECK_INT(mp_pty_read(pty, back, sizeof back, &n, &at, NULL), MP_OK); // no echo
    CHECK_INT(n, 0);
    n = 99;
    CHECK_INT(mp_port_read(port, back, sizeof back, &n, NULL), MP_OK);
    CHECK_INT(n, 0);
    n = 99;
    CHECK_INT(mp_port_read(port, back, 0, &n, NULL), MP_OK); // no room is no hang-up
    CHECK_INT(n, 0);
    n = 99;
    CHECK_INT(mp_port_write(port, back, 0, &n, NULL), MP_OK);
    CHECK_INT(n, 0);
    mp_port_close(port);
    mp_pty_close(pty);
}

static void test_what_an_open_port_says_of_itself(void)
{
    struct mp_pty *pty = make_pty(in_folder("near"));
    struct mp_port *port = open_port(in_folder("near"));
    CHECK_INT(mp_port_kind(port), MP_PORT_PTY);
    CHECK_STR(mp_port_path(port), in_folder("near")); // as given, not as resolved
    CHECK((fcntl(mp_port_fd(port), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(mp_port_fd(port), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(mp_pty_fd(pty), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(mp_pty_fd(pty), F_GETFD) & FD_CLOEXEC) != 0);
    struct mp_error err = {0};
    CHECK_INT(mp_port_set_lines(port, true, false, &err), MP_EUNSUPPORTED);
    CHECK_HAS(err.text, "pseudo-terminal");
    mp_port_close(port);
    mp_port_close(NULL);
    mp_pty_close(pty);
    mp_pty_close(NULL);
}

static void test_opening_flushes_old_input(void)
{
    struct mp_pty *pty = make_pty(NULL);
    int near = open(mp_pty_path(pty), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    size_t n = 0;
    CHECK_INT(mp_pty_write(pty, "stale", 5, &n, NULL), MP_OK);
    CHECK(wait_readable(near)); // it has crossed
    struct mp_port *port = open_port(mp_pty_path(pty));
    CHECK_INT(mp_pty_write(pty, "fresh", 5, &n, NULL), MP_OK);
    unsigned char buffer[6] = {0};
    CHECK_INT(read_port(port, buffer, 5), 5);
    CHECK_STR((char *)buffer, "fresh");
    mp_port_close(port);
    (void)close(near);
    mp_pty_close(pty);
}

static void test_a_full_buffer_is_no_failure(void)
{
    struct mp_pty *pty = make_pty(NULL);
    struct mp_port *port = open_port(mp_pty_path(pty));
    static unsigned char block[4096], sink[4096];
    enum mp_status status = MP_OK;
    size_t total = 0, n = 1;
    for (; status == MP_OK && n > 0 && total < (size_t)64 << 20; total += n)
        status = mp_port_write(port, block, sizeof block, &n, NULL);
    CHECK_INT(status, MP_OK);
    CHECK_INT(n, 0);
    CHECK(total > 0);
    size_t drained = 0, got = 1;
    while (drained < total && got > 0) {
        size_t rest = total - drained;
        got = read_pty(pty, sink, rest < sizeof sink ? rest : sizeof sink);
        drained += got;
    }
    CHECK_INT(drained, total); // every byte that was counted did arrive
    CHECK_INT(mp_port_write(port, block, 8, &n, NULL), MP_OK);
    CHECK_INT(n, 8);

    n = 1;
    for (total = 0; status == MP_OK && n > 0 && total < (size_t)64 << 20; total += n)
        status = mp_pty_write(pty, block, sizeof block, &n, NULL);
    CHECK_INT(status, MP_OK);
    CHECK_INT(n, 0);
    mp_port_close(port);
    mp_pty_close(pty);
}

static void test_a_gone_far_side_is_told(void)
{
    struct mp_pty *pty = make_pty(NULL);
    struct mp_port *port = open_port(mp_pty_path(pty));
    mp_pty_close(pty);
    CHECK(wait_readable(mp_port_fd(port)));
    unsigned char byte;
    size_t n = 99;
    struct mp_error err = {0};
    CHECK_INT(mp_port_read(port, &byte, 1, &n, &err), MP_EGONE);
    CHECK_HAS(err.text, "is gone");
    CHECK_INT(n, 99);
    err = (struct mp_error){0};
    CHECK_INT(mp_port_write(port, "x", 1, &n, &err), MP_EGONE);
    CHECK_HAS(err.text, "is gone");
    CHECK_INT(n, 99);
    CHECK_INT(mp_port_read(port, &byte, 1, &n, NULL), MP_EGONE); // and again
    mp_port_close(port);
}

static void test_one_program_opens_a_port_once(void)
{
    struct mp_pty *pty = make_pty(in_folder("once"));
    struct mp_port *port = open_port(mp_pty_path(pty));
    CHECK_HAS(refused(in_folder("once"), &plain, MP_EBUSY).text,
              "already open in this program");
    size_t n = 0;
    CHECK_INT(mp_port_write(port, "still", 5, &n, NULL), MP_OK); // the refusal broke nothing
    unsigned char buffer[5];
    CHECK_INT(read_pty(pty, buffer, 5), 5);
    int shared = dup(mp_port_fd(port)); // as in a forked guard
    mp_port_close(port);
    mp_port_close(open_port(mp_pty_path(pty)));
    (void)close(shared);
    mp_pty_close(pty);
}

/* Fork a child that holds the port until it is killed; returns when it does. */
static pid_t fork_holder(const char *path)
{
    int ready[2];
    if (pipe(ready) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        struct mp_port *port = NULL;
        char ok = mp_port_open(&port, path, &plain, NULL) == MP_OK ? 'y' : 'n';
        (void)!write(ready[1], &ok, 1);
        for (;;)
            (void)pause();
    }
    char ok = 'n';
    CHECK_INT(read(ready[0], &ok, 1), 1);
    CHECK_INT(ok, 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

static void test_the_holder_is_named(void)
{
    struct mp_pty *pty = make_pty(NULL);
    pid_t child = fork_holder(mp_pty_path(pty));
    struct mp_error err = refused(mp_pty_path(pty), &plain, MP_EBUSY);
    char expected[32];
    (void)snprintf(expected, sizeof expected, "(pid %d)", (int)child);
    CHECK_HAS(err.text, expected);
    CHECK_HAS(err.text, mp_pty_path(pty));
    char comm[32] = "";
    FILE *own = fopen("/proc/self/comm", "re");
    if (own != NULL && fgets(comm, sizeof comm, own) != NULL)
        comm[strcspn(comm, "\n")] = '\0';
    if (own != NULL)
        (void)fclose(own);
    CHECK(comm[0] != '\0');
    CHECK_HAS(err.text, comm);

    (void)kill(child, SIGKILL); // a killed holder leaves the port free
    (void)waitpid(child, NULL, 0);
    mp_port_close(open_port(mp_pty_path(pty)));
    mp_pty_close(pty);
}

/* Try to open in a child without root's privileges; its error comes back. */
static struct mp_error refused_unprivileged(const char *path)
{
    struct mp_error err = {0};
    int answer[2];
    if (pipe(answer) != 0)
        return err;
    pid_t child = fork();
    if (child == 0) {
        struct mp_port *port = NULL;
        bool dropped = geteuid() != 0 ||
                       (setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
        if (dropped)
            (void)mp_port_open(&port, path, &plain, &err);
        (void)!write(answer[1], &err, sizeof err);
        _exit(0);
    }
    CHECK_INT(read(answer[0], &err, sizeof err), sizeof err);
    (void)waitpid(child, NULL, 0);
    (void)close(answer[0]);
    (void)close(answer[1]);
    return err;
}

static void test_a_user_without_permission_is_told_the_group(void)
{
    struct mp_pty *pty = make_pty(NULL);
    // neither its owner (by the mode) nor anybody outside the group (root: the child is nobody)
    CHECK_INT(chmod(mp_pty_path(pty), 0060), 0);
    struct stat found;
    CHECK_INT(stat(mp_pty_path(pty), &found), 0);
    const struct group *group = getgrgid(found.st_gid);
    struct mp_error err = refused_unprivileged(mp_pty_path(pty));
    CHECK_INT(err.status, MP_EIO);
    CHECK_INT(err.sys, EACCES);
    char remedy[96];
    (void)snprintf(remedy, sizeof remedy, "sudo usermod -aG %s $USER",
                   group != NULL ? group->gr_name : "?");
    CHECK_HAS(err.text, remedy);
    CHECK_HAS(err.text, "log in again");

    CHECK_INT(chmod(mp_pty_path(pty), 0), 0); // joining the group would not help
    err = refused_unprivileged(mp_pty_path(pty));
    CHECK_INT(err.sys, EACCES);
    CHECK_HAS(err.text, "only its owner may");
    CHECK(strstr(err.text, "usermod") == NULL);

    CHECK_INT(chmod(mp_pty_path(pty), 0666), 0);
    int near = open(mp_pty_path(pty), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_INT(ioctl(near, TIOCEXCL), 0); // a foreign program that knows no flock
    err = refused_unprivileged(mp_pty_path(pty));
    CHECK_INT(err.status, MP_EBUSY);
    CHECK_HAS(err.text, "in use by another program");
    (void)close(near);
    mp_pty_close(pty);
}

static void test_what_is_no_port_is_refused(void)
{
    struct mp_error err = refused("/dev/no-such-port", &plain, MP_EGONE);
    CHECK_STR(err.text, "no port \"/dev/no-such-port\": plug the device in, then list ports "
                        "with: moonpulse ports");
    CHECK_HAS(refused("", &plain, MP_EGONE).text, "no port \"\"");
    CHECK_HAS(refused("/dev/null/x", &plain, MP_EGONE).text, "no port");
    CHECK_HAS(refused("/dev/null", &plain, MP_EUNSUPPORTED).text, "not a serial port");
    CHECK_HAS(refused(folder, &plain, MP_EUNSUPPORTED).text, "not a serial port");
    const char *dangling = in_folder("dangling");
    CHECK_INT(symlink("/dev/pts/999999", dangling), 0);
    CHECK_HAS(refused(dangling, &plain, MP_EGONE).text, "dangling");
    CHECK_INT(unlink(dangling), 0);
}

static void test_senseless_settings_are_refused(void)
{
    struct mp_pty *pty = make_pty(NULL);
    static const struct {
        struct mp_serial serial;
        const char *phrase;
    } rows[] = {
        {{0, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, "0 baud"},
        {{UINT32_MAX, 8, 1, MP_PARITY_NONE, MP_FLOW_NONE}, "4294967295 baud"},
        {{9600, 6, 1, MP_PARITY_NONE, MP_FLOW_NONE}, "6 data bits"},
        {{9600, 9, 1, MP_PARITY_NONE, MP_FLOW_NONE}, "9 data bits"},
        {{9600, 8, 0, MP_PARITY_NONE, MP_FLOW_NONE}, "0 stop bits"},
        {{9600, 8, 3, MP_PARITY_NONE, MP_FLOW_NONE}, "3 stop bits"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_HAS(refused(mp_pty_path(pty), &rows[i].serial, MP_EINVAL).text, rows[i].phrase);
    struct mp_serial odd = {12000000, 7, 2, MP_PARITY_ODD, MP_FLOW_RTSCTS};
    struct mp_port *port = NULL;
    CHECK_INT(mp_port_open(&port, mp_pty_path(pty), &odd, NULL), MP_OK); // no wire: taken
    mp_port_close(port);
    mp_pty_close(pty);
}

static void count_port(void *context, const struct mp_port_info *info)
{
    CHECK(strncmp(info->path, "/dev/", 5) == 0);
    CHECK((info->usb_vendor == -1) == (info->usb_product == -1));
    (*(int *)context)++;
}

static void test_listing(void)
{
    struct mp_pty *pty = make_pty(NULL);
    int count = 0;
    struct mp_error err = {0};
    enum mp_status status = mp_port_list(count_port, &count, &err);
    // a machine without /sys/class/tty cannot list, and must say so
    CHECK(status == MP_OK || (status == MP_EIO && strstr(err.text, "cannot list") != NULL));
    mp_pty_close(pty);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int descriptors = count_descriptors();
    test_wire_time();
    test_every_byte_passes_both_ways();
    test_what_an_open_port_says_of_itself();
    test_opening_flushes_old_input();
    test_a_full_buffer_is_no_failure();
    test_a_gone_far_side_is_told();
    test_one_program_opens_a_port_once();
    test_the_holder_is_named();
    test_a_user_without_permission_is_told_the_group();
    test_what_is_no_port_is_refused();
    test_senseless_settings_are_refused();
    test_listing();
    CHECK_INT(count_descriptors(), descriptors); // nothing stays open, refused or not
    CHECK_INT(rmdir(folder), 0);                 // no link stays behind
    return CHECK_DONE("test_port");
}
