#include <string.h>

#include "hb_kernels.h"

void hb_reshape_ref(const void *input, void *output, uint32_t bytes) {
    if (input != output) memcpy(output, input, bytes);
}
