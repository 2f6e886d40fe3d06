// CUDA's vector types, copied as one access of 4, 8 or 16 bytes as the GPU does; half and bfloat16 are in half.h.
#pragma once

// what accesses memory is inlined always, so that the debugger's table gives the line of the kernel
#define SIMT_ALWAYS inline __attribute__((always_inline))
namespace simt {
template <int bytes> struct Word;
template <> struct Word<2> { typedef unsigned short __attribute__((may_alias)) type; };
template <> struct Word<4> { typedef unsigned __attribute__((may_alias)) type; };
template <> struct Word<8> { typedef float __attribute__((vector_size(8), may_alias)) type; };
template <> struct Word<16> { typedef float __attribute__((vector_size(16), may_alias)) type; };
// {1.f, 2.f} makes a vector whose other elements are 0, as of any struct; a number alone, or in parentheses, does not
template <class T> using List = std::initializer_list<T>;
template <class T> constexpr T element(List<T> list, size_t k) { return k < list.size() ? list.begin()[k] : T(); }
}  // namespace simt

#define SIMT_VECTOR(N, bytes)                                                                       \
  N() = default;                                                                                    \
  SIMT_ALWAYS N(const N& o) { *(simt::Word<bytes>::type*)this = *(const simt::Word<bytes>::type*)&o; }          \
  SIMT_ALWAYS N& operator=(const N& o) {                                                                        \
    *(simt::Word<bytes>::type*)this = *(const simt::Word<bytes>::type*)&o;                          \
    return *this;                                                                                   \
  }
#define SIMT_VECTORS(T, N)                                                                          \
  struct N##1 { T x; };                                                                             \
  struct alignas(2 * sizeof(T)) N##2 {                                                              \
    T x, y;                                                                                         \
    SIMT_VECTOR(N##2, 2 * sizeof(T))                                                                \
    SIMT_ALWAYS constexpr N##2(simt::List<T> v) : x(simt::element(v, 0)), y(simt::element(v, 1)) {} \
  };                                                                                                \
  struct N##3 { T x, y, z; };                                                                       \
  static inline N##1 make_##N##1(T x) { return {x}; }                                               \
  static inline N##2 make_##N##2(T x, T y) { return {x, y}; }                                       \
  static inline N##3 make_##N##3(T x, T y, T z) { return {x, y, z}; }
#define SIMT_VECTORS_OF_FOUR(T, N)                                                                  \
  struct alignas(4 * sizeof(T)) N##4 {                                                              \
    T x, y, z, w;                                                                                   \
    SIMT_VECTOR(N##4, 4 * sizeof(T))                                                                \
    SIMT_ALWAYS constexpr N##4(simt::List<T> v)                                                     \
        : x(simt::element(v, 0)), y(simt::element(v, 1)), z(simt::element(v, 2)), w(simt::element(v, 3)) {} \
  };                                                                                                \
  static inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SIMT_VECTORS(float, float)
SIMT_VECTORS(double, double)
SIMT_VECTORS(int, int)
SIMT_VECTORS(unsigned, uint)
SIMT_VECTORS(short, short)
SIMT_VECTORS(unsigned short, ushort)
SIMT_VECTORS(unsigned char, uchar)
SIMT_VECTORS(signed char, char)
SIMT_VECTORS(long, long)
SIMT_VECTORS(unsigned long, ulong)
SIMT_VECTORS(long long, longlong)
SIMT_VECTORS(unsigned long long, ulonglong)
SIMT_VECTORS_OF_FOUR(float, float)
SIMT_VECTORS_OF_FOUR(int, int)
SIMT_VECTORS_OF_FOUR(unsigned, uint)
SIMT_VECTORS_OF_FOUR(short, short)
SIMT_VECTORS_OF_FOUR(unsigned short, ushort)
SIMT_VECTORS_OF_FOUR(unsigned char, uchar)
SIMT_VECTORS_OF_FOUR(signed char, char)
#define SIMT_VECTORS_OF_32_BYTES(T, N)       \
  struct alignas(16) N##4 { T x, y, z, w; }; \
  static inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SIMT_VECTORS_OF_32_BYTES(double, double)
SIMT_VECTORS_OF_32_BYTES(long, long)
SIMT_VECTORS_OF_32_BYTES(unsigned long, ulong)
SIMT_VECTORS_OF_32_BYTES(long long, longlong)
SIMT_VECTORS_OF_32_BYTES(unsigned long long, ulonglong)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

// Storage of 16 bits: only declared here, so that kernels include cuda_fp16.h or cuda_bf16.h as they must for CUDA.
struct __half;
struct __half2;
struct __nv_bfloat16;
struct __nv_bfloat162;
