/* What the image in a chip is, readable from the ELF without running it (section .hilbench.meta),
 * so that a host can refuse a wrong one before it flashes. */
#ifndef HB_META_H
#define HB_META_H

#include <stdint.h>

struct hb_meta {
    char magic[8]; /* "HBMETA1" */
    uint16_t protocol_version;
    uint16_t image_version;
    uint32_t schema_hash;
    char board[24];
    uint8_t firmware_digest[16]; /* SHA-256 of sources, flags and compiler version, first half */
};

extern const struct hb_meta hb_meta;

#endif
