/* Which kernels a build has: all of its instruction set, or those that `make OPS="..."` names, by
 * -DHB_OPS_ONLY and a -DHB_OP_<kernel>=1 each.  A kernel's name is its function's without "hb_";
 * rows, elementwise, movement, transpose_conv and recurrent stand for whole families. */
#ifndef HB_OPS_H
#define HB_OPS_H

/* A function that only some operators need: kept apart, so that its size can be told. */
#define HB_PART __attribute__((noinline))

#ifdef HB_OPS_ONLY
/* 1 where HB_OP_<kernel> is defined as 1, else 0. */
#define HB_HAS(kernel) HB_IS_ONE(HB_OP_##kernel)
#define HB_IS_ONE(value) HB_IS_ONE_(value)
#define HB_IS_ONE_(value) HB_SECOND_(HB_BEFORE_##value 1, 0, 0)
#define HB_SECOND_(...) HB_SECOND(__VA_ARGS__)
#define HB_SECOND(a, b, ...) b
#define HB_BEFORE_1 0,
#else
#define HB_HAS(kernel) 1
#endif

#endif
