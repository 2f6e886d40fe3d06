// One read and one write by blocks that need nobody: each keeps GROUP whole channels in its shared memory.
// Follows images.cu in the same module.
//
// The channels of an image lie side by side, so what one of them does not allow a few together may: one channel of
// 7 x 7 has 49 numbers, four have 49 packs of four. Global memory is moved in packs of VEC numbers; in shared memory a
// channel is read in pieces of PIECE numbers, and no piece straddles two channels. Thread t works on channel t % GROUP.
//
// Copies are waited for in four stages, a quarter of the images each, so that sums begin when the first data are there.

#define GROUP (VEC / PIECE)
#define STAGES 4
typedef bundle<PIECE> piece;

// A thread's way through shared memory where GROUP > 1. A run is one channel of one image: an odd number of pieces, so
// that at most two threads side by side, which take runs side by side, meet in a bank, and that only where pieces have 2
// bytes. Where there are more threads than runs, teams of them share the pieces of each.
struct reader {
  int run, first, last, pieces;
  __device__ __forceinline__ reader(int runs, int pieces_) : pieces(pieces_) {
    const int teams = max(1, (int)blockDim.x / runs), team = threadIdx.x / runs;
    run = team < teams ? threadIdx.x - team * runs : runs;
    first = pieces * team / teams, last = pieces * (team + 1) / teams;
  }
  // Calls `visit(i)` for the thread's pieces up to run `end`.
  template <class Visit> __device__ __forceinline__ void until(int end, Visit visit) {
    for (; run < end; run += blockDim.x) {
#pragma unroll 4
      for (int p = first; p < last; ++p) visit(run * pieces + p);
    }
  }
};
// Sums over the threads of this thread's channel.
__device__ __forceinline__ float2 lane_sum(float2 value) {
#pragma unroll
  for (int distance = 16; distance >= GROUP; distance >>= 1) {
    value.x += __shfl_xor_sync(ALL_LANES, value.x, distance);
    value.y += __shfl_xor_sync(ALL_LANES, value.y, distance);
  }
  return value;
}
__device__ __forceinline__ float2 group_sum(float2 value) {
  if constexpr (GROUP == 1) return block_sum(value);
  __shared__ float2 of_warp[16 * GROUP];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  value = lane_sum(value);
  if (lane < GROUP) of_warp[warp * GROUP + lane] = value;
  __syncthreads();
  value = make_float2(0.f, 0.f);
  for (int w = 0; w < blockDim.x >> 5; ++w) {
    value.x += of_warp[w * GROUP + lane % GROUP].x;
    value.y += of_warp[w * GROUP + lane % GROUP].y;
  }
  return value;
}
// One of eight numbers (four where GROUP is 8) spread over the channel, for the mean of them.
__device__ __forceinline__ stored sampled_here(const stored* x, int channel, SHAPE) {
  constexpr int samples = GROUP == 8 ? 4 : 8;
  const long long k = (threadIdx.x & 31) / GROUP % samples;
  return x[(images * k / samples * channels + channel) * positions + positions * k / samples];
}

