// One read and one write by blocks that need nobody: each keeps `group` whole channels in its shared memory.
// Follows images.cu in the same module.
//
// The channels of an image lie side by side, so what one of them does not allow a few together may: one channel of
// 7 x 7 has 49 numbers, four have 49 packs of four. Global memory is moved in packs of VEC numbers; in shared memory each
// channel has a team of warps, which takes pieces of PIECE numbers, and no piece straddles two channels.

typedef bundle<PIECE> piece;

// A thread among those of its channel.
struct membership {
  int channel, number, size, warps;  // channel within the group; number in the team, whose size is `size`
};
__device__ __forceinline__ membership join(int group) {
  const int size = blockDim.x / group;
  return {(int)threadIdx.x / size, (int)threadIdx.x % size, size, size >> 5};
}
// The mean of eight numbers of a channel that is held: as good a shift as that of `guess`.
__device__ __forceinline__ float guess_held(const piece* values, int channel, int group, int images, int positions) {
  const int e = (int)((long long)images * positions * ((threadIdx.x & 31) >> 2) / 8), image = e / positions;
  const int at = (image * group + channel) * positions + e - image * positions;
  return guess(((const stored*)values)[at]);
}

extern "C" __global__ void __launch_bounds__(1024)
forward_held(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
             const float* __restrict__ beta, STATISTICS, SHAPE, int group, float eps, float momentum) {
  extern __shared__ pack held[];
  const int packs = group * positions / VEC, count = images * packs, pieces = positions / PIECE, all = images * pieces;
  const walk<long long> begin(threadIdx.x, blockDim.x, gridDim.x, packs);
  x += (long long)blockIdx.x * packs, y += (long long)blockIdx.x * packs;
  walk<long long> here = begin;
  for (int e = threadIdx.x; e < count; e += blockDim.x, here.next()) copy_begin(held + e, x + here.at);
  copies_end();
  const membership mine = join(group);
  const int channel = blockIdx.x * group + mine.channel;
  const float g = gamma[channel], b = beta[channel], numbers = (float)images * positions;
  copies_wait<0>();
  __syncthreads();
  piece* values = (piece*)held;
  const float shift = guess_held(values, mine.channel, group, images, positions);
  const walk<int> start(mine.number, mine.size, group, pieces);
  values += mine.channel * pieces;
  float2 sums = make_float2(0.f, 0.f);
  walk<int> there = start;
  for (int e = mine.number; e < all; e += mine.size, there.next()) sums = gather(sums, unpack(values[there.at]), shift);
  sums = team_sum(sums, mine.warps);
  const affine map = finish(sums, shift, numbers, eps, g, b);
  here = begin;
  if constexpr (PIECE == VEC) {
    for (int e = threadIdx.x; e < count; e += blockDim.x, here.next())
      store_once(y + here.at, apply(unpack(held[e]), map));
  } else {
    there = start;
    for (int e = mine.number; e < all; e += mine.size, there.next())
      values[there.at] = apply(unpack(values[there.at]), map);
    __syncthreads();
    for (int e = threadIdx.x; e < count; e += blockDim.x, here.next()) store_once(y + here.at, held[e]);
  }
  if (mine.number == 0)
    remember(sums, shift, numbers, channel, eps, momentum, {mean, inv_std, running_mean, running_var});
}

extern "C" __global__ void __launch_bounds__(1024)
backward_held(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
              const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
              float* dgamma, float* dbeta, SHAPE, int group) {
  extern __shared__ pack held[];  // x, then dy
  const int packs = group * positions / VEC, count = images * packs, pieces = positions / PIECE, all = images * pieces;
  const walk<long long> begin(threadIdx.x, blockDim.x, gridDim.x, packs);
  const long long offset = (long long)blockIdx.x * packs;
  dy += offset, x += offset, dx += offset;
  walk<long long> here = begin;
  for (int e = threadIdx.x; e < count; e += blockDim.x, here.next()) {
    copy_begin(held + e, x + here.at);
    copy_begin(held + count + e, dy + here.at);
  }
  copies_end();
  const membership mine = join(group);
  const int channel = blockIdx.x * group + mine.channel;
  const float center = mean[channel], g = gamma[channel], r = inv_std[channel];
  copies_wait<0>();
  __syncthreads();
  const walk<int> start(mine.number, mine.size, group, pieces);
  piece *of_x = (piece*)held + mine.channel * pieces, *of_dy = (piece*)(held + count) + mine.channel * pieces;
  float2 sums = make_float2(0.f, 0.f);
  walk<int> there = start;
  for (int e = mine.number; e < all; e += mine.size, there.next())
    sums = gather(sums, unpack(of_dy[there.at]), unpack(of_x[there.at]), center);
  sums = team_sum(sums, mine.warps);
  const backward map = prepare(sums, (float)images * positions, g, center, r);
  if (mine.number == 0) remember(sums, r, channel, {dgamma, dbeta});
  here = begin;
  if constexpr (PIECE == VEC) {
    for (int e = threadIdx.x; e < count; e += blockDim.x, here.next())
      store_once(dx + here.at, apply(unpack(held[count + e]), unpack(held[e]), map));
  } else {
    there = start;
    for (int e = mine.number; e < all; e += mine.size, there.next())
      of_dy[there.at] = apply(unpack(of_dy[there.at]), unpack(of_x[there.at]), map);
    __syncthreads();
    for (int e = threadIdx.x; e < count; e += blockDim.x, here.next()) store_once(dx + here.at, held[count + e]);
  }
}
