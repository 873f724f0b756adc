/* RM0385 15: ADC1 channel 17 is the internal reference, channel 18 the temperature sensor.  The
 * reference's value at 3.3 V is known from the factory, which gives the supply; with it the sensor's
 * value is scaled to 3.3 V and put on the line through its two factory points (RM0385 15.10). */
#include "hb_adc.h"

#include "hb_cortex_m.h"
#include "stm32f746_registers.h"

enum {
    CHANNEL_VREFINT = 17,
    CHANNEL_SENSOR = 18,
    CALIBRATION_MV = 3300,
    POINT1_MC = 30000,
    POINT2_MC = 110000,
    /* Loop turns of at least two cycles at 216 MHz: more than the 10 us that sensor and reference
     * need to start (DS10916 tables 73, 75), and far more than a conversion of 492 / 27 MHz. */
    START_TURNS = 4000,
    CONVERSION_TURNS = 20000,
};

/* PCLK2 / 4 = 27 MHz; at most 36 MHz (DS10916 table 67). */
#define ADC_CCR_ADCPRE_BY_4 0x00010000u

static uint32_t half_word(uint32_t address) { return *(const volatile uint16_t *)address; }

/* A 12-bit value, 0 when the converter does not answer. */
static uint32_t convert(uint32_t channel) {
    HB_REGISTER(ADC1_SQR3) = channel;
    HB_REGISTER(ADC1_SR) = 0;
    HB_REGISTER(ADC1_CR2) = ADC1_CR2_ADON | ADC1_CR2_SWSTART;
    for (uint32_t turn = 0; turn < CONVERSION_TURNS; turn++) {
        if ((HB_REGISTER(ADC1_SR) & ADC1_SR_EOC) != 0u) return HB_REGISTER(ADC1_DR);
    }
    return 0;
}

void hb_adc_measure(int32_t *temperature_mc, uint32_t *vdd_mv) {
    HB_REGISTER(RCC_APB2ENR) |= RCC_APB2ENR_ADC1EN;
    HB_REGISTER(ADC_CCR) = ADC_CCR_TSVREFE | ADC_CCR_ADCPRE_BY_4;
    HB_REGISTER(ADC1_SMPR1) = ADC1_SMPR1_SMP17 | ADC1_SMPR1_SMP18; /* 480 cycles each */
    HB_REGISTER(ADC1_CR2) = ADC1_CR2_ADON;
    for (volatile uint32_t turn = 0; turn < START_TURNS; turn++) {
    }
    const uint32_t reference = convert(CHANNEL_VREFINT);
    const uint32_t sensor = convert(CHANNEL_SENSOR);
    HB_REGISTER(ADC1_CR2) = 0;
    HB_REGISTER(ADC_CCR) = 0;
    HB_REGISTER(RCC_APB2ENR) &= ~RCC_APB2ENR_ADC1EN;

    const int32_t point1 = (int32_t)half_word(CALIBRATION_TS1);
    const int32_t point2 = (int32_t)half_word(CALIBRATION_TS2);
    *temperature_mc = 0;
    *vdd_mv = 0;
    if (reference == 0u || sensor == 0u || point2 <= point1) return;
    *vdd_mv = CALIBRATION_MV * half_word(CALIBRATION_VREFINT) / reference;
    const int32_t scaled = (int32_t)(sensor * *vdd_mv / CALIBRATION_MV);
    *temperature_mc = (scaled - point1) * (POINT2_MC - POINT1_MC) / (point2 - point1) + POINT1_MC;
}
