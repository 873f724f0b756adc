/* The agent as a POSIX process: the line is a pseudo-terminal, the image slot a file.
 *
 *   agent-host [--pty-link PATH] [--image FILE]
 *
 * Prints "PORT <name>" and serves until it is killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "hb_agent.h"
#include "hb_meta.h"

enum {
    ARENA_BYTES = 4 << 20,
    VECTOR_BYTES = 1 << 18,
    OUT_BYTES = 1 << 16,
    UPLOAD_BYTES = 4 << 20,
    RX_BYTES = 16 << 10,
    IDLE_MS = 5,
};

static struct {
    int master;
    int self_port; /* kept open, so that the master does not hang up between two hosts */
    uint8_t *slot;
    char **arguments;
    const char *link;
} host;

static _Alignas(16) uint8_t arena[ARENA_BYTES];
static _Alignas(16) uint8_t vectors[VECTOR_BYTES];
static _Alignas(16) uint8_t out_ring[OUT_BYTES];
static _Alignas(16) uint8_t upload[UPLOAD_BYTES];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint32_t host_read(uint8_t *to, uint32_t room) {
    const ssize_t got = read(host.master, to, room);
    return got > 0 ? (uint32_t)got : 0u;
}

static void host_write(const uint8_t *from, uint32_t bytes) {
    while (bytes > 0u) {
        const ssize_t done = write(host.master, from, bytes);
        if (done > 0) {
            from += done;
            bytes -= (uint32_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd wait = {.fd = host.master, .events = POLLOUT};
            (void)poll(&wait, 1, IDLE_MS);
        } else {
            fail("write");
        }
    }
}

static bool host_tx_idle(void) { return true; }

static void host_link_set(uint32_t baud, uint8_t rx_mode) {
    (void)baud; /* a pseudo-terminal has no rate */
    (void)rx_mode;
}

static void host_idle(void) {
    struct pollfd wait = {.fd = host.master, .events = POLLIN};
    (void)poll(&wait, 1, IDLE_MS);
}

static uint32_t host_millis(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

static uint32_t zero(void) { return 0; }
static uint64_t no_ticks(void) { return 0; }
static void nothing(void) {}

static void host_reset(void) {
    /* The new process inherits the terminal, as a chip keeps its line through a reset. */
    char master[16], self_port[16];
    (void)snprintf(master, sizeof master, "%d", host.master);
    (void)snprintf(self_port, sizeof self_port, "%d", host.self_port);
    (void)setenv("HB_HOST_MASTER", master, 1);
    (void)setenv("HB_HOST_PORT", self_port, 1);
    (void)execv("/proc/self/exe", host.arguments);
    fail("execv");
}

static const struct hb_port port = {
    .identity =
        {
            .board = "host",
            .firmware_digest = hb_meta.firmware_digest,
            .reset_cause = HB_RESET_CAUSE_SOFTWARE,
            .counter_kind = HB_COUNTER_KIND_NONE,
            .baud = 115200,
            .max_baud = 921600,
            .rx_modes = HB_RX_MODE_IRQ | HB_RX_MODE_DMA,
            .rx_mode = HB_RX_MODE_IRQ,
            .rx_buffer_bytes = RX_BYTES,
        },
    .arena = {arena, sizeof arena},
    .vectors = {vectors, sizeof vectors},
    .out = {out_ring, sizeof out_ring},
    .upload = {upload, sizeof upload},
    .slot_bytes = 0,
    .read = host_read,
    .write = host_write,
    .tx_idle = host_tx_idle,
    .link_set = host_link_set,
    .overruns = zero,
    .line_errors = zero,
    .idle = host_idle,
    .millis = host_millis,
    .window_begin = nothing,
    .counter_start = nothing,
    .counter_stop = no_ticks,
    .window_end = zero,
    .counter_read = zero,
    .stack_used = zero,
    .stack_capacity = zero,
    .reset = host_reset,
};

static uint32_t load_slot(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    host.slot = aligned_alloc(16, UPLOAD_BYTES);
    if (host.slot == NULL) fail("slot");
    memset(host.slot, 0xFF, UPLOAD_BYTES); /* as erased flash reads */
    (void)fread(host.slot, 1, UPLOAD_BYTES, file);
    (void)fclose(file);
    return UPLOAD_BYTES;
}

static void open_terminal(void) {
    host.master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (host.master < 0 || grantpt(host.master) != 0 || unlockpt(host.master) != 0) fail("pty");
    host.self_port = open(ptsname(host.master), O_RDWR | O_NOCTTY);
    if (host.self_port < 0) fail("pty");
    struct termios raw;
    if (tcgetattr(host.self_port, &raw) != 0) fail("tcgetattr");
    cfmakeraw(&raw);
    if (tcsetattr(host.self_port, TCSANOW, &raw) != 0) fail("tcsetattr");
    if (host.link != NULL) {
        (void)unlink(host.link);
        if (symlink(ptsname(host.master), host.link) != 0) fail(host.link);
    }
    (void)printf("PORT %s\n", ptsname(host.master));
    (void)fflush(stdout);
}

static void adopt_terminal(void) {
    const char *master = getenv("HB_HOST_MASTER"), *self_port = getenv("HB_HOST_PORT");
    if (master == NULL || self_port == NULL) {
        open_terminal();
        return;
    }
    host.master = atoi(master);
    host.self_port = atoi(self_port);
}

int main(int count, char **arguments) {
    static struct hb_agent agent;
    static struct hb_port used;
    used = port;
    host.arguments = arguments;
    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--pty-link") == 0) {
            host.link = arguments[i + 1];
        } else if (strcmp(arguments[i], "--image") == 0) {
            used.slot_bytes = load_slot(arguments[i + 1]);
            used.slot = host.slot;
        } else {
            (void)fprintf(stderr, "usage: agent-host [--pty-link PATH] [--image FILE]\n");
            return 2;
        }
    }
    adopt_terminal();
    hb_agent_init(&agent, &used);
    for (;;) hb_agent_poll(&agent);
}
