/* QEMU TCG plugin: instructions executed between two addresses, plain and weighted by registers.
 *
 *   -plugin libwindow_counts.so,start=0x...,stop=0x...,out=FILE[,thumb=on][,mve=on]
 *           [,from=0x...,below=0x...]
 *
 * A window opens when the instruction at `start` executes and closes at `stop`; each closed window
 * is a line "plain weighted vector inside" in FILE: `inside` counts what lies at from <= address <
 * below.  The weight is that of transfers.h, `vector` gives it to
 * VLDM and VSTM alone; without `thumb` (RISC-V) every instruction weighs one.  Every instruction has its own inline addition, so a block that is
 * left early counts exactly.  The prototypes are those of plugin API version 1 (QEMU 7.2,
 * docs/devel/tcg-plugins.rst), whose header Debian does not package. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfers.h"

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*cb)(unsigned int, void *),
                                            enum qemu_plugin_cb_flags flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                enum qemu_plugin_op op, void *ptr, uint64_t imm);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const void *info, int argc,
                                                               char **argv);

enum { PLAIN, WEIGHTED, VECTOR, INSIDE, TOTALS };
static uint64_t totals[TOTALS], at_window_start[TOTALS];
static uint64_t start_address, stop_address, from_address, below_address;
static int thumb, mve, open_window;
static FILE *out;

static void at_start(unsigned int cpu, void *userdata)
{
    (void)cpu, (void)userdata;
    memcpy(at_window_start, totals, sizeof totals);
    open_window = 1;
}

static void at_stop(unsigned int cpu, void *userdata)
{
    (void)cpu, (void)userdata;
    if (open_window) {
        for (int i = 0; i < TOTALS; i++) {
            fprintf(out, "%" PRIu64 "%c", totals[i] - at_window_start[i], i < INSIDE ? ' ' : '\n');
        }
        fflush(out);
    }
    open_window = 0;
}

static void weigh(const struct qemu_plugin_insn *insn, uint64_t address, uint64_t weights[TOTALS])
{
    uint16_t halfwords[2] = {0, 0};
    const size_t bytes = qemu_plugin_insn_size(insn);
    memcpy(halfwords, qemu_plugin_insn_data(insn), bytes < 4 ? bytes : 4);
    weights[PLAIN] = 1;
    weights[WEIGHTED] = thumb ? hb_registers_moved(halfwords[0], halfwords[1], mve) : 1;
    weights[VECTOR] = (halfwords[0] & 0xFE00u) == 0xEC00u ? weights[WEIGHTED] : 1;
    weights[INSIDE] = address >= from_address && address < below_address;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint64_t address = qemu_plugin_insn_vaddr(insn);
        uint64_t weights[TOTALS];
        weigh(insn, address, weights);
        for (int total = 0; total < TOTALS; total++) {
            qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                                       &totals[total], weights[total]);
        }
        if (address == start_address || address == stop_address) {
            qemu_plugin_register_vcpu_insn_exec_cb(
                insn, address == start_address ? at_start : at_stop, QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
    }
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (value == NULL) {
            return -1;
        }
        value++;
        if (strncmp(argv[i], "start=", 6) == 0) {
            start_address = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "stop=", 5) == 0) {
            stop_address = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(value, "w");
        } else if (strncmp(argv[i], "thumb=", 6) == 0) {
            thumb = strcmp(value, "on") == 0;
        } else if (strncmp(argv[i], "from=", 5) == 0) {
            from_address = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "below=", 6) == 0) {
            below_address = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "mve=", 4) == 0) {
            mve = strcmp(value, "on") == 0;
        } else {
            return -1;
        }
    }
    if (out == NULL || start_address == stop_address) {
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
