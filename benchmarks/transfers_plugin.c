/* QEMU plugin (TCG plugin API, version 1): instructions executed in an address range, and what
 * multi-register transfers (LDM, STM, PUSH, POP, LDRD, STRD, VLDM, VSTM) move beyond one register
 * each.  Arguments: from=ADDRESS,to=ADDRESS,out=FILE; the file gets both totals at the end.
 *
 * QEMU's packages have no qemu-plugin.h: what is used is declared here. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum { INLINE_ADD_U64 = 0 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *to,
                                                uint64_t value);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*call)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(plugin_id id, void (*call)(plugin_id, void *), void *context);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t range_start, range_end, instructions, further_registers;
static char out_path[4096];

/* Registers that a Thumb instruction moves in one transfer (Armv7-M ARM, A5.2, A5.3); else 1. */
static unsigned registers_moved(const uint8_t *code, size_t bytes) {
    const unsigned first = code[0] | (unsigned)code[1] << 8;
    if (bytes == 2) {
        if ((first & 0xF600u) == 0xB400u) return (unsigned)__builtin_popcount(first & 0x1FFu);
        if ((first & 0xF000u) == 0xC000u) return (unsigned)__builtin_popcount(first & 0xFFu);
        return 1;
    }
    const unsigned second = code[2] | (unsigned)code[3] << 8;
    if ((first & 0xFE40u) == 0xE800u) return (unsigned)__builtin_popcount(second);
    if ((first & 0xFE40u) == 0xE840u && (first & 0x0120u) != 0u) return 2; /* LDRD, STRD */
    const bool is_extension = (first & 0xFE00u) == 0xEC00u && (second & 0x0E00u) == 0x0A00u;
    const bool is_single_load = (first & 0x0120u) == 0x0100u; /* VLDR, VSTR */
    if (is_extension && !is_single_load && (first & 0x01A0u) != 0u) {
        return (second & 0x0100u) != 0u ? (second & 0xFFu) / 2u : second & 0xFFu;
    }
    return 1;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb) {
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint64_t at = qemu_plugin_insn_vaddr(insn);
        if (at < range_start || at >= range_end) continue;
        qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &instructions, 1);
        const unsigned moved =
            registers_moved(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));
        if (moved > 1) {
            qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &further_registers,
                                                       moved - 1);
        }
    }
}

static void at_end(plugin_id id, void *context) {
    (void)id;
    (void)context;
    FILE *file = fopen(out_path, "w");
    if (file == NULL) return;
    (void)fprintf(file, "%llu %llu\n", (unsigned long long)instructions,
                  (unsigned long long)further_registers);
    (void)fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id,
                                                               const struct qemu_info *info,
                                                               int count, char **arguments) {
    (void)info;
    for (int i = 0; i < count; i++) {
        const char *value = strchr(arguments[i], '=');
        if (value == NULL) return -1;
        value++;
        if (strncmp(arguments[i], "from=", 5) == 0) range_start = strtoull(value, NULL, 0);
        else if (strncmp(arguments[i], "to=", 3) == 0) range_end = strtoull(value, NULL, 0);
        else if (strncmp(arguments[i], "out=", 4) == 0) {
            (void)snprintf(out_path, sizeof out_path, "%s", value);
        } else return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, at_end, NULL);
    return 0;
}
