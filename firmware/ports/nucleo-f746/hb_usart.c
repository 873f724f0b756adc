/* Two modes over the same two rings.  By interrupt: the handler moves each byte.  By DMA: the
 * receive stream writes its ring in a circle, and its position is read whenever bytes are asked for;
 * the half and full transfer interrupts keep count of the circles, the idle-line interrupt ends a
 * sleep; the transmit stream sends contiguous pieces of its ring.  In both modes the end of
 * transmission is the TC interrupt.
 *
 * The rings lie in DTCM, which is never cached: DMA and core see the same bytes without cache
 * maintenance, though the D-cache is on. */
#include "hb_usart.h"

#include "hb_clock.h"
#include "hb_cortex_m.h"
#include "hb_protocol.h"
#include "hb_ring.h"
#include "stm32f746_registers.h"

enum {
    TX_BYTES = 4 << 10,
    AF7 = 7,
    MODE_ALTERNATE = 2,
    SPEED_HIGH = 2,
    PULL_UP = 1,
    DMA_CHANNEL_4 = 4,
    DMA_MEMORY_TO_PERIPHERAL = 1,
};

#define RX_FLAGS                                                                                   \
    (DMA1_LIFCR_CFEIF1 | DMA1_LIFCR_CDMEIF1 | DMA1_LIFCR_CTEIF1 | DMA1_LIFCR_CHTIF1 |              \
     DMA1_LIFCR_CTCIF1)
#define TX_FLAGS                                                                                   \
    (DMA1_LIFCR_CFEIF3 | DMA1_LIFCR_CDMEIF3 | DMA1_LIFCR_CTEIF3 | DMA1_LIFCR_CHTIF3 |              \
     DMA1_LIFCR_CTCIF3)
#define ERRORS (USART_ISR_FE | USART_ISR_NF | USART_ISR_ORE)

__attribute__((section(".buffers"), aligned(4))) static uint8_t rx_data[HB_RX_BYTES];
__attribute__((section(".buffers"), aligned(4))) static uint8_t tx_data[TX_BYTES];
static struct hb_ring rx = {.data = rx_data, .bytes = HB_RX_BYTES};
static volatile uint32_t tx_head, tx_tail; /* absolute */
static volatile uint32_t tx_sending;       /* bytes of the DMA transfer in progress */
static volatile bool tx_busy;              /* until the last stop bit has left */
static volatile uint32_t overrun_count, error_count;
static volatile uint32_t control1; /* what USART3_CR1 holds */
static bool by_dma;
static volatile bool rx_event; /* DMA: the line fell idle, or half of the ring is full */

static void set_control1(uint32_t value) {
    control1 = value;
    HB_REGISTER(USART3_CR1) = value;
}

static void count_errors(uint32_t isr) {
    if ((isr & USART_ISR_ORE) != 0u) overrun_count++;
    if ((isr & (USART_ISR_FE | USART_ISR_NF)) != 0u) error_count++;
    HB_REGISTER(USART3_ICR) = USART_ICR_FECF | USART_ICR_NCF | USART_ICR_ORECF;
}

/* Where the receive stream is; interrupts must be masked, or this be a handler.  At most one circle
 * passes between two calls, since the stream interrupts twice in each. */
static void follow_rx_dma(void) {
    if (!by_dma) return;
    const uint32_t at = HB_RX_BYTES - HB_REGISTER(DMA1_S1NDTR);
    rx.head += (at - rx.head) & (HB_RX_BYTES - 1u);
}

/* TXE and TC; the last byte written clears TC, so that it then means the end of all (31.8.8). */
static void transmit_isr(uint32_t isr) {
    if ((control1 & USART_CR1_TXEIE) != 0u && (isr & USART_ISR_TXE) != 0u) {
        HB_REGISTER(USART3_TDR) = tx_data[tx_tail & (TX_BYTES - 1u)];
        tx_tail++;
        if (tx_tail == tx_head) set_control1((control1 & ~USART_CR1_TXEIE) | USART_CR1_TCIE);
    } else if ((control1 & USART_CR1_TCIE) != 0u && (isr & USART_ISR_TC) != 0u) {
        set_control1(control1 & ~USART_CR1_TCIE);
        tx_busy = tx_tail != tx_head;
    }
}

