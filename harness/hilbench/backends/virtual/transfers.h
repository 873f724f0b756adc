/* How many registers a Thumb instruction moves to or from memory: the weight of an instruction.
 *
 * LDM, STM, PUSH, POP: one per core register; LDRD, STRD: two; VLDM, VSTM, VPUSH, VPOP: one per S
 * or D register named (a D register is one transfer on the 64-bit buses of M7 and M55), and with
 * MVE one per Q register, two D registers.  All other instructions count once.
 *
 * Encodings: ARMv7-M ARM A5.2, A5.3.5, A5.3.6 and A6.6.  With Rn = PC, LDM is CLRM, VLDM is VSCCLRM
 * and LDRD with write-back is SG (ARMv8-M ARM C2.4): they move nothing.  counter.py is the same in
 * Python. */
#ifndef HB_TRANSFERS_H
#define HB_TRANSFERS_H

#include <stdint.h>

static inline uint32_t hb_bits_set(uint32_t value)
{
    uint32_t count = 0;
    for (; value != 0; value &= value - 1) {
        count++;
    }
    return count;
}

static inline uint32_t hb_registers_moved(uint32_t first, uint32_t second, int mve)
{
    const int pc = (first & 0xFu) == 15u;
    uint32_t moved = 1;
    if ((first & 0xF600u) == 0xB400u) { /* PUSH, POP */
        moved = hb_bits_set(first & 0x1FFu);
    } else if ((first & 0xF000u) == 0xC000u) { /* STM, LDM */
        moved = hb_bits_set(first & 0xFFu);
    } else if (!pc && (first & 0xFE40u) == 0xE800u) { /* STM.W, LDM.W */
        moved = hb_bits_set(second);
    } else if ((first & 0xFE40u) == 0xE840u && (first & 0x0120u) != 0) { /* STRD, LDRD */
        moved = pc && (first & 0x20u) != 0 ? 1 : 2;
    } else if (!pc && (first & 0xFE00u) == 0xEC00u && ((second >> 9) & 7u) == 5u) { /* VFP */
        const uint32_t puw = (first >> 6 & 6u) | (first >> 5 & 1u);
        const uint32_t words = second & 0xFFu;
        if (puw == 2u || puw == 3u || puw == 5u) { /* VSTM, VLDM */
            const uint32_t doubles = words >> 1;
            moved = !(second & 0x100u) ? words : mve ? (doubles + 1) / 2 : doubles;
        }
    }
    return moved > 0 ? moved : 1;
}

#endif
