/* The run modes.  hb_run_execute() is straight-line code that pumps the link while it waits; when
 * a request ends the run, every wait returns false and the code unwinds. */
#include "hb_agent.h"
#include "hb_crc32.h"

#define OVERHEAD_WINDOWS 15u
#define DUMP_BYTES 256u /* of a tensor record */
#define HEAD_BYTES (HB_RECORD_BYTES + HB_RESULT_BYTES)

/* ------------------------------------------------------------------ waiting and records */

/* One turn of a wait loop; false when the run was ended. */
static bool turn(struct hb_agent *agent) {
    hb_agent_pump(agent, true);
    if (agent->activity != HB_RUNNING) return false;
    agent->port->idle();
    return true;
}

static bool wait_for_room(struct hb_agent *agent, uint32_t bytes) {
    while (hb_out_room(&agent->out) < bytes) {
        if (!turn(agent)) return false;
    }
    return agent->activity == HB_RUNNING;
}

static bool wait_for_vector(struct hb_agent *agent) {
    while (agent->in.expected - agent->in.consumed < agent->run.vector_bytes) {
        if (!turn(agent)) return false;
    }
    return agent->activity == HB_RUNNING;
}

/* Nothing moves on the line from here on: the out stream is acknowledged, the host has no credit
 * left, knows that a window opens, and the transmitter is idle. */
static bool fall_silent(struct hb_agent *agent) {
    while (agent->out.acked != agent->out.head) {
        if (!turn(agent)) return false;
    }
    if (agent->activity != HB_RUNNING) return false;
    hb_agent_send_credit(agent, HB_CREDIT_FLAG_WINDOW);
    hb_agent_drain_line(agent);
    return true;
}

/* A record's header and fixed part; wait_for_room() comes first. */
static void append_head(struct hb_agent *agent, uint8_t kind, const uint8_t *body, uint32_t bytes,
                        uint32_t bytes_to_follow) {
    const struct hb_record record = {.kind = kind, .body_bytes = bytes + bytes_to_follow};
    uint8_t head[HB_RECORD_BYTES];
    (void)hb_record_encode(head, &record);
    hb_out_append(&agent->out, head, HB_RECORD_BYTES);
    hb_out_append(&agent->out, body, bytes);
}

static void append_result(struct hb_agent *agent, const struct hb_result *result) {
    uint8_t body[HB_RESULT_BYTES];
    (void)hb_result_encode(body, result);
    append_head(agent, HB_RECORD_KIND_RESULT, body, sizeof body, agent->engine.output_bytes);
    for (uint32_t i = 0; i < agent->engine.header.output_count; i++) {
        const struct hb_span output = hb_engine_output(&agent->engine, i);
        hb_out_append(&agent->out, output.data, output.bytes);
    }
}

/* Every vector starts from the reset state, so that neither order nor repetition matters. */
static void load_inputs(struct hb_agent *agent) {
    uint32_t skip = 0;
    hb_engine_reset(&agent->engine);
    for (uint32_t i = 0; i < agent->engine.header.input_count; i++) {
        const struct hb_span input = hb_engine_input(&agent->engine, i);
        hb_in_copy(&agent->in, skip, input.data, input.bytes);
        skip += input.bytes;
    }
}

/* ------------------------------------------------------------------ windows */

static void invoke(void *context) {
    (void)hb_engine_invoke((const struct hb_engine *)context, NULL, NULL);
}

static void nothing(void *context) { (void)context; }

/* The overhead is the same window around nothing(): what is left is work() without its return. */
__attribute__((noinline)) static uint64_t window(const struct hb_port *port,
                                                 void (*work)(void *context), void *context,
                                                 uint32_t *interrupts) {
    port->window_begin();
    port->counter_start();
    work(context);
    const uint64_t ticks = port->counter_stop();
    *interrupts = port->window_end();
    return ticks;
}

