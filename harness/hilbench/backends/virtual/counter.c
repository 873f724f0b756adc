/* Exact instruction counting: a block hook for Unicorn, run without Python.
 *
 * Each time a translated block starts, the instructions in it are added: a halfword whose top five
 * bits are 0b11101, 0b11110 or 0b11111 starts a 4-byte instruction (ARMv7-M ARM A5.1), any other is
 * a 2-byte one.  A second total weighs each instruction by the registers that it moves.  The counts
 * of a block are kept in a table.  counter.py is the same in Python.
 *
 * The hook may stop the core *before* a block, which is then not counted. */
#include <stddef.h>
#include <stdint.h>

#include "transfers.h"

enum { HB_CACHE_ENTRIES = 1 << 14 };
enum { HB_STOP_NONE, HB_STOP_LIMIT, HB_STOP_REQUEST, HB_STOP_INTERRUPT, HB_STOP_FP };

struct hb_entry {
    uint32_t address;
    uint16_t size;
    uint16_t instructions;
    uint32_t weight;
    uint32_t has_fp;
};

struct hb_counter {
    uint64_t executed;       /* instructions of all blocks entered */
    uint64_t weighted;       /* the same, each instruction by its weight */
    uint64_t limit;          /* stop before a block once this many were executed */
    uint32_t request;        /* stop before the next block */
    uint32_t irq_priority;   /* priority of the interrupt that waits; 256 = none */
    uint32_t fp_disabled;    /* stop before a block that holds a floating-point instruction */
    uint32_t reason;         /* why the hook stopped the core */
    uint32_t block_address;  /* the block entered last */
    uint32_t block_size;     /* bytes */
    uint32_t block_instructions;
    int32_t reg_primask, reg_basepri, reg_faultmask;
    int (*mem_read)(void *uc, uint64_t address, void *bytes, uint64_t size);
    int (*reg_read)(void *uc, int regid, void *value);
    int (*emu_stop)(void *uc);
    struct hb_entry cache[HB_CACHE_ENTRIES];
};

size_t hb_counter_bytes(void);
void hb_counter_clear(struct hb_counter *counter);
void hb_counter_block(void *uc, uint64_t address, uint32_t size, void *user);

size_t hb_counter_bytes(void)
{
    return sizeof(struct hb_counter);
}

void hb_counter_clear(struct hb_counter *counter)
{
    for (size_t i = 0; i < HB_CACHE_ENTRIES; i++) {
        counter->cache[i].size = 0;
    }
}

static void decode(struct hb_counter *counter, void *uc, struct hb_entry *entry, uint32_t address,
                   uint32_t size)
{
    uint16_t code[0x1000];
    uint32_t count = 0;
    uint32_t weight = 0;
    uint32_t has_fp = 0;
    size = size < sizeof code ? size : (uint32_t)sizeof code;
    if (counter->mem_read(uc, address, code, size) != 0) {
        size = 0;
    }
    for (uint32_t i = 0; i < size / 2; count++) {
        const uint32_t first = code[i];
        const uint32_t second = i + 1 < size / 2 ? code[i + 1] : 0;
        weight += hb_registers_moved(first, second, 0);
        if (first < 0xE800u) {
            i += 1;
            continue;
        }
        /* coprocessors 10 and 11 are the FPU: ARMv7-M ARM A6.4, A6.7 */
        has_fp |= (first & 0xEC00u) == 0xEC00u && ((second >> 9) & 7u) == 5u;
        i += 2;
    }
    entry->address = address;
    entry->size = (uint16_t)size;
    entry->instructions = (uint16_t)count;
    entry->weight = weight;
    entry->has_fp = has_fp;
}

static int unmasked(const struct hb_counter *counter, void *uc)
{
    uint32_t primask = 0, basepri = 0, faultmask = 0;
    counter->reg_read(uc, counter->reg_primask, &primask);
    if (primask & 1u) {
        return 0;
    }
    counter->reg_read(uc, counter->reg_basepri, &basepri);
    counter->reg_read(uc, counter->reg_faultmask, &faultmask);
    return !(faultmask & 1u) && (basepri == 0 || counter->irq_priority < basepri);
}

void hb_counter_block(void *uc, uint64_t address, uint32_t size, void *user)
{
    struct hb_counter *counter = user;
    struct hb_entry *entry = &counter->cache[((uint32_t)address >> 1) % HB_CACHE_ENTRIES];
    if (entry->address != (uint32_t)address || entry->size != size) {
        decode(counter, uc, entry, (uint32_t)address, size);
    }
    uint32_t reason = HB_STOP_NONE;
    if (counter->request) {
        reason = HB_STOP_REQUEST;
    } else if (counter->irq_priority < 256 && unmasked(counter, uc)) {
        reason = HB_STOP_INTERRUPT;
    } else if (counter->executed >= counter->limit) {
        reason = HB_STOP_LIMIT;
    } else if (counter->fp_disabled && entry->has_fp) {
        reason = HB_STOP_FP;
    }
    counter->block_address = (uint32_t)address;
    counter->block_size = size;
    if (reason != HB_STOP_NONE) {
        counter->reason = reason;
        counter->block_instructions = 0;
        counter->emu_stop(uc);
        return;
    }
    counter->block_instructions = entry->instructions;
    counter->executed += entry->instructions;
    counter->weighted += entry->weight;
}
