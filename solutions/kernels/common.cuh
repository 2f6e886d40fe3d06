// What all kernels of this folder share: storage types, packs of one load, sums over warps and blocks.
//
// STORAGE says what lies in memory (float, half_bits or bfloat_bits), VEC how many numbers one access moves.
// Statistics and arithmetic are float in every case. No header is included, so that NVRTC, nvcc and the simulator
// compile the same text.

#define ALL_LANES 0xffffffffu

struct half_bits { unsigned short bits; };    // IEEE 754 binary16
struct bfloat_bits { unsigned short bits; };  // the upper half of a float

__device__ __forceinline__ float widen(float value) { return value; }
__device__ __forceinline__ float widen(bfloat_bits value) { return __uint_as_float((unsigned)value.bits << 16); }
__device__ __forceinline__ float widen(half_bits value) {
#ifdef __CUDA_ARCH__
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
#else
  const unsigned sign = (value.bits & 0x8000u) << 16, exponent = (value.bits >> 10) & 31u, mantissa = value.bits & 1023u;
  if (exponent == 0) return __uint_as_float(sign | __float_as_uint(mantissa * 5.9604645e-8f));  // multiples of 2^-24
  return __uint_as_float(sign | ((exponent == 31 ? 255u : exponent + 112u) << 23) | (mantissa << 13));
#endif
}

__device__ __forceinline__ void narrow(float value, float& stored) { stored = value; }
__device__ __forceinline__ void narrow(float value, bfloat_bits& stored) {
  const unsigned bits = __float_as_uint(value);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  stored.bits = nan ? 0x7fc0 : (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);  // to nearest, ties to even
}
__device__ __forceinline__ void narrow(float value, half_bits& stored) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(stored.bits) : "f"(value));
#else
  const unsigned bits = __float_as_uint(value), sign = (bits >> 16) & 0x8000u, size = bits & 0x7fffffffu;
  unsigned rounded;
  if (size > 0x7f800000u) rounded = 0x7e00u;                                 // nan
  else if (size >= 0x477ff000u) rounded = 0x7c00u;                           // 65520 and more round to infinity
  else if (size < 0x38800000u) rounded = __float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000u;  // below 2^-14
  else rounded = (size - 0x38000000u + 0xfffu + ((size >> 13) & 1u)) >> 13;  // to nearest, ties to even
  stored.bits = (unsigned short)(sign | rounded);
#endif
}

typedef STORAGE stored;
template <int N> struct alignas(sizeof(stored) * N) bundle { stored at[N]; };
template <int N> struct floats { float at[N]; };
typedef bundle<VEC> pack;  // what one access moves: 16 bytes where shapes allow
typedef floats<VEC> wide;

template <int N> __device__ __forceinline__ floats<N> unpack(const bundle<N>& packed) {
  floats<N> values;
#pragma unroll
  for (int v = 0; v < N; ++v) values.at[v] = widen(packed.at[v]);
  return values;
}
template <int N> __device__ __forceinline__ bundle<N> repack(const floats<N>& values) {
  bundle<N> packed;
#pragma unroll
  for (int v = 0; v < N; ++v) narrow(values.at[v], packed.at[v]);
  return packed;
}

// One access moves a whole bundle. Without this the compiler loads the members of a struct one by one. `load_once` is
// for data that nobody reads again: they should not push other data out of the cache.
template <int BYTES> struct word;
template <> struct word<2> { typedef unsigned short type; };
template <> struct word<4> { typedef unsigned type; };
template <> struct word<8> { typedef uint2 type; };
template <> struct word<16> { typedef uint4 type; };
template <int N> union transfer {
  typedef typename word<sizeof(bundle<N>)>::type word_t;
  bundle<N> packed;
  word_t word;
  __device__ transfer() {}
};