static bool append_overhead(struct hb_agent *agent) {
    uint64_t sorted[OVERHEAD_WINDOWS];
    for (uint32_t i = 0; i < OVERHEAD_WINDOWS; i++) {
        uint32_t interrupts, at = i;
        const uint64_t ticks = window(agent->port, nothing, NULL, &interrupts);
        for (; at > 0u && sorted[at - 1u] > ticks; at--) sorted[at] = sorted[at - 1u];
        sorted[at] = ticks;
    }
    const struct hb_overhead overhead = {.ticks = sorted[OVERHEAD_WINDOWS / 2u]};
    uint8_t body[HB_OVERHEAD_BYTES];
    (void)hb_overhead_encode(body, &overhead);
    if (!wait_for_room(agent, HB_RECORD_BYTES + HB_OVERHEAD_BYTES)) return false;
    append_head(agent, HB_RECORD_KIND_OVERHEAD, body, sizeof body, 0);
    return true;
}

static uint16_t saturate16(uint32_t value) {
    return value > UINT16_MAX ? (uint16_t)UINT16_MAX : (uint16_t)value;
}

/* ------------------------------------------------------------------ modes */

/* Between operators: acknowledgements and credit flow during a long inference. */
static bool pump_hook(void *context, uint32_t layer, uint32_t op) {
    struct hb_agent *agent = context;
    (void)layer;
    (void)op;
    hb_agent_pump(agent, false);
    return agent->activity == HB_RUNNING;
}

static bool accuracy_vector(struct hb_agent *agent, uint32_t vector) {
    if (!wait_for_vector(agent)) return false;
    load_inputs(agent);
    agent->in.consumed += agent->run.vector_bytes;
    if (!hb_engine_invoke(&agent->engine, pump_hook, agent)) return false;
    if (!wait_for_room(agent, HEAD_BYTES + agent->engine.output_bytes)) return false;
    const struct hb_result result = {.vector = vector};
    append_result(agent, &result);
    return true;
}

/* The vector is done with: the host may send the next one. */
static void end_silence(struct hb_agent *agent) {
    agent->in.consumed += agent->run.vector_bytes;
    agent->in.grant += agent->run.vector_bytes;
}

/* Between two windows: whoever asks is answered, and `stop` is obeyed; nothing is sent otherwise. */
static bool look_up(struct hb_agent *agent) {
    hb_agent_receive(agent);
    hb_agent_drain_line(agent);
    return agent->activity == HB_RUNNING;
}

static bool timed_vector(struct hb_agent *agent, uint32_t vector) {
    const uint32_t record_bytes = HEAD_BYTES + agent->engine.output_bytes;
    if (!wait_for_vector(agent) || !fall_silent(agent)) return false;
    for (uint32_t i = 0; i < agent->run.warmup; i++) {
        load_inputs(agent);
        invoke(&agent->engine);
        if (!look_up(agent)) return false;
    }
    for (uint32_t repeat = 0; repeat < agent->run.repeat; repeat++) {
        if (hb_out_room(&agent->out) < record_bytes && !fall_silent(agent)) return false;
        uint32_t interrupts;
        load_inputs(agent);
        const uint64_t ticks = window(agent->port, invoke, &agent->engine, &interrupts);
        const struct hb_result result = {.vector = vector,
                                         .repeat = (uint16_t)repeat,
                                         .interrupts = saturate16(interrupts),
                                         .ticks = ticks};
        append_result(agent, &result);
        if (!look_up(agent)) return false;
    }
    end_silence(agent);
    return true;
}

struct layers_context {
    struct hb_agent *agent;
    uint32_t vector;
    uint32_t interrupts;
    uint64_t ticks;
};

/* Closes the window of a layer, which operator `op` ends, and opens that of the next. */
static bool layer_hook(void *context, uint32_t layer, uint32_t op) {
    struct layers_context *layers = context;
    struct hb_agent *agent = layers->agent;
    const uint64_t ticks = agent->port->counter_stop();
    layers->interrupts += agent->port->window_end();
    layers->ticks += ticks;
    const uint32_t bytes = HB_RECORD_BYTES + HB_LAYER_BYTES;
    if (hb_out_room(&agent->out) < bytes && !fall_silent(agent)) return false;
    const struct hb_span output = hb_engine_op_output(&agent->engine, op);
    const struct hb_layer record = {.vector = layers->vector,
                                   .op = (uint16_t)layer,
                                   .crc = hb_crc32(0, output.data, output.bytes),
                                   .ticks = ticks};
    uint8_t body[HB_LAYER_BYTES];
    (void)hb_layer_encode(body, &record);
    append_head(agent, HB_RECORD_KIND_LAYER, body, sizeof body, 0);
    agent->port->window_begin();
    agent->port->counter_start();
    return true;
}

