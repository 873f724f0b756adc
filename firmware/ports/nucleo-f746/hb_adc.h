/* Supply voltage and die temperature by ADC1's internal channels. */
#ifndef HB_ADC_H
#define HB_ADC_H

#include <stdint.h>

/* Measures once, then switches the converter off.  vdd_mv is 0 when it gave no sensible value. */
void hb_adc_measure(int32_t *temperature_mc, uint32_t *vdd_mv);

#endif