extern "C" __global__ void __launch_bounds__(512)
forward_held(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
             const float* __restrict__ beta, STATISTICS, SHAPE, float eps, float momentum) {
  extern __shared__ pack held[];
  const int packs = GROUP * positions / VEC, pieces = positions / PIECE, channel = blockIdx.x * GROUP + threadIdx.x % GROUP;
  const stored sample = sampled_here((const stored*)x, channel, images, channels, positions);
  const walk<long long> begin(threadIdx.x, blockDim.x, gridDim.x, packs);
  x += (long long)blockIdx.x * packs, y += (long long)blockIdx.x * packs;
  walk<long long> here = begin;
  int e = threadIdx.x;
#pragma unroll
  for (int stage = 1; stage <= STAGES; ++stage) {
    for (; e < images * stage / STAGES * packs; e += blockDim.x, here.next()) copy_begin(held + e, x + here.at);
    copies_end();
  }
  const statistics keep = {mean, inv_std, running_mean, running_var};
  const weights own = weights_of(gamma, beta, keep, channel, threadIdx.x < GROUP);
  const float numbers = (float)images * positions;
  const float shift = lane_sum(make_float2(widen(sample), 0.f)).x * (GROUP / 32.f);
  piece* values = (piece*)held;
  float2 sums = make_float2(0.f, 0.f);
  e = threadIdx.x;
  reader mine(images * GROUP, pieces);
  const auto add = [&](int stage) {
    if constexpr (GROUP == 1) {  // a thread reads what it copied itself
      for (; e < images * (stage + 1) / STAGES * packs; e += blockDim.x)
        sums = gather(sums, unpack(load(held + e)), shift);
    } else {
      __syncthreads();
      mine.until(images * (stage + 1) / STAGES * GROUP,
                 [&](int i) { sums = gather(sums, unpack(load(values + i)), shift); });
    }
  };
  copies_wait<3>(), add(0);
  copies_wait<2>(), add(1);
  copies_wait<1>(), add(2);
  copies_wait<0>(), add(3);
  sums = group_sum(sums);
  const affine map = finish(sums, shift, numbers, eps, own);
  here = begin, e = threadIdx.x;
  if constexpr (GROUP == 1) {
    for (; e < images * packs; e += blockDim.x, here.next())
      store_once(y + here.at, apply(unpack(load(held + e)), map));
  } else {
    mine = reader(images * GROUP, pieces);
    mine.until(images * GROUP, [&](int i) { values[i] = apply(unpack(load(values + i)), map); });
    __syncthreads();
    for (; e < images * packs; e += blockDim.x, here.next()) store_once(y + here.at, load(held + e));
  }
  if (threadIdx.x < GROUP) remember(sums, shift, numbers, eps, momentum, own, channel, keep);
}

extern "C" __global__ void __launch_bounds__(512)
backward_held(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
              const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
              float* dgamma, float* dbeta, SHAPE) {
  extern __shared__ pack held[];  // x, then dy
  const int packs = GROUP * positions / VEC, pieces = positions / PIECE, count = images * packs;
  const int channel = blockIdx.x * GROUP + threadIdx.x % GROUP;
  const walk<long long> begin(threadIdx.x, blockDim.x, gridDim.x, packs);
  const long long offset = (long long)blockIdx.x * packs;
  dy += offset, x += offset, dx += offset;
  walk<long long> here = begin;
  int e = threadIdx.x;
#pragma unroll
  for (int stage = 1; stage <= STAGES; ++stage) {
    for (; e < images * stage / STAGES * packs; e += blockDim.x, here.next()) {
      copy_begin(held + e, x + here.at);
      copy_begin(held + count + e, dy + here.at);
    }
    copies_end();
  }
  const float center = mean[channel], g = gamma[channel], r = inv_std[channel];
  piece *of_x = (piece*)held, *of_dy = (piece*)(held + count);
  float2 sums = make_float2(0.f, 0.f);
  e = threadIdx.x;
  reader mine(images * GROUP, pieces);
  const auto add = [&](int stage) {
    if constexpr (GROUP == 1) {
      for (; e < images * (stage + 1) / STAGES * packs; e += blockDim.x)
        sums = gather(sums, unpack(load(held + count + e)), unpack(load(held + e)), center);
    } else {
      __syncthreads();
      mine.until(images * (stage + 1) / STAGES * GROUP,
                 [&](int i) { sums = gather(sums, unpack(load(of_dy + i)), unpack(load(of_x + i)), center); });
    }
  };
  copies_wait<3>(), add(0);
  copies_wait<2>(), add(1);
  copies_wait<1>(), add(2);
  copies_wait<0>(), add(3);
  sums = group_sum(sums);
  const backward map = prepare(sums, (float)images * positions, g, center, r);
  if (threadIdx.x < GROUP) remember(sums, r, channel, {dgamma, dbeta});
  here = begin, e = threadIdx.x;
  if constexpr (GROUP == 1) {
    for (; e < count; e += blockDim.x, here.next())
      store_once(dx + here.at, apply(unpack(load(held + count + e)), unpack(load(held + e)), map));
  } else {
    mine = reader(images * GROUP, pieces);
    mine.until(images * GROUP, [&](int i) { of_dy[i] = apply(unpack(load(of_dy + i)), unpack(load(of_x + i)), map); });
    __syncthreads();
    for (; e < count; e += blockDim.x, here.next()) store_once(dx + here.at, load(held + count + e));
  }
}
