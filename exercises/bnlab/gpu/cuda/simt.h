// CUDA C++ on a CPU: what a kernel may use, in terms of the runtime (abi.h). Included before every kernel.
#pragma once
#include <math.h>
#include <stdio.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include "abi.h"

#define __CUDA_SIMULATOR__ 1
#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#undef __noinline__
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

// Shared variables live in one linker section, so that they can be poisoned before every block. source.py adds
// SIMT_NAMED after their declaration: a guard behind each, and an entry in the table of variables.
#define __shared__ __attribute__((section("simt_shared"), aligned(16))) static
#define SIMT_SIZES(v)                                                                                             \
  sizeof(v), sizeof(simt::Part<decltype(v)>), sizeof(simt::Part<simt::Part<decltype(v)>>),                        \
      sizeof(typename std::remove_all_extents<decltype(v)>::type)
#define SIMT_NAMED(v)                                                                                             \
  static_assert(simt::bare<decltype(v)>,                                                                          \
                "a __shared__ variable is not constructed: give the struct no constructor, or S() = default;");  \
  __attribute__((section("simt_shared"), used, aligned(16))) static char simt_guard_##v[SIMT_GUARD];              \
  __attribute__((section("simt_table"), used)) static const SimtShared simt_entry_##v = {                         \
      #v, (void*)&v, SIMT_SIZES(v), simt_guard_##v};
// ... and SIMT_GLOBAL after that of __device__ variables.
#define SIMT_GLOBAL(v)                                                                       \
  __attribute__((section("simt_globals"), used)) static const SimtShared simt_global_##v = { \
      #v, (void*)&v, SIMT_SIZES(v), nullptr};
