// Arithmetic that CUDA has and C++ lacks. Results are those of IEEE arithmetic: a GPU's fast versions differ a little.
#pragma once

// min and max for the pairs that CUDA has: of a float and an int it does not know which is meant, and says so. Of a
// number and a nan the number.
#define SIMT_LEAST(R, A, B, smaller, larger)                  \
  static inline R min(A a, B b) { return smaller; }           \
  static inline R max(A a, B b) { return larger; }
#define SIMT_LEAST_WHOLE(R, A, B) SIMT_LEAST(R, A, B, (R)b < (R)a ? (R)b : (R)a, (R)a < (R)b ? (R)b : (R)a)
#define SIMT_LEAST_OF(T)                                      \
  SIMT_LEAST_WHOLE(T, T, T)                                   \
  SIMT_LEAST_WHOLE(unsigned T, unsigned T, unsigned T)        \
  SIMT_LEAST_WHOLE(unsigned T, T, unsigned T)                 \
  SIMT_LEAST_WHOLE(unsigned T, unsigned T, T)
SIMT_LEAST_OF(int) SIMT_LEAST_OF(long) SIMT_LEAST_OF(long long)
SIMT_LEAST(float, float, float, fminf(a, b), fmaxf(a, b))
SIMT_LEAST(double, double, double, fmin(a, b), fmax(a, b))
SIMT_LEAST(double, float, double, fmin((double)a, b), fmax((double)a, b))
SIMT_LEAST(double, double, float, fmin(a, (double)b), fmax(a, (double)b))
#if !defined __GLIBC__ || __GLIBC__ == 2 && __GLIBC_MINOR__ < 42  // later ones have both, as C23 wants
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
#endif
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline float __frsqrt_rn(float x) { return rsqrtf(x); }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float fdividef(float a, float b) { return a / b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline double __drcp_rn(double x) { return 1.0 / x; }
static inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
static inline float norm3df(float a, float b, float c) { return (float)sqrt((double)a * a + (double)b * b + (double)c * c); }
static inline float rhypotf(float a, float b) { return 1.0f / hypotf(a, b); }
static inline float normcdff(float x) { return 0.5f * erfcf(-0.70710678f * x); }
static inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
// macros: the C library declares functions of these names for itself
#define __expf expf
#define __exp10f(x) powf(10.0f, x)
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __powf powf
#define __sincosf sincosf

#define SIMT_CAST(name, From, To, expression) \
  static inline To name(From x) { return (To)(expression); }
SIMT_CAST(__int2float_rn, int, float, x)
SIMT_CAST(__uint2float_rn, unsigned, float, x)
SIMT_CAST(__ll2float_rn, long long, float, x)
SIMT_CAST(__int2double_rn, int, double, x)
SIMT_CAST(__double2float_rn, double, float, x)
SIMT_CAST(__float2int_rn, float, int, rintf(x))
SIMT_CAST(__float2int_rz, float, int, x)
SIMT_CAST(__float2int_rd, float, int, floorf(x))
SIMT_CAST(__float2int_ru, float, int, ceilf(x))
SIMT_CAST(__float2uint_rn, float, unsigned, rintf(x))
SIMT_CAST(__float2uint_rz, float, unsigned, x)
SIMT_CAST(__float2ll_rn, float, long long, rintf(x))
SIMT_CAST(__float2ll_rz, float, long long, x)
SIMT_CAST(__double2int_rn, double, int, rint(x))
SIMT_CAST(__double2int_rz, double, int, x)
SIMT_CAST(__uint2double_rn, unsigned, double, x)
SIMT_CAST(__ll2double_rn, long long, double, x)
SIMT_CAST(__ull2float_rn, unsigned long long, float, x)
template <class To, class From> static inline To simt_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "the sizes differ");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
static inline int __float_as_int(float x) { return simt_bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return simt_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return simt_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return simt_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return simt_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return simt_bits<double>(x); }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; ++i) reversed = reversed << 1 | (x >> i & 1);
  return reversed;
}
static inline int __mul24(int a, int b) { return a * b; }
static inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline unsigned __umul24(unsigned a, unsigned b) { return a * b; }
static inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
  return (unsigned)((((unsigned long long)high << 32 | low) << (by & 31)) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
  return (unsigned)(((unsigned long long)high << 32 | low) >> (by & 31));
}