static bool layers_vector(struct hb_agent *agent, uint32_t vector) {
    if (!wait_for_vector(agent) || !fall_silent(agent)) return false;
    load_inputs(agent);
    struct layers_context layers = {.agent = agent, .vector = vector};
    agent->port->window_begin();
    agent->port->counter_start();
    if (!hb_engine_invoke(&agent->engine, layer_hook, &layers)) return false;
    (void)agent->port->counter_stop();
    (void)agent->port->window_end();
    if (!wait_for_room(agent, HEAD_BYTES + agent->engine.output_bytes)) return false;
    const struct hb_result result = {
        .vector = vector, .interrupts = saturate16(layers.interrupts), .ticks = layers.ticks};
    append_result(agent, &result);
    end_silence(agent);
    return true;
}

struct dump_context {
    struct hb_agent *agent;
    uint32_t vector;
};

/* Sends the output of the layer asked for, in parts, before the next one may overwrite it. */
static bool dump_hook(void *context, uint32_t layer, uint32_t op) {
    const struct dump_context *dump = context;
    struct hb_agent *agent = dump->agent;
    if (layer != agent->run.repeat) return pump_hook(agent, layer, op);
    const struct hb_span output = hb_engine_op_output(&agent->engine, op);
    for (uint32_t offset = 0; offset < output.bytes; offset += DUMP_BYTES) {
        const uint32_t left = output.bytes - offset;
        const uint32_t bytes = left < DUMP_BYTES ? left : DUMP_BYTES;
        if (!wait_for_room(agent, HB_RECORD_BYTES + HB_TENSOR_BYTES + bytes)) return false;
        const struct hb_tensor tensor = {
            .vector = dump->vector, .op = (uint16_t)layer, .offset = offset};
        uint8_t body[HB_TENSOR_BYTES];
        (void)hb_tensor_encode(body, &tensor);
        append_head(agent, HB_RECORD_KIND_TENSOR, body, sizeof body, bytes);
        hb_out_append(&agent->out, output.data + offset, bytes);
    }
    return true;
}

static bool dump_vector(struct hb_agent *agent, uint32_t vector) {
    if (!wait_for_vector(agent)) return false;
    load_inputs(agent);
    agent->in.consumed += agent->run.vector_bytes;
    struct dump_context dump = {.agent = agent, .vector = vector};
    return hb_engine_invoke(&agent->engine, dump_hook, &dump);
}

static bool sink_all(struct hb_agent *agent) {
    while (agent->in.expected != agent->in.total) {
        if (!turn(agent)) return false;
    }
    return true;
}

static bool source_vector(struct hb_agent *agent, uint32_t vector) {
    uint8_t chunk[64];
    for (uint32_t offset = 0; offset < agent->run.vector_bytes;) {
        uint32_t bytes = 0;
        for (; bytes < sizeof chunk && offset < agent->run.vector_bytes; bytes++, offset++) {
            chunk[bytes] = (uint8_t)(vector + offset);
        }
        while (hb_out_room(&agent->out) < bytes) {
            hb_agent_pump(agent, false);
            if (agent->activity != HB_RUNNING) return false;
            if (hb_out_room(&agent->out) < bytes) agent->port->idle();
        }
        hb_out_append(&agent->out, chunk, bytes);
    }
    return true;
}

static bool run_vector(struct hb_agent *agent, uint32_t vector) {
    switch (agent->run.mode) {
    case HB_RUN_MODE_ACCURACY: return accuracy_vector(agent, vector);
    case HB_RUN_MODE_TIMED: return timed_vector(agent, vector);
    case HB_RUN_MODE_LAYERS: return layers_vector(agent, vector);
    case HB_RUN_MODE_SOURCE: return source_vector(agent, vector);
    case HB_RUN_MODE_DUMP: return dump_vector(agent, vector);
    default: return true;
    }
}

