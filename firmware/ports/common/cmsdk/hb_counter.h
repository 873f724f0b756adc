/* The counter of an MPS board: restarted before each window, so that a count never depends on the
 * phase at which the window began. */
#ifndef HB_COUNTER_H
#define HB_COUNTER_H

#include <stdint.h>

void hb_counter_init(void);
void hb_counter_start(void);
uint64_t hb_counter_stop(void);
uint32_t hb_counter_read(void); /* free-running between windows */

#endif