template <int N> __device__ __forceinline__ bundle<N> load(const bundle<N>* from) {
  transfer<N> moved;
  moved.word = *(const typename transfer<N>::word_t*)from;
  return moved.packed;
}
template <int N> __device__ __forceinline__ bundle<N> load_once(const bundle<N>* from) {
  transfer<N> moved;
  moved.word = __ldcs((const typename transfer<N>::word_t*)from);
  return moved.packed;
}
__device__ __forceinline__ void store_once(pack* to, const pack& packed) {
  transfer<VEC> moved;
  moved.packed = packed;
  __stcs((typename transfer<VEC>::word_t*)to, moved.word);
}

// Copies to shared memory that run while the thread goes on (from sm_80 on): those since the last `copies_end` are one
// group, and `copies_wait<N>` waits until at most N groups are under way. Each thread waits for its own copies. LINES says
// that whole lines of the cache are wanted, in long runs: memory may send them at once.
template <bool LINES = false> __device__ __forceinline__ void copy_begin(pack* to, const pack* from) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (sizeof(pack) == 16 && LINES) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(to)),
                 "l"(from)
                 : "memory");
    return;
  } else if constexpr (sizeof(pack) == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from)
                 : "memory");
    return;
  } else if constexpr (sizeof(pack) >= 4) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from),
                 "n"(sizeof(pack))
                 : "memory");
    return;
  }
#endif
  *to = load_once(from);
}
__device__ __forceinline__ void copy_begin(float* to, const float* from) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from)
               : "memory");
#else
  *to = *from;
#endif
}
__device__ __forceinline__ void copies_end() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;");
#endif
}
template <int PENDING> __device__ __forceinline__ void copies_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

__device__ __forceinline__ float2 warp_sum(float2 value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance >>= 1) {
    value.x += __shfl_xor_sync(ALL_LANES, value.x, distance);
    value.y += __shfl_xor_sync(ALL_LANES, value.y, distance);
  }
  return value;
}