// g++ 12 leaves variables of template functions out of the section, clang++ 14 does not. Where they are left out the
// runtime gets to know them when a thread comes to their declaration; a guard they have not. Blocks that take turns would
// find each other's numbers: then the launch fails instead.
#define SIMT_INSIDE(v)                                                                                     \
  if ((uintptr_t)&v < (uintptr_t)__start_simt_shared || (uintptr_t)&v >= (uintptr_t)__stop_simt_shared) {  \
    if (simt_cooperative())                                                                                \
      simt_fail("assert", __LINE__, "the simulator cannot keep __shared__ " #v                             \
                " of a template function apart for blocks that run together: declare it outside of the "   \
                "template, and hand it over");                                                             \
    static const SimtShared simt_entry_##v = {                                                             \
        #v, (void*)&v, SIMT_SIZES(v), nullptr};                                                            \
    simt_shared_inside(&simt_entry_##v);                                                                   \
  }
namespace simt {
template <class T> constexpr bool bare =
    std::is_trivially_default_constructible<typename std::remove_all_extents<T>::type>::value;
template <class T> using Part = typename std::remove_extent<T>::type;  // what a[0] is of an array a, and else a itself
template <class T> struct Dynamic {  // extern __shared__ T name[] outside of functions
  operator T*() const { return (T*)simt_dynamic_shared(); }
  template <class U> explicit operator U*() const { return (U*)simt_dynamic_shared(); }
};
}

#include "types.h"

extern "C" {
extern const uint3 threadIdx, blockIdx;
extern const dim3 blockDim, gridDim;
}
static const int warpSize = 32;

// ---- barriers and fences --------------------------------------------------------------------------------------------
static inline void __syncthreads(int line = __builtin_LINE()) { simt_barrier(line); }
static inline int __syncthreads_count(int p, int line = __builtin_LINE()) { return simt_barrier_count(p, line); }
static inline int __syncthreads_or(int p, int line = __builtin_LINE()) { return simt_barrier_count(p, line) != 0; }
static inline int __syncthreads_and(int p, int line = __builtin_LINE()) { return simt_barrier_count(!p, line) == 0; }
static inline void __threadfence() { simt_fence(); }
static inline void __threadfence_block() { simt_fence(); }
static inline void __threadfence_system() { simt_fence(); }
static inline void __nanosleep(unsigned, int line = __builtin_LINE()) { simt_spin(line); }

// ---- warps ----------------------------------------------------------------------------------------------------------
namespace simt {
template <class T> struct Shuffles {
  enum { value = sizeof(T) <= 8 && (std::is_arithmetic<T>::value || std::is_enum<T>::value) };
};
#define SIMT_SHUFFLES(T) \
  template <> struct Shuffles<T> { enum { value = 1 }; };
SIMT_SHUFFLES(__half) SIMT_SHUFFLES(__half2) SIMT_SHUFFLES(__nv_bfloat16) SIMT_SHUFFLES(__nv_bfloat162)
template <class T> T shuffle(unsigned mask, T value, int source, int line) {
  static_assert(Shuffles<T>::value, "a shuffle moves a number, such as a float or an int, or a half: two shuffles move two");
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof value);
  bits = simt_warp(mask, bits, source, SIMT_SHUFFLE, line);
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
static inline int lane_up(int by, int width) {
  int lane = simt_lane();
  return (lane & (width - 1)) - by < 0 ? lane : lane - by;
}
static inline int lane_down(int by, int width) {
  int lane = simt_lane();
  return (lane & (width - 1)) + by >= width ? lane : lane + by;
}
static inline int lane_xor(int bits, int width) {
  int lane = simt_lane(), other = lane ^ bits;
  return other / width > lane / width ? lane : other;
}
static inline int lane_at(int index, int width) { return (simt_lane() & ~(width - 1)) + (index & (width - 1)); }
}  // namespace simt
#define SIMT_SHUFFLE_FUNCTION(name, lane)                                                                    \
  template <class T>                                                                                         \
  static inline T name(unsigned mask, T value, int by, int width = 32, int line = __builtin_LINE()) {        \
    return simt::shuffle(mask, value, simt::lane(by, width), line);                                          \
  }
SIMT_SHUFFLE_FUNCTION(__shfl_sync, lane_at)
SIMT_SHUFFLE_FUNCTION(__shfl_up_sync, lane_up)
SIMT_SHUFFLE_FUNCTION(__shfl_down_sync, lane_down)
SIMT_SHUFFLE_FUNCTION(__shfl_xor_sync, lane_xor)
static inline unsigned __ballot_sync(unsigned mask, int p, int line = __builtin_LINE()) {
  return (unsigned)simt_warp(mask, p != 0, 0, SIMT_BALLOT, line);
}
static inline int __any_sync(unsigned mask, int p, int line = __builtin_LINE()) {
  return __ballot_sync(mask, p, line) != 0;
}
static inline int __all_sync(unsigned mask, int p, int line = __builtin_LINE()) {
  return __ballot_sync(mask, !p, line) == 0;
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
  simt_warp(mask, 0, 0, SIMT_BALLOT, line);
}
static inline unsigned __activemask(int line = __builtin_LINE()) { return simt_active_mask(line); }
namespace simt {
template <class T> unsigned match(unsigned mask, T value, int kind, int line) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "values of 4 or 8 bytes are compared");
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof value);
  return (unsigned)simt_warp(mask, bits, 0, kind, line);
}
}  // namespace simt
template <class T> static inline unsigned __match_any_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  return simt::match(mask, value, SIMT_MATCH_ANY, line);
}
template <class T>
static inline unsigned __match_all_sync(unsigned mask, T value, int* equal, int line = __builtin_LINE()) {
  unsigned lanes = simt::match(mask, value, SIMT_MATCH_ALL, line);
  *equal = lanes != 0;
  return lanes;
}
#define SIMT_REDUCTION(name, T, kind, flip)  /* GPUs since sm_80; flip puts signed numbers into order */   \
  static inline T name(unsigned mask, T value, int line = __builtin_LINE()) {                             \
    return (T)((unsigned)simt_warp(mask, (unsigned)value ^ flip, 0, kind, line) ^ flip);                  \
  }
SIMT_REDUCTION(__reduce_add_sync, unsigned, SIMT_ADD, 0u) SIMT_REDUCTION(__reduce_add_sync, int, SIMT_ADD, 0u)
SIMT_REDUCTION(__reduce_min_sync, unsigned, SIMT_MIN, 0u) SIMT_REDUCTION(__reduce_min_sync, int, SIMT_MIN, 0x80000000u)
SIMT_REDUCTION(__reduce_max_sync, unsigned, SIMT_MAX, 0u) SIMT_REDUCTION(__reduce_max_sync, int, SIMT_MAX, 0x80000000u)
SIMT_REDUCTION(__reduce_and_sync, unsigned, SIMT_AND, 0u) SIMT_REDUCTION(__reduce_or_sync, unsigned, SIMT_OR, 0u)
SIMT_REDUCTION(__reduce_xor_sync, unsigned, SIMT_XOR, 0u)

