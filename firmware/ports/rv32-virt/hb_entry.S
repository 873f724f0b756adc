/* Start and traps (RISC-V privileged specification 1.12, chapter 3). */
    .section .vectors, "ax"
    .globl hb_reset_entry
hb_reset_entry:
    csrw mie, zero
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, hb_stack_top
    la t0, hb_trap_entry
    csrw mtvec, t0
    call hb_prepare_memory
    call main
1:  j 1b

    .text
    .balign 4
    .globl hb_trap_entry
hb_trap_entry:
    csrw mscratch, t0
    csrr t0, mcause
    bltz t0, 1f
    /* An exception: the old stack may be what broke. */
    csrr a0, mepc
    mv a1, ra
    csrr a2, mcause
    csrr a3, mtval
    la sp, hb_fault_stack + 512
    j hb_fault
1:  csrr t0, mscratch
    j hb_interrupt