void hb_usart_isr(void) {
    hb_interrupts++;
    const uint32_t isr = HB_REGISTER(USART3_ISR);
    if ((isr & ERRORS) != 0u) count_errors(isr);
    if (by_dma) {
        if ((isr & USART_ISR_IDLE) != 0u) {
            HB_REGISTER(USART3_ICR) = USART_ICR_IDLECF;
            rx_event = true;
        }
    } else if ((isr & USART_ISR_RXNE) != 0u) {
        hb_ring_put(&rx, (uint8_t)HB_REGISTER(USART3_RDR));
    }
    transmit_isr(isr);
}

void hb_usart_rx_dma_isr(void) {
    hb_interrupts++;
    HB_REGISTER(DMA1_LIFCR) = RX_FLAGS;
    follow_rx_dma();
    rx_event = true;
}

/* Sends what is in the ring, if nothing is being sent; interrupts masked, or in a handler. */
static void start_transmission(void) {
    uint32_t bytes = tx_head - tx_tail;
    if (bytes == 0u || tx_sending != 0u) return;
    tx_busy = true;
    if (!by_dma) {
        set_control1((control1 & ~USART_CR1_TCIE) | USART_CR1_TXEIE);
        return;
    }
    const uint32_t at = tx_tail & (TX_BYTES - 1u);
    if (bytes > TX_BYTES - at) bytes = TX_BYTES - at;
    tx_sending = bytes;
    set_control1(control1 & ~USART_CR1_TCIE);
    HB_REGISTER(USART3_ICR) = USART_ICR_TCCF; /* 31.5.15, step 6 */
    HB_REGISTER(DMA1_S3M0AR) = (uint32_t)(uintptr_t)(tx_data + at);
    HB_REGISTER(DMA1_S3NDTR) = bytes;
    __asm volatile("dsb" ::: "memory"); /* the bytes are in memory before the stream reads them */
    HB_REGISTER(DMA1_S3CR) |= DMA_SxCR_EN;
}

void hb_usart_tx_dma_isr(void) {
    hb_interrupts++;
    HB_REGISTER(DMA1_LIFCR) = TX_FLAGS;
    tx_tail += tx_sending;
    tx_sending = 0;
    if (tx_tail == tx_head) set_control1(control1 | USART_CR1_TCIE);
    else start_transmission();
}

static void mask(void) { __asm volatile("cpsid i" ::: "memory"); }
static void unmask(void) { __asm volatile("cpsie i" ::: "memory"); }

/* With DMA a burst is taken in portions: at its end, or at the next millisecond tick. */
bool hb_usart_has_bytes(void) { return by_dma ? rx_event : !hb_ring_is_empty(&rx); }

uint32_t hb_usart_read(uint8_t *to, uint32_t room) {
    mask();
    rx_event = false;
    follow_rx_dma();
    const uint32_t waiting = rx.head - rx.tail;
    if (waiting > rx.bytes) { /* the stream has lapped the reader */
        rx.lost += waiting;
        rx.tail = rx.head;
    }
    unmask();
    return hb_ring_get(&rx, to, room);
}

static bool has_room(void) { return tx_head - tx_tail < TX_BYTES; }

void hb_usart_write(const uint8_t *from, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        while (!has_room()) {
            mask();
            start_transmission();
            unmask();
            hb_sleep_unless(has_room);
        }
        tx_data[tx_head & (TX_BYTES - 1u)] = from[i];
        tx_head++;
    }
    mask();
    start_transmission();
    unmask();
}

bool hb_usart_tx_idle(void) { return !tx_busy; }

static void stop_stream(uint32_t control) {
    HB_REGISTER(control) &= ~DMA_SxCR_EN;
    /* It finishes its transfer first (8.3.16). */
    while ((HB_REGISTER(control) & DMA_SxCR_EN) != 0u) {
    }
}

