#include "hb_agent.h"

#include <string.h>

/* A host hears of progress at least this often while results are there. */
#define OUT_INTERVAL_MS 50u
#define LINK_TRIAL_MS 1000u
#define OUT_PAYLOAD_BYTES (HB_MAX_PAYLOAD - HB_OUT_BYTES)

void hb_agent_send(struct hb_agent *agent, uint8_t type, size_t payload_bytes) {
    const size_t bytes = hb_frame_seal(&agent->writer, type, agent->tx_seq++, payload_bytes);
    agent->port->write(agent->writer.wire, (uint32_t)bytes);
}

void hb_agent_send_credit(struct hb_agent *agent, uint8_t flags) {
    agent->in.limit = hb_in_limit(&agent->in);
    agent->in.told = agent->in.expected;
    const struct hb_credit credit = {
        .offset = agent->in.expected, .limit = agent->in.limit, .flags = flags};
    hb_agent_send(agent, HB_CREDIT_ID,
                  hb_credit_encode(hb_frame_payload(&agent->writer), &credit));
}

void hb_agent_drain_line(struct hb_agent *agent) {
    while (!agent->port->tx_idle()) agent->port->idle();
}

void hb_agent_send_mark(struct hb_agent *agent, uint8_t kind) {
    hb_agent_drain_line(agent); /* so that the stamp is the moment at which the frame leaves */
    const struct hb_mark mark = {.kind = kind, .ticks = agent->port->counter_read()};
    if (kind == 0u) agent->clock_start = mark.ticks;
    hb_agent_send(agent, HB_MARK_ID, hb_mark_encode(hb_frame_payload(&agent->writer), &mark));
}

static void take_data(struct hb_agent *agent, const struct hb_frame *frame) {
    struct hb_data data;
    if (hb_data_decode(frame->payload, frame->payload_bytes, &data) != 0) return;
    const enum hb_in_result result =
        hb_in_take(&agent->in, data.offset, data.data, (uint32_t)data.data_bytes);
    if (result == HB_IN_DROPPED_TELL) hb_agent_send_credit(agent, HB_CREDIT_FLAG_RESEND);
    if (agent->activity == HB_UPLOADING && agent->in.expected == agent->in.total) {
        agent->upload_bytes = agent->in.total;
        agent->activity = HB_IDLE;
    }
}

static void take_ack(struct hb_agent *agent, const struct hb_frame *frame) {
    struct hb_ack ack;
    if (hb_ack_decode(frame->payload, frame->payload_bytes, &ack) != 0) return;
    const bool resend = (ack.flags & HB_ACK_FLAG_RESEND) != 0u;
    hb_out_ack(&agent->out, ack.offset, resend);
    if (resend) hb_agent_send_credit(agent, 0);
}

static void take_frame(struct hb_agent *agent, const struct hb_frame *frame) {
    agent->link.on_trial = false;
    switch (frame->type) {
    case HB_DATA_ID: take_data(agent, frame); break;
    case HB_ACK_ID: take_ack(agent, frame); break;
    default: hb_agent_handle(agent, frame); break;
    }
}

static bool next_byte(struct hb_agent *agent, uint8_t *byte) {
    if (agent->rx_at == agent->rx_bytes) {
        agent->rx_at = 0;
        agent->rx_bytes = agent->port->read(agent->rx_chunk, sizeof agent->rx_chunk);
        if (agent->rx_bytes == 0u) return false;
        agent->rx_total += agent->rx_bytes;
    }
    *byte = agent->rx_chunk[agent->rx_at++];
    return true;
}

static void send_due(struct hb_agent *agent, bool flush) {
    const uint32_t now = agent->port->millis();
    while (agent->out.head != agent->out.sent) {
        const uint32_t waiting = agent->out.head - agent->out.sent;
        if (waiting < OUT_PAYLOAD_BYTES && !flush && now - agent->out_sent_ms < OUT_INTERVAL_MS) {
            break;
        }
        uint8_t *payload = hb_frame_payload(&agent->writer);
        struct hb_out out = {0};
        const uint32_t bytes =
            hb_out_take(&agent->out, payload + HB_OUT_BYTES, OUT_PAYLOAD_BYTES, &out.offset);
        const size_t head_bytes = hb_out_encode(payload, &out);
        hb_agent_send(agent, HB_OUT_ID, head_bytes + bytes);
        agent->out_sent_ms = now;
        if (agent->port->tx_idle()) continue;
        break; /* receive again before more is queued */
    }
}

void hb_agent_receive(struct hb_agent *agent) {
    struct hb_frame frame;
    uint8_t byte;
    /* After a request has ended the run, later frames wait until the run has unwound. */
    while (!(agent->in_run && agent->activity != HB_RUNNING) && next_byte(agent, &byte)) {
        if (!hb_frame_push(&agent->reader, byte, &frame)) continue;
        take_frame(agent, &frame);
        const bool ended = agent->in.expected == agent->in.total && !agent->in_end_told;
        if (ended) agent->in_end_told = true;
        if (ended || hb_in_credit_due(&agent->in)) hb_agent_send_credit(agent, 0);
    }
}

void hb_agent_pump(struct hb_agent *agent, bool flush) {
    hb_agent_receive(agent);
    if (hb_in_credit_due(&agent->in)) hb_agent_send_credit(agent, 0);
    send_due(agent, flush);
}

static void watch_link(struct hb_agent *agent) {
    struct hb_link_state *link = &agent->link;
    if (!link->on_trial || agent->port->millis() - link->trial_start_ms < LINK_TRIAL_MS) return;
    link->on_trial = false;
    link->baud = link->old_baud;
    link->rx_mode = link->old_rx_mode;
    hb_frame_reset(&agent->reader);
    agent->port->link_set(link->baud, link->rx_mode);
}

static void watch_clock_check(struct hb_agent *agent) {
    if (agent->activity != HB_CLOCK_CHECK ||
        agent->port->counter_read() - agent->clock_start < agent->clock_wait) {
        return;
    }
    agent->activity = HB_IDLE;
    hb_agent_send_mark(agent, 1);
}

void hb_agent_poll(struct hb_agent *agent) {
    hb_agent_pump(agent, true);
    watch_link(agent);
    watch_clock_check(agent);
    if (agent->activity == HB_RUNNING) {
        agent->in_run = true;
        hb_run_execute(agent);
        agent->in_run = false;
        return;
    }
    if (agent->out.head == agent->out.sent && agent->rx_at == agent->rx_bytes) {
        agent->port->idle();
    }
}

void hb_agent_init(struct hb_agent *agent, const struct hb_port *port) {
    memset(agent, 0, sizeof *agent);
    agent->port = port;
    agent->link.baud = port->identity.baud;
    agent->link.rx_mode = port->identity.rx_mode;
    agent->in_end_told = true;
    agent->out.ring = port->out.data;
    agent->out.capacity = port->out.bytes;
    const uint8_t delimiter = 0; /* ends what a host may have half received before the reset */
    port->write(&delimiter, 1);
    const struct hb_boot boot = {.reset_cause = port->identity.reset_cause};
    hb_agent_send(agent, HB_BOOT_ID, hb_boot_encode(hb_frame_payload(&agent->writer), &boot));
}
