#include "hb_meta.h"

#include "hb_image.h"
#include "hb_protocol.h"

/* HB_BOARD and HB_DIGEST (sixteen bytes, separated by commas) come from the build. */
__attribute__((section(".hilbench.meta"), used)) const struct hb_meta hb_meta = {
    .magic = "HBMETA1",
    .protocol_version = HB_PROTOCOL_VERSION,
    .image_version = HB_IMAGE_VERSION,
    .schema_hash = HB_PROTOCOL_SCHEMA_HASH,
    .board = HB_BOARD,
    .firmware_digest = {HB_DIGEST},
};