// ---- atomics --------------------------------------------------------------------------------------------------------
namespace simt {
template <class T, class F> SIMT_ALWAYS T read_modify_write(T* address, F change, int line, int compares = 0) {
  simt_atomic_begin(address, sizeof(T), compares, line);
  T old = *address, next = change(old);
  bool differs = __builtin_memcmp(&old, &next, sizeof(T)) != 0;
  if (differs) *address = next;
  simt_atomic_end(differs);
  return old;
}
template <class T, class... Allowed> constexpr bool one_of() { return (std::is_same<T, Allowed>::value || ...); }
template <class T> using Same = typename std::common_type<T>::type;  // not deduced: 1 may be given for a float
}  // namespace simt
#define SIMT_ATOMIC(name, expression, ...)                                                                       \
  template <class T> static SIMT_ALWAYS T name(T* address, simt::Same<T> value, int line = __builtin_LINE()) {   \
    static_assert(simt::one_of<T, __VA_ARGS__>(), #name " has no version for this type; it has " #__VA_ARGS__);  \
    return simt::read_modify_write(address, [=](T old) -> T { return expression; }, line);                       \
  }                                                                                                              \
  SIMT_SCOPED(name, name##_block) SIMT_SCOPED(name, name##_system)
#define SIMT_SCOPED(name, scoped)                                                                                \
  template <class T> static SIMT_ALWAYS T scoped(T* address, simt::Same<T> value, int line = __builtin_LINE()) { \
    return name(address, value, line);                                                                           \
  }
SIMT_ATOMIC(atomicAdd, old + value, int, unsigned, unsigned long long, float, double, __half, __half2, __nv_bfloat16,
            __nv_bfloat162)
SIMT_ATOMIC(atomicSub, old - value, int, unsigned)
SIMT_ATOMIC(atomicExch, value, int, unsigned, unsigned long long, float)
SIMT_ATOMIC(atomicMax, old < value ? value : old, int, unsigned, long long, unsigned long long)
SIMT_ATOMIC(atomicMin, value < old ? value : old, int, unsigned, long long, unsigned long long)
SIMT_ATOMIC(atomicAnd, old & value, int, unsigned, unsigned long long)
SIMT_ATOMIC(atomicOr, old | value, int, unsigned, unsigned long long)
SIMT_ATOMIC(atomicXor, old ^ value, int, unsigned, unsigned long long)
SIMT_ATOMIC(atomicInc, old >= value ? 0 : old + 1, unsigned)
SIMT_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1, unsigned)
template <class T>
static SIMT_ALWAYS T atomicCAS(T* address, simt::Same<T> compare, simt::Same<T> value, int line = __builtin_LINE()) {
  static_assert(simt::one_of<T, int, unsigned, unsigned long long, unsigned short>(),
                "atomicCAS has no version for this type; it has int, unsigned, unsigned long long, unsigned short");
  return simt::read_modify_write(address, [=](T old) -> T { return old == compare ? value : old; }, line, 1);
}

// ---- loads and stores with a hint for the cache ---------------------------------------------------------------------
#define SIMT_LOAD(name) \
  template <class T> static SIMT_ALWAYS T name(const T* address) { return *address; }
SIMT_LOAD(__ldg) SIMT_LOAD(__ldcs) SIMT_LOAD(__ldcg) SIMT_LOAD(__ldca) SIMT_LOAD(__ldlu) SIMT_LOAD(__ldcv)
#define SIMT_STORE(name) \
  template <class T> static SIMT_ALWAYS void name(T* address, simt::Same<T> value) { *address = value; }
SIMT_STORE(__stcg) SIMT_STORE(__stcs) SIMT_STORE(__stwb) SIMT_STORE(__stwt)

#include "arithmetic.h"

// ---- what helps to find mistakes ------------------------------------------------------------------------------------
#define printf simt_printf
#undef assert
#define assert(condition) \
  ((condition) ? (void)0 : simt_fail("assert", __LINE__, "assertion `" #condition "` failed"))
static inline void __trap(int line = __builtin_LINE()) { simt_fail("trap", line, "the kernel called __trap()"); }
static inline long long clock64() { return simt_clock(); }
static inline int simt_clock_32() { return (int)simt_clock(); }
#define clock simt_clock_32  // the C library has one of its own
#ifndef __clang__
#define __builtin_assume(condition) ((void)0)
#endif
namespace cuda {
namespace std = ::std;
}