void hb_run_execute(struct hb_agent *agent) {
    const uint8_t mode = agent->run.mode;
    const bool windows = mode == HB_RUN_MODE_TIMED || mode == HB_RUN_MODE_LAYERS;
    if (windows && !append_overhead(agent)) return;
    if (mode == HB_RUN_MODE_SINK && !sink_all(agent)) return;
    for (uint32_t vector = 0; vector < agent->run.vector_count; vector++) {
        if (!run_vector(agent, vector)) return;
        if (mode == HB_RUN_MODE_SINK) continue;
        hb_agent_pump(agent, windows);
        if (agent->activity != HB_RUNNING) return;
    }
    if (!wait_for_room(agent, HB_RECORD_BYTES + HB_END_BYTES)) return;
    const struct hb_end end = {.status = HB_STATUS_OK,
                               .vectors = agent->run.vector_count,
                               .in_crc = mode == HB_RUN_MODE_SINK ? agent->in.crc : 0u};
    uint8_t body[HB_END_BYTES];
    (void)hb_end_encode(body, &end);
    append_head(agent, HB_RECORD_KIND_END, body, sizeof body, 0);
    agent->activity = HB_IDLE;
}

/* ------------------------------------------------------------------ start */

bool hb_counter_advances(const struct hb_port *port) {
    const uint32_t start = port->counter_read();
    for (uint32_t i = 0; i < 1000u; i++) {
        if (port->counter_read() != start) return true;
    }
    return false;
}

static enum hb_status check_inference(const struct hb_agent *agent, const struct hb_run *request,
                                      uint32_t *detail) {
    const struct hb_port *port = agent->port;
    if (!agent->image_ready) return HB_STATUS_BAD_STATE;
    if (request->vector_bytes != agent->engine.vector_bytes) {
        *detail = agent->engine.vector_bytes;
        return HB_STATUS_VECTOR_SIZE;
    }
    if (request->vector_bytes > port->vectors.bytes) {
        *detail = request->vector_bytes - port->vectors.bytes;
        return HB_STATUS_TOO_LARGE;
    }
    const uint64_t record_bytes = (uint64_t)HEAD_BYTES + agent->engine.output_bytes;
    if (record_bytes > port->out.bytes) {
        *detail = (uint32_t)(record_bytes - port->out.bytes);
        return HB_STATUS_TOO_LARGE;
    }
    if (request->mode == HB_RUN_MODE_DUMP) {
        return request->repeat < agent->engine.layer_count ? HB_STATUS_OK
                                                               : HB_STATUS_BAD_REQUEST;
    }
    if (request->mode != HB_RUN_MODE_ACCURACY &&
        port->identity.counter_kind != HB_COUNTER_KIND_NONE && !hb_counter_advances(port)) {
        return HB_STATUS_COUNTER_STUCK;
    }
    return HB_STATUS_OK;
}

enum hb_status hb_run_start(struct hb_agent *agent, const struct hb_run *request,
                            uint32_t *detail) {
    const uint64_t total = (uint64_t)request->vector_count * request->vector_bytes;
    if (request->mode < HB_RUN_MODE_ACCURACY || request->mode > HB_RUN_MODE_DUMP || total == 0u ||
        total > INT32_MAX || (request->mode == HB_RUN_MODE_TIMED && request->repeat == 0u)) {
        return HB_STATUS_BAD_REQUEST;
    }
    if (request->mode <= HB_RUN_MODE_LAYERS || request->mode == HB_RUN_MODE_DUMP) {
        const enum hb_status status = check_inference(agent, request, detail);
        if (status != HB_STATUS_OK) return status;
    }
    const struct hb_memory none = {0};
    const uint32_t bytes = (uint32_t)total;
    switch (request->mode) {
    case HB_RUN_MODE_ACCURACY:
    case HB_RUN_MODE_DUMP: hb_agent_open_in(agent, agent->port->vectors, bytes, bytes); break;
    case HB_RUN_MODE_TIMED:
    case HB_RUN_MODE_LAYERS:
        hb_agent_open_in(agent, agent->port->vectors, bytes, request->vector_bytes);
        break;
    case HB_RUN_MODE_SINK:
        hb_agent_open_in(agent, none, bytes, bytes);
        agent->in.keep_crc = true;
        break;
    default: hb_agent_open_in(agent, none, 0, 0); break;
    }
    agent->out.acked = agent->out.sent = agent->out.head = 0;
    agent->run = *request;
    agent->activity = HB_RUNNING;
    return HB_STATUS_OK;
}
