// __half and __nv_bfloat16: 16 bits of storage; arithmetic goes through float and is rounded once, to nearest even,
// which for these widths gives the correctly rounded result.
#pragma once
#define SIMT_HALF 1

namespace simt {
static inline float half_to_float(unsigned short h) {
  unsigned sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ffu;
  if (exponent == 31) return simt_bits<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent) return simt_bits<float>(sign | (exponent + 112) << 23 | fraction << 13);
  float small = fraction * 5.9604644775390625e-8f;  // 2**-24
  return sign ? -small : small;
}
static inline unsigned short float_to_half(float f) {
  unsigned bits = simt_bits<unsigned>(f), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) return (unsigned short)(sign | 0x7fffu);
  if (rest >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);  // 65520 and more round to infinity
  if (rest < 0x38800000u)                                            // below 2**-14: steps of 2**-24
    return (unsigned short)(sign | (unsigned)rintf(simt_bits<float>(rest) * 16777216.0f));
  unsigned rounded = rest + 0xfffu + (rest >> 13 & 1);
  return (unsigned short)(sign | (rounded - 0x38000000u) >> 13);
}
static inline float bfloat_to_float(unsigned short b) { return simt_bits<float>((unsigned)b << 16); }
static inline unsigned short float_to_bfloat(float f) {
  unsigned bits = simt_bits<unsigned>(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
}  // namespace simt

#define SIMT_SIXTEEN(N, to, from)                                                          \
  struct alignas(2) N {                                                                    \
    unsigned short bits;                                                                   \
    N() = default;                                                                         \
    N(float f) : bits(simt::from(f)) {}                                                    \
    N(double d) : bits(simt::from((float)d)) {}                                            \
    N(int i) : bits(simt::from((float)i)) {}                                               \
    operator float() const { return simt::to(bits); }                                      \
    N& operator+=(N o) { return *this = N((float)*this + (float)o); }                      \
    N& operator-=(N o) { return *this = N((float)*this - (float)o); }                      \
    N& operator*=(N o) { return *this = N((float)*this * (float)o); }                      \
    N& operator/=(N o) { return *this = N((float)*this / (float)o); }                      \
  };                                                                                       \
  static inline N operator+(N a, N b) { return N((float)a + (float)b); }                   \
  static inline N operator-(N a, N b) { return N((float)a - (float)b); }                   \
  static inline N operator*(N a, N b) { return N((float)a * (float)b); }                   \
  static inline N operator/(N a, N b) { return N((float)a / (float)b); }                   \
  static inline N operator-(N a) { return N(-(float)a); }                                  \
  static inline bool operator<(N a, N b) { return (float)a < (float)b; }                   \
  static inline bool operator>(N a, N b) { return (float)a > (float)b; }                   \
  static inline bool operator==(N a, N b) { return (float)a == (float)b; }                 \
  static inline bool operator!=(N a, N b) { return (float)a != (float)b; }                 \
  static inline bool operator<=(N a, N b) { return (float)a <= (float)b; }                 \
  static inline bool operator>=(N a, N b) { return (float)a >= (float)b; }                 \
  static inline N __hadd(N a, N b) { return a + b; }                                       \
  static inline N __hsub(N a, N b) { return a - b; }                                       \
  static inline N __hmul(N a, N b) { return a * b; }                                       \
  static inline N __hdiv(N a, N b) { return a / b; }                                       \
  static inline N __hneg(N a) { return -a; }                                               \
  static inline N __hmax(N a, N b) { return N(fmaxf(a, b)); }                              \
  static inline N __hmin(N a, N b) { return N(fminf(a, b)); }                              \
  static inline bool __hgt(N a, N b) { return a > b; }                                     \
  static inline bool __hlt(N a, N b) { return a < b; }                                     \
  static inline bool __hge(N a, N b) { return a >= b; }                                    \
  static inline bool __hle(N a, N b) { return a <= b; }                                    \
  static inline bool __heq(N a, N b) { return a == b; }                                    \
  static inline bool __hne(N a, N b) { return (float)a < (float)b || (float)a > (float)b; }  \
  static inline bool __hisnan(N a) { return (float)a != (float)a; }                        \
  static inline N __habs(N a) { return N(fabsf(a)); }                                      \
  static inline N hsqrt(N a) { return N(sqrtf(a)); }                                       \
  static inline N hrsqrt(N a) { return N(1.0f / sqrtf(a)); }                               \
  static inline N hexp(N a) { return N(expf(a)); }                                         \
  static inline N hlog(N a) { return N(logf(a)); }                                         \
  static inline N hrcp(N a) { return N(1.0f / (float)a); }                                 \
  static inline N __hfma(N a, N b, N c) { return N(fmaf(a, b, c)); }                       \
  struct alignas(4) N##2 {                                                                 \
    N x, y;                                                                                \
    SIMT_VECTOR(N##2, 4)                                                                   \
    N##2(N a, N b) : x(a), y(b) {}                                                         \
    N##2& operator+=(N##2 o) { return *this = N##2(x + o.x, y + o.y); }                    \
    N##2& operator-=(N##2 o) { return *this = N##2(x - o.x, y - o.y); }                    \
    N##2& operator*=(N##2 o) { return *this = N##2(x * o.x, y * o.y); }                    \
    N##2& operator/=(N##2 o) { return *this = N##2(x / o.x, y / o.y); }                    \
  };                                                                                       \
  static inline N##2 operator+(N##2 a, N##2 b) { return N##2(a.x + b.x, a.y + b.y); }      \
  static inline N##2 operator-(N##2 a, N##2 b) { return N##2(a.x - b.x, a.y - b.y); }      \
  static inline N##2 operator*(N##2 a, N##2 b) { return N##2(a.x * b.x, a.y * b.y); }      \
  static inline N##2 operator/(N##2 a, N##2 b) { return N##2(a.x / b.x, a.y / b.y); }      \
  static inline N##2 operator-(N##2 a) { return N##2(-a.x, -a.y); }                        \
  static inline N##2 __h2div(N##2 a, N##2 b) { return a / b; }                             \
  static inline N##2 __hneg2(N##2 a) { return -a; }                                        \
  static inline N##2 __hmax2(N##2 a, N##2 b) { return N##2(__hmax(a.x, b.x), __hmax(a.y, b.y)); } \
  static inline N##2 __hmin2(N##2 a, N##2 b) { return N##2(__hmin(a.x, b.x), __hmin(a.y, b.y)); } \
  static inline N##2 __hadd2(N##2 a, N##2 b) { return a + b; }                             \
  static inline N##2 __hsub2(N##2 a, N##2 b) { return a - b; }                             \
  static inline N##2 __hmul2(N##2 a, N##2 b) { return a * b; }                             \
  static inline N##2 __hfma2(N##2 a, N##2 b, N##2 c) { return N##2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)); }
SIMT_SIXTEEN(__half, half_to_float, float_to_half)
SIMT_SIXTEEN(__nv_bfloat16, bfloat_to_float, float_to_bfloat)
typedef __half half;
typedef __half2 half2;
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

static inline float __half2float(__half h) { return h; }
static inline __half __float2half(float f) { return f; }
static inline __half __float2half_rn(float f) { return f; }
static inline __half __double2half(double d) { return d; }
static inline __half __int2half_rn(int i) { return i; }
static inline __half __uint2half_rn(unsigned i) { return (float)i; }
static inline int __half2int_rn(__half h) { return (int)rintf(h); }
static inline int __half2int_rz(__half h) { return (int)(float)h; }
static inline __half2 __half2half2(__half h) { return __half2(h, h); }
static inline float2 __half22float2(__half2 h) { return make_float2(h.x, h.y); }
static inline __half2 __floats2half2_rn(float a, float b) { return __half2(a, b); }
static inline __half2 __float22half2_rn(float2 f) { return __half2(f.x, f.y); }
static inline __half2 __float2half2_rn(float f) { return __half2(f, f); }
static inline __half2 __halves2half2(__half a, __half b) { return __half2(a, b); }
static inline __half2 make_half2(__half a, __half b) { return __half2(a, b); }
static inline __half __low2half(__half2 h) { return h.x; }
static inline __half __high2half(__half2 h) { return h.y; }
static inline float __low2float(__half2 h) { return h.x; }
static inline float __high2float(__half2 h) { return h.y; }
static inline unsigned short __half_as_ushort(__half h) { return h.bits; }
static inline __half __ushort_as_half(unsigned short bits) { __half h; h.bits = bits; return h; }

static inline float __bfloat162float(__nv_bfloat16 b) { return b; }
static inline __nv_bfloat16 __float2bfloat16(float f) { return f; }
static inline __nv_bfloat16 __float2bfloat16_rn(float f) { return f; }
static inline __nv_bfloat16 __double2bfloat16(double d) { return d; }
static inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 b) { return __nv_bfloat162(b, b); }
static inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return __nv_bfloat162(a, b); }
static inline float2 __bfloat1622float2(__nv_bfloat162 b) { return make_float2(b.x, b.y); }
static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return __nv_bfloat162(a, b); }
static inline __nv_bfloat162 __float22bfloat162_rn(float2 f) { return __nv_bfloat162(f.x, f.y); }
static inline __nv_bfloat162 __float2bfloat162_rn(float f) { return __nv_bfloat162(f, f); }
static inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return __nv_bfloat162(a, b); }
static inline float __low2float(__nv_bfloat162 b) { return b.x; }
static inline float __high2float(__nv_bfloat162 b) { return b.y; }
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 b) { return b.bits; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { __nv_bfloat16 b; b.bits = bits; return b; }
