#pragma once
// Included before every unit of ggml's CPU backend: on x86 it turns single floats into half floats bit by bit, although
// the processor has an instruction for it. Same rounding (to nearest even), same bytes, much faster.
#if defined(__F16C__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define GGML_CPU_FP32_TO_FP16(x) _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT)
#define GGML_CPU_FP16_TO_FP32(x) _cvtsh_ss(x)
#endif

// On Arm, ggml's kernels for SVE draw wrong pictures (docs/engine.md). Without them it takes those for NEON.
#undef __ARM_FEATURE_SVE
#undef __ARM_FEATURE_SVE2
