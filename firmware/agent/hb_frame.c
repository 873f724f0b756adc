#include "hb_frame.h"

#include "hb_crc32.h"

size_t hb_cobs_encode(uint8_t *out, const uint8_t *in, size_t bytes) {
    size_t code_at = 0, at = 1;
    uint8_t code = 1;
    for (size_t i = 0; i < bytes; i++) {
        if (code == 0xFFu) { /* full block: no zero follows it */
            out[code_at] = code;
            code_at = at++;
            code = 1;
        }
        if (in[i] != 0u) {
            out[at++] = in[i];
            code++;
        } else {
            out[code_at] = code;
            code_at = at++;
            code = 1;
        }
    }
    out[code_at] = code;
    return at;
}

size_t hb_frame_seal(struct hb_frame_writer *writer, uint8_t type, uint8_t seq,
                     size_t payload_bytes) {
    uint8_t *raw = writer->raw;
    const size_t bytes = HB_HEADER_BYTES + payload_bytes;
    raw[0] = type;
    raw[1] = seq;
    raw[2] = 0;
    raw[3] = 0;
    hb_put_u32(raw + bytes, hb_crc32(0, raw, bytes));
    const size_t wire_bytes = hb_cobs_encode(writer->wire, raw, bytes + HB_CRC_BYTES);
    writer->wire[wire_bytes] = 0;
    return wire_bytes + 1u;
}

void hb_frame_reset(struct hb_frame_reader *reader) {
    reader->bytes = 0;
    reader->block_left = 0;
    reader->block_open = false;
    reader->zero_follows = false;
    reader->broken = false;
}

static void append(struct hb_frame_reader *reader, uint8_t byte) {
    if (reader->bytes == sizeof reader->raw) reader->broken = true;
    else reader->raw[reader->bytes++] = byte;
}

static bool complete(struct hb_frame_reader *reader, struct hb_frame *frame) {
    const size_t overhead = HB_HEADER_BYTES + HB_CRC_BYTES;
    if (reader->broken || reader->block_left != 0u || reader->bytes < overhead) {
        reader->cobs_errors++;
        return false;
    }
    const size_t covered = reader->bytes - HB_CRC_BYTES;
    if (hb_crc32(0, reader->raw, covered) != hb_get_u32(reader->raw + covered)) {
        reader->crc_errors++;
        return false;
    }
    reader->frames++;
    frame->type = reader->raw[0];
    frame->seq = reader->raw[1];
    frame->payload = reader->raw + HB_HEADER_BYTES;
    frame->payload_bytes = covered - HB_HEADER_BYTES;
    return true;
}

bool hb_frame_push(struct hb_frame_reader *reader, uint8_t byte, struct hb_frame *frame) {
    if (byte == 0u) {
        const bool valid = reader->block_open && complete(reader, frame);
        hb_frame_reset(reader);
        return valid;
    }
    if (reader->broken) return false;
    if (reader->block_left > 0u) {
        append(reader, byte);
        reader->block_left--;
        return false;
    }
    if (reader->zero_follows) append(reader, 0);
    reader->block_open = true;
    reader->block_left = (uint8_t)(byte - 1u);
    reader->zero_follows = byte != 0xFFu;
    return false;
}
