#include "tests/bench/play.h"

#include "tests/bench/bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

struct playing {
    struct play *play;
    struct mp_dispatcher *dispatcher;
    uv_async_t outcome;
    uint64_t last_number;
};

static void wake(void *context)
{
    (void)uv_async_send(context);
}

static void note_pulse(struct playing *playing, const struct mp_outcome *out)
{
    struct play *play = playing->play;
    uint64_t number = out->send.number;
    if (number != playing->last_number + 1 || number > play->shape.pulses)
        play->out_of_order++;
    playing->last_number = number;
    if (number < 1 || number > play->shape.pulses)
        return;
    struct played *pulse = &play->pulses[number - 1];
    *pulse = (struct played){.reported = true,
                             .sent = out->kind == MP_OUT_SENT,
                             .due_ns = out->start_ns + out->send.send_ns,
                             .entered_ns = out->entered_ns,
                             .returned_ns = out->returned_ns};
    if (pulse->sent)
        play->sent++;
    else
        play->skipped++;
}

/* Take all outcomes that are there; true when the plan is over. */
static bool drain(struct playing *playing)
{
    struct play *play = playing->play;
    struct mp_outcome out;
    while (mp_dispatcher_outcome(playing->dispatcher, &out)) {
        if (out.kind == MP_OUT_SENT || out.kind == MP_OUT_SKIPPED) {
            note_pulse(playing, &out);
        } else if (out.kind == MP_OUT_FINISHED) {
            play->finished = true;
            play->ended_ns = mp_clock_ns();
        } else if (out.kind == MP_OUT_STOPPED) {
            play->stop = out.stop;
            play->safe_sent = out.safe_sent;
            play->stopped_ns = out.entered_ns;
        }
    }
    return play->finished || play->stop != MP_STOP_NONE;
}

static void on_outcome(uv_async_t *async)
{
    struct playing *playing = async->data;
    if (drain(playing))
        uv_stop(async->loop);
}

/* Threads of this process, or the processor time of those that are not in list. */
static size_t list_threads(pid_t *list, size_t capacity)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    while (tasks != NULL && count < capacity && (entry = readdir(tasks)) != NULL)
        if (entry->d_name[0] != '.')
            list[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    if (tasks != NULL)
        (void)closedir(tasks);
    return count;
}

static int64_t thread_cpu_ns(pid_t thread)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)thread);
    FILE *file = fopen(path, "re");
    long long run_ns = -1;
    if (file != NULL && fscanf(file, "%lld", &run_ns) != 1)
        run_ns = -1;
    if (file != NULL)
        (void)fclose(file);
    return run_ns;
}

/* The one thread that is in now but not in before. */
static pid_t new_thread(const pid_t *before, size_t before_count)
{
    pid_t now[64];
    size_t count = list_threads(now, 64);
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < before_count; k++)
            known = known || now[i] == before[k];
        if (!known)
            return now[i];
    }
    return 0;
}

struct play *play_prepare(const struct shape *shape)
{
    struct play *play = bench_shared(sizeof *play);
    play->shape = *shape;
    play->pulses = bench_shared(shape->pulses * sizeof *play->pulses);
    return play;
}

static struct mp_flight *record_into(const char *path, uint64_t pulses)
{
    struct mp_error err = {0};
    struct mp_flight *flight = NULL;
    if (path != NULL) {
        bench_must(mp_flight_create(&flight, path, pulses + 16, &err), &err);
        mp_flight_touch(flight);
    }
    return flight;
}

void play_run(struct play *play)
{
    struct mp_error err = {0};
    struct mp_port *port = NULL;
    struct playing playing = {.play = play};
    pid_t before[64];
    uv_loop_t loop;
    bench_must_sys(uv_loop_init(&loop) == 0, "uv_loop_init");
    bench_must_sys(uv_async_init(&loop, &playing.outcome, on_outcome) == 0, "uv_async_init");
    playing.outcome.data = &playing;
    bench_must(mp_port_adopt(&port, play->near_fd, "socketpair", &err), &err);
    struct mp_lowering *lowering = shape_lower(&play->shape);
    struct mp_flight *flight = record_into(play->flight, play->shape.pulses);
    struct mp_dispatch_config config = {.port = port,
                                        .serial = shape_serial,
                                        .arming = {.safe = shape_safe,
                                                   .safe_length = sizeof shape_safe,
                                                   .tolerance_ns = play->shape.tolerance_ns,
                                                   .late = play->late,
                                                   .flight = flight},
                                        .wake = wake,
                                        .context = &playing.outcome};
    size_t before_count = list_threads(before, 64);
    bench_must(mp_dispatcher_create(&playing.dispatcher, &config, &err), &err);
    play->realtime = *mp_dispatcher_realtime(playing.dispatcher);
    pid_t thread = new_thread(before, before_count);
    play->start_ns = mp_clock_ns() + play->lead_in_ns;
    bench_must(mp_dispatcher_play(playing.dispatcher, lowering, play->start_ns, &err), &err);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    play->cpu_ns = play->finished ? thread_cpu_ns(thread) : -1;
    mp_dispatcher_join(playing.dispatcher, MP_STOP_FINISHED);
    (void)drain(&playing);
    mp_dispatcher_destroy(playing.dispatcher);
    mp_lowering_destroy(lowering);
    mp_flight_close(flight, NULL);
    mp_port_close(port); // the witness sees the end
    uv_close((uv_handle_t *)&playing.outcome, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
}

uint64_t play_close(const struct play *play)
{
    const struct played *previous = NULL;
    uint64_t close = 0;
    for (uint64_t i = 0; i < play->shape.pulses; i++) {
        const struct played *pulse = &play->pulses[i];
        if (!pulse->sent)
            continue;
        if (previous != NULL &&
            pulse->entered_ns - previous->returned_ns < play->shape.least_ns)
            close++;
        previous = pulse;
    }
    return close;
}

static const char *compare(const struct play *play, const struct witness *witness)
{
    size_t arrived = 0;
    for (uint64_t i = 0; i < play->shape.pulses; i++) {
        const struct played *pulse = &play->pulses[i];
        uint8_t expected[FRAME_BYTES];
        if (!pulse->reported && play->finished)
            return "a pulse of the plan was not reported";
        if (!pulse->sent)
            continue;
        shape_frame(&play->shape, i + 1, expected);
        if (memcmp(witness->frames[arrived], expected, FRAME_BYTES) != 0)
            return "other bytes arrived than were planned";
        if (witness->at_ns[arrived] < pulse->entered_ns)
            return "a frame arrived before the engine says that it sent it";
        if (pulse->entered_ns < pulse->due_ns)
            return "a frame left before its time";
        arrived++;
    }
    bool safe = memcmp(witness->frames[arrived], shape_safe, FRAME_BYTES) == 0;
    return safe ? NULL : "the safe frame did not arrive last";
}

const char *play_void(const struct play *play, const struct witness *witness)
{
    if (play->out_of_order != 0)
        return "outcomes came out of order";
    if (!play->safe_sent)
        return "the safe frame was not sent";
    if (witness->overflow || witness->cut != 0 || witness->count != play->sent + 1)
        return "the count of frames that arrived is not the count that was sent";
    if (play_close(play) != 0)
        return "two pulses were closer than the declared minimum";
    return compare(play, witness);
}