static void start_streams(void) {
    HB_REGISTER(DMA1_LIFCR) = RX_FLAGS | TX_FLAGS;
    HB_REGISTER(DMA1_S1PAR) = USART3_RDR;
    HB_REGISTER(DMA1_S1M0AR) = (uint32_t)(uintptr_t)rx_data;
    HB_REGISTER(DMA1_S1NDTR) = HB_RX_BYTES;
    HB_REGISTER(DMA1_S1CR) = ((uint32_t)DMA_CHANNEL_4 << 25) | DMA_SxCR_MINC | DMA_SxCR_CIRC |
                             DMA_SxCR_HTIE | DMA_SxCR_TCIE;
    HB_REGISTER(DMA1_S1CR) |= DMA_SxCR_EN;
    HB_REGISTER(DMA1_S3PAR) = USART3_TDR;
    HB_REGISTER(DMA1_S3CR) = ((uint32_t)DMA_CHANNEL_4 << 25) | DMA_SxCR_MINC |
                             ((uint32_t)DMA_MEMORY_TO_PERIPHERAL << 6) | DMA_SxCR_TCIE;
}

/* The transmitter is idle when this is called. */
void hb_usart_link_set(uint32_t baud, uint8_t rx_mode) {
    mask();
    set_control1(0);
    stop_stream(DMA1_S1CR);
    stop_stream(DMA1_S3CR);
    by_dma = rx_mode == HB_RX_MODE_DMA;
    rx.head = rx.tail = 0;
    tx_head = tx_tail = tx_sending = 0;
    tx_busy = false;
    HB_REGISTER(USART3_BRR) = (hb_usart3_clock_hz() + baud / 2u) / baud; /* OVER8 = 0 (31.5.4) */
    if (by_dma) {
        start_streams();
        HB_REGISTER(USART3_CR3) = USART_CR3_EIE | USART_CR3_DMAR | USART_CR3_DMAT;
        set_control1(USART_CR1_UE | USART_CR1_RE | USART_CR1_TE | USART_CR1_IDLEIE);
    } else {
        HB_REGISTER(USART3_CR3) = USART_CR3_EIE;
        set_control1(USART_CR1_UE | USART_CR1_RE | USART_CR1_TE | USART_CR1_RXNEIE);
    }
    unmask();
}

void hb_usart_start(uint32_t baud) {
    HB_REGISTER(RCC_AHB1ENR) |= RCC_AHB1ENR_GPIODEN | RCC_AHB1ENR_DMA1EN;
    HB_REGISTER(RCC_APB1ENR) |= RCC_APB1ENR_USART3EN;
    (void)HB_REGISTER(RCC_APB1ENR);
    HB_REGISTER(GPIOD_AFRH) = (HB_REGISTER(GPIOD_AFRH) & ~0xFFu) | AF7 | ((uint32_t)AF7 << 4);
    HB_REGISTER(GPIOD_OSPEEDR) = (HB_REGISTER(GPIOD_OSPEEDR) & ~(0xFu << 16)) |
                                 ((uint32_t)SPEED_HIGH << 16);
    /* An ST-LINK that is not there must not look like a stream of zeros. */
    HB_REGISTER(GPIOD_PUPDR) = (HB_REGISTER(GPIOD_PUPDR) & ~(0xFu << 16)) |
                               ((uint32_t)PULL_UP << 18);
    HB_REGISTER(GPIOD_MODER) = (HB_REGISTER(GPIOD_MODER) & ~(0xFu << 16)) |
                               ((uint32_t)MODE_ALTERNATE << 16) | ((uint32_t)MODE_ALTERNATE << 18);
    hb_usart_link_set(baud, HB_RX_MODE_IRQ);
}

uint32_t hb_usart_overruns(void) { return overrun_count + rx.lost; }
uint32_t hb_usart_line_errors(void) { return error_count; }
