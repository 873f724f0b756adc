/* CRC-32 of IEEE 802.3, as zlib.crc32 computes it. */
#ifndef HB_CRC32_H
#define HB_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over `bytes` bytes of `data`. */
uint32_t hb_crc32(uint32_t crc, const uint8_t *data, size_t bytes);

#endif
