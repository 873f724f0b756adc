/* Requests and their replies. */
#include <string.h>

#include "hb_agent.h"

#define MIN_BAUD 1200u
#define NO_TEMPERATURE INT32_MIN

static void reply_now(struct hb_agent *agent, const struct hb_frame *request, size_t bytes) {
    const size_t wire =
        hb_frame_seal(&agent->writer, (uint8_t)(request->type | 0x80u), request->seq, bytes);
    agent->port->write(agent->writer.wire, (uint32_t)wire);
}

static void reply(struct hb_agent *agent, const struct hb_frame *request, size_t bytes) {
    struct hb_reply_cache *cache = &agent->cache;
    cache->valid = true;
    cache->seq = request->seq;
    cache->request = request->type;
    cache->bytes = (uint8_t)bytes; /* replies are smaller than the cache, checked below */
    memcpy(cache->payload, hb_frame_payload(&agent->writer), bytes);
    reply_now(agent, request, bytes);
}

_Static_assert(HB_COUNTERS_REPLY_BYTES <= HB_REPLY_CACHE_BYTES, "largest cached reply");
_Static_assert(HB_IMAGE_LOAD_REPLY_BYTES <= HB_REPLY_CACHE_BYTES, "largest cached reply");

#define REPLY(agent, request, name, ...)                                                           \
    do {                                                                                           \
        const struct hb_##name message = {__VA_ARGS__};                                            \
        reply(agent, request, hb_##name##_encode(hb_frame_payload(&(agent)->writer), &message));   \
    } while (0)

static void copy_text(char *to, size_t bytes, const char *from) {
    for (size_t i = 0; i < bytes && from[i] != '\0'; i++) to[i] = from[i];
}

static void on_hello(struct hb_agent *agent, const struct hb_frame *request) {
    const struct hb_port *port = agent->port;
    const struct hb_identity *id = &port->identity;
    struct hb_hello_reply m = {
        .protocol_version = HB_PROTOCOL_VERSION,
        .schema_hash = HB_PROTOCOL_SCHEMA_HASH,
        .engine_version = HB_ENGINE_VERSION,
        .image_version = HB_IMAGE_VERSION,
        .kernel_set = HB_ENGINE_KERNELS,
        .chip_id = id->chip_id,
        .reset_cause = id->reset_cause,
        .counter_kind = id->counter_kind,
        .counter_bits = id->counter_bits,
        .wait_states = id->wait_states,
        .reset_cause_raw = id->reset_cause_raw,
        .core_clock_hz = id->core_clock_hz,
        .counter_hz = id->counter_hz,
        .clock_flags = id->clock_flags,
        .arena_capacity = port->arena.bytes,
        .slot_address = id->slot_address,
        .slot_bytes = port->slot_bytes,
        .upload_bytes = port->upload.bytes,
        .vector_buffer_bytes = port->vectors.bytes,
        .rx_buffer_bytes = id->rx_buffer_bytes,
        .out_buffer_bytes = port->out.bytes,
        .baud = agent->link.baud,
        .max_baud = id->max_baud,
        .max_payload = HB_MAX_PAYLOAD,
        .rx_modes = id->rx_modes,
        .rx_mode = agent->link.rx_mode,
        .temperature_mc = id->vdd_mv != 0u ? id->temperature_mc : NO_TEMPERATURE,
        .vdd_mv = id->vdd_mv,
    };
    copy_text(m.board, sizeof m.board, id->board);
    copy_text(m.engine, sizeof m.engine, HB_ENGINE_NAME);
    memcpy(m.firmware_digest, id->firmware_digest, sizeof m.firmware_digest);
    memcpy(m.unique_id, id->unique_id, sizeof m.unique_id);
    agent->cache.valid = false; /* a new host may use any seq */
    reply_now(agent, request, hb_hello_reply_encode(hb_frame_payload(&agent->writer), &m));
}

static bool is_one_of(uint8_t mode, uint8_t modes) {
    return mode != 0u && (mode & (mode - 1u)) == 0u && (mode & modes) == mode;
}

static void on_link_set(struct hb_agent *agent, const struct hb_frame *request) {
    struct hb_link_state *link = &agent->link;
    const struct hb_identity *id = &agent->port->identity;
    struct hb_link_set m;
    enum hb_status status = HB_STATUS_OK;
    if (hb_link_set_decode(request->payload, request->payload_bytes, &m) != 0 ||
        m.baud < MIN_BAUD || m.baud > id->max_baud) {
        status = HB_STATUS_BAD_REQUEST;
    } else if (!is_one_of(m.rx_mode, id->rx_modes)) {
        status = HB_STATUS_UNSUPPORTED;
    } else if (agent->activity != HB_IDLE) {
        status = HB_STATUS_BAD_STATE;
    }
    if (status != HB_STATUS_OK) {
        REPLY(agent, request, link_set_reply, .status = (uint8_t)status, .baud = link->baud,
              .rx_mode = link->rx_mode);
        return;
    }
    REPLY(agent, request, link_set_reply, .status = HB_STATUS_OK, .baud = m.baud,
          .rx_mode = m.rx_mode);
    hb_agent_drain_line(agent);
    link->old_baud = link->baud;
    link->old_rx_mode = link->rx_mode;
    link->baud = m.baud;
    link->rx_mode = m.rx_mode;
    link->on_trial = true;
    link->trial_start_ms = agent->port->millis();
    hb_frame_reset(&agent->reader);
    agent->port->link_set(m.baud, m.rx_mode);
}

static void on_ping(struct hb_agent *agent, const struct hb_frame *request) {
    struct hb_ping m;
    if (hb_ping_decode(request->payload, request->payload_bytes, &m) != 0) return;
    REPLY(agent, request, ping_reply, .token = m.token);
}

/* How much may be on its way: what the receive ring holds, less a quarter for framing,
 * acknowledgements and requests; and at most a quarter of a second of line time, so that on a slow
 * line a gap is mended soon; but never less than two frames. */
static uint32_t line_room(const struct hb_agent *agent) {
    const uint32_t rx_ring = agent->port->identity.rx_buffer_bytes;
    const uint32_t ring = rx_ring - rx_ring / 4u;
    uint32_t room = agent->link.baud / 40u;
    if (room < 2u * HB_MAX_PAYLOAD) room = 2u * HB_MAX_PAYLOAD;
    return room < ring ? room : ring;
}

void hb_agent_open_in(struct hb_agent *agent, struct hb_memory memory, uint32_t total,
                      uint32_t grant) {
    agent->in = (struct hb_in_stream){
        .ring = memory.data,
        .capacity = memory.bytes,
        .total = total,
        .grant = grant,
        .line_room = line_room(agent),
        .out_of_order = agent->in.out_of_order,
    };
    agent->in.limit = hb_in_limit(&agent->in);
    agent->in_end_told = total == 0u;
}

static void on_upload(struct hb_agent *agent, const struct hb_frame *request) {
    const struct hb_memory *memory = &agent->port->upload;
    struct hb_upload m = {0};
    enum hb_status status = HB_STATUS_OK;
    uint32_t detail = 0;
    if (hb_upload_decode(request->payload, request->payload_bytes, &m) != 0 || m.bytes == 0u) {
        status = HB_STATUS_BAD_REQUEST;
    } else if (memory->bytes == 0u) {
        status = HB_STATUS_UNSUPPORTED;
    } else if (agent->activity != HB_IDLE) {
        status = HB_STATUS_BAD_STATE;
    } else if (m.bytes > memory->bytes) {
        status = HB_STATUS_TOO_LARGE;
        detail = m.bytes - memory->bytes;
    } else {
        if (agent->image_uploaded) agent->image_ready = false;
        agent->upload_bytes = 0;
        agent->activity = HB_UPLOADING;
        hb_agent_open_in(agent, *memory, m.bytes, m.bytes);
    }
    REPLY(agent, request, upload_reply, .status = (uint8_t)status, .detail = detail,
          .limit = status == HB_STATUS_OK ? agent->in.limit : 0);
}

static enum hb_status status_of(enum hb_engine_status status) {
    switch (status) {
    case HB_ENGINE_OK: return HB_STATUS_OK;
    case HB_ENGINE_MAGIC: return HB_STATUS_IMAGE_MAGIC;
    case HB_ENGINE_VERSION_DIFFERS: return HB_STATUS_IMAGE_VERSION;
    case HB_ENGINE_CRC: return HB_STATUS_IMAGE_CRC;
    case HB_ENGINE_BOUNDS: return HB_STATUS_IMAGE_BOUNDS;
    case HB_ENGINE_OP: return HB_STATUS_IMAGE_OP;
    case HB_ENGINE_ARENA: return HB_STATUS_ARENA_TOO_SMALL;
    }
    return HB_STATUS_INTERNAL;
}

static enum hb_status load_image(struct hb_agent *agent, bool uploaded, uint32_t *detail) {
    const struct hb_port *port = agent->port;
    agent->image_ready = false;
    agent->image_uploaded = uploaded;
    hb_paint(port->arena);
    const enum hb_engine_status status = hb_engine_init(
        &agent->engine, uploaded ? port->upload.data : port->slot,
        uploaded ? agent->upload_bytes : port->slot_bytes, port->arena.data, port->arena.bytes,
        detail);
    agent->image_ready = status == HB_ENGINE_OK;
    return status_of(status);
}

static void on_image_load(struct hb_agent *agent, const struct hb_frame *request) {
    struct hb_image_load m;
    struct hb_image_load_reply answer = {0};
    enum hb_status status;
    uint32_t detail = 0;
    if (hb_image_load_decode(request->payload, request->payload_bytes, &m) != 0 ||
        m.uploaded > 1u) {
        status = HB_STATUS_BAD_REQUEST;
    } else if (agent->activity != HB_IDLE || (m.uploaded == 1u && agent->upload_bytes == 0u)) {
        status = HB_STATUS_BAD_STATE;
    } else {
        status = load_image(agent, m.uploaded == 1u, &detail);
    }
    if (status == HB_STATUS_OK) {
        const struct hb_image_header *header = &agent->engine.header;
        answer.image_crc = header->crc;
        answer.image_bytes = header->image_bytes;
        answer.arena_bytes = header->arena_bytes;
        answer.vector_bytes = agent->engine.vector_bytes;
        answer.output_bytes = agent->engine.output_bytes;
        answer.op_count = header->op_count;
    }
    answer.status = (uint8_t)status;
    answer.detail = detail;
    reply(agent, request,
          hb_image_load_reply_encode(hb_frame_payload(&agent->writer), &answer));
}

static void on_run(struct hb_agent *agent, const struct hb_frame *request) {
    struct hb_run m;
    enum hb_status status;
    uint32_t detail = 0;
    if (hb_run_decode(request->payload, request->payload_bytes, &m) != 0) {
        status = HB_STATUS_BAD_REQUEST;
    } else if (agent->activity != HB_IDLE) {
        status = HB_STATUS_BAD_STATE;
    } else {
        status = hb_run_start(agent, &m, &detail);
    }
    REPLY(agent, request, run_reply, .status = (uint8_t)status, .detail = detail,
          .limit = status == HB_STATUS_OK ? agent->in.limit : 0);
}

static void on_stop(struct hb_agent *agent, const struct hb_frame *request) {
    agent->activity = HB_IDLE;
    hb_agent_open_in(agent, (struct hb_memory){0}, 0, 0);
    agent->out.acked = agent->out.sent = agent->out.head;
    REPLY(agent, request, stop_reply, .status = HB_STATUS_OK);
}

static void on_counters(struct hb_agent *agent, const struct hb_frame *request) {
    const struct hb_port *port = agent->port;
    REPLY(agent, request, counters_reply, .rx_bytes = agent->rx_total,
          .rx_frames = agent->reader.frames, .cobs_errors = agent->reader.cobs_errors,
          .crc_errors = agent->reader.crc_errors, .overruns = port->overruns(),
          .line_errors = port->line_errors(), .out_of_order = agent->in.out_of_order,
          .resent_bytes = agent->out.resent_bytes, .stack_bytes = port->stack_used(),
          .stack_capacity = port->stack_capacity(),
          .arena_bytes = agent->image_ready ? hb_painted_high_water(port->arena) : 0);
}

static void on_clock_check(struct hb_agent *agent, const struct hb_frame *request) {
    struct hb_clock_check m = {0};
    enum hb_status status = HB_STATUS_OK;
    if (hb_clock_check_decode(request->payload, request->payload_bytes, &m) != 0) {
        status = HB_STATUS_BAD_REQUEST;
    } else if (agent->port->identity.counter_kind == HB_COUNTER_KIND_NONE) {
        status = HB_STATUS_UNSUPPORTED;
    } else if (agent->activity != HB_IDLE) {
        status = HB_STATUS_BAD_STATE;
    } else if (!hb_counter_advances(agent->port)) {
        status = HB_STATUS_COUNTER_STUCK;
    }
    REPLY(agent, request, clock_check_reply, .status = (uint8_t)status);
    if (status != HB_STATUS_OK) return;
    agent->activity = HB_CLOCK_CHECK;
    agent->clock_wait = m.wait_ticks;
    hb_agent_send_mark(agent, 0);
}

static void on_reset(struct hb_agent *agent, const struct hb_frame *request) {
    reply(agent, request, 0);
    hb_agent_drain_line(agent);
    agent->port->reset();
}

void hb_agent_handle(struct hb_agent *agent, const struct hb_frame *frame) {
    const struct hb_reply_cache *cache = &agent->cache;
    if (cache->valid && frame->seq == cache->seq && frame->type == cache->request) {
        memcpy(hb_frame_payload(&agent->writer), cache->payload, cache->bytes);
        reply_now(agent, frame, cache->bytes);
        return;
    }
    switch (frame->type) {
    case HB_HELLO_ID: on_hello(agent, frame); break;
    case HB_LINK_SET_ID: on_link_set(agent, frame); break;
    case HB_PING_ID: on_ping(agent, frame); break;
    case HB_UPLOAD_ID: on_upload(agent, frame); break;
    case HB_IMAGE_LOAD_ID: on_image_load(agent, frame); break;
    case HB_RUN_ID: on_run(agent, frame); break;
    case HB_STOP_ID: on_stop(agent, frame); break;
    case HB_COUNTERS_ID: on_counters(agent, frame); break;
    case HB_CLOCK_CHECK_ID: on_clock_check(agent, frame); break;
    case HB_RESET_ID: on_reset(agent, frame); break;
    default: break; /* not a request of this protocol version */
    }
}