// Every thread of the block gets the sum; blockDim.x is a multiple of 32.
__device__ __forceinline__ float2 block_sum(float2 value) {
  __shared__ float2 of_warp[32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  value = warp_sum(value);
  __syncthreads();  // of_warp may still be read for an earlier sum
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  return warp_sum(lane < blockDim.x >> 5 ? of_warp[lane] : make_float2(0.f, 0.f));
}

// What the forward pass leaves behind for one channel, and how it maps x to y: y = scale * (x - shift) + offset.
struct affine { float scale, shift, offset; };

struct statistics { float *mean, *inv_std, *running_mean, *running_var; };

// The variance, from sums of (x - shift) and (x - shift)^2 over `count` numbers.
__device__ __forceinline__ float variance(float2 sums, float count) {
  const float distance = sums.x / count;
  const float var = sums.y / count - distance * distance;
  return var < 0.f ? 0.f : var;  // a nan stays one
}
// What a channel brings along. Kernels read it while they wait for x: afterwards everybody would wait for this. The
// running statistics are there for the thread alone that moves them.
struct weights { float gamma, beta, running_mean, running_var; };

__device__ __forceinline__ weights weights_of(const float* gamma, const float* beta, statistics keep, int channel,
                                              bool moves) {
  weights read = {gamma[channel], beta[channel], 0.f, 0.f};
  if (moves) read.running_mean = keep.running_mean[channel], read.running_var = keep.running_var[channel];
  return read;
}
// From the same sums to the affine map. The subtraction comes first and is exact near the mean: y keeps its digits where
// |mean| is far above the deviation.
__device__ __forceinline__ affine finish(float2 sums, float shift, float count, float eps, const weights& own) {
  const float scale = own.gamma * (1.f / sqrtf(variance(sums, count) + eps));
  return {scale, shift, own.beta - sums.x / count * scale};
}
// Stores what remains of a channel.
__device__ __forceinline__ void remember(float2 sums, float shift, float count, float eps, float momentum,
                                         const weights& before, int channel, statistics keep) {
  const float var = variance(sums, count), mean = shift + sums.x / count;
  keep.mean[channel] = mean;
  keep.inv_std[channel] = 1.f / sqrtf(var + eps);
  const float unbiased = var * (count / fmaxf(count - 1.f, 1.f));
  keep.running_mean[channel] = before.running_mean + momentum * (mean - before.running_mean);
  keep.running_var[channel] = before.running_var + momentum * (unbiased - before.running_var);
}

// dx = scale * (dy - mean_dy - (x - mean) * slope), the closed form with its two averages.
struct backward { float scale, mean_dy, mean, slope; };
struct gradients { float *gamma, *beta; };

// The sums are those of dy and of dy * (x - mean).
__device__ __forceinline__ backward prepare(float2 sums, float count, float gamma, float mean, float inv_std) {
  return {gamma * inv_std, sums.x / count, mean, sums.y * inv_std * inv_std / count};
}
__device__ __forceinline__ void remember(float2 sums, float inv_std, int channel, gradients keep) {
  keep.beta[channel] = sums.x;
  keep.gamma[channel] = sums.y * inv_std;
}

// Blocks that tell each other sums, all of them resident: a cooperative launch. A letter is a pair of numbers, each of
// them in one access of 8 bytes, which is never torn, together with the stamp of the launch: who finds the stamps has the
// numbers, without any fence.
struct letter { unsigned long long first, second; };

__device__ __forceinline__ void post(letter* to, float2 sums, unsigned stamp) {
  const unsigned long long mark = (unsigned long long)stamp << 32;
  *(volatile unsigned long long*)&to->first = mark | __float_as_uint(sums.x);
  *(volatile unsigned long long*)&to->second = mark | __float_as_uint(sums.y);
}
__device__ __forceinline__ float2 receive(const letter* from, unsigned stamp) {
  for (;; __nanosleep(20)) {
    const unsigned long long first = *(const volatile unsigned long long*)&from->first;
    const unsigned long long second = *(const volatile unsigned long long*)&from->second;
    if (first >> 32 == stamp && second >> 32 == stamp)
      return make_float2(__uint_as_float((unsigned)first), __uint_as_float((unsigned)second));
  }
}
// The sum of the letters from[j * stride] for j = first, first + step, ..., below count. Four are asked for together.
__device__ __forceinline__ float2 receive_sum(const letter* from, int stride, int first, int step, int count,
                                              unsigned stamp) {
  float2 sums = make_float2(0.f, 0.f);
  for (int j = first; j < count; j += 4 * step) {
    unsigned long long ones[4], twos[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const letter* one = from + min(j + k * step, count - 1) * stride;
      ones[k] = *(const volatile unsigned long long*)&one->first;
      twos[k] = *(const volatile unsigned long long*)&one->second;
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if (j + k * step >= count) break;
      float2 found = make_float2(__uint_as_float((unsigned)ones[k]), __uint_as_float((unsigned)twos[k]));
      if (ones[k] >> 32 != stamp || twos[k] >> 32 != stamp) found = receive(from + (j + k * step) * stride, stamp);
      sums.x += found.x;
      sums.y += found.y;
    }
  }
  return sums;
}
// The sum of `count` letters side by side, for every lane of one warp.
__device__ __forceinline__ float2 receive_all(const letter* from, int count, unsigned stamp) {
  return warp_sum(receive_sum(from, 1, threadIdx.x & 31, 32, count, stamp));
}
// `begun` counts the blocks that have begun, in all launches with these letters, each of gridDim.x blocks: what a block
// finds there tells the stamp of its launch, also where a CUDA graph repeats it. All threads may read `stamp` behind the
// next barrier. The last thread asks, since the first ones have other things to ask for.
__device__ __forceinline__ void enter(unsigned long long* begun, unsigned* stamp) {
  if (threadIdx.x == blockDim.x - 1) *stamp = (unsigned)(atomicAdd(begun, 1ull) / gridDim.x) + 1u;
}
