#include "hb_crc32.h"
#include "hb_frame.h"
#include "hb_start.h"

void hb_report_fault(uint32_t pc, uint32_t lr, uint32_t cfsr, uint32_t hfsr, uint32_t address) {
    enum { RAW_BYTES = HB_HEADER_BYTES + HB_FAULT_BYTES + HB_CRC_BYTES };
    uint8_t raw[RAW_BYTES] = {HB_FAULT_ID};
    uint8_t wire[RAW_BYTES + 3]; /* delimiter, COBS code, delimiter */
    const struct hb_fault fault = {
        .pc = pc, .lr = lr, .cfsr = cfsr, .hfsr = hfsr, .address = address};
    const size_t covered = HB_HEADER_BYTES + hb_fault_encode(raw + HB_HEADER_BYTES, &fault);
    hb_put_u32(raw + covered, hb_crc32(0, raw, covered));
    wire[0] = 0; /* ends the frame that the fault cut short */
    const size_t bytes = 1u + hb_cobs_encode(wire + 1, raw, sizeof raw);
    wire[bytes] = 0;
    hb_port_fault_write(wire, (uint32_t)bytes + 1u);
}
