// Batch normalization of images in the layout N, C, H, W (or of anything with a position axis behind the channels).
//
// block       one block a channel; x is read twice                                    3 B forward, 5 B backward
// split       several blocks a channel, two launches; the second starts where the     as above, less what is still
//             first one ended                                                         in the L2 cache
// held        one block keeps whole channels in shared memory (held.cu)               2 B forward, 3 B backward
// persistent  one cooperative launch; blocks keep their part of a channel in shared   2 B forward, 3 B backward
//             memory while the sums travel (persistent.cu)
//
// B is the size of x. Elements of a channel are counted in packs. A second launch bound stands where the compiler would
// spill registers without it.

// The packs `first`, `first + step`, ... of a channel, one after the other and without divisions: `at` is where the
// current one lies, counted from the first pack of the channel in the first image.
template <class Index> struct walk {
  Index at, step, jump;
  int rest, step_rest, packs;  // `rest` is the pack within the image
  __device__ __forceinline__ walk(int first, int step_, int channels, int packs_) : packs(packs_) {
    const int image = first / packs, images = step_ / packs;
    rest = first - image * packs, step_rest = step_ - images * packs;
    at = (Index)image * channels * packs + rest, step = (Index)images * channels * packs + step_rest;
    jump = (Index)(channels - 1) * packs;
  }
  __device__ __forceinline__ void next() {
    at += step, rest += step_rest;
    if (rest >= packs) rest -= packs, at += jump;
  }
};

// The mean of eight numbers spread over the channel: a cheap guess at the mean, the same in every warp of every block,
// so that partial sums of (x - shift) add up. `sample` is where the number of this lane lies in the first channel.
__device__ __forceinline__ long long sample_of(int images, int channels, int positions) {
  const long long k = (threadIdx.x & 31) >> 2;
  return (images * k / 8 * channels) * positions + positions * k / 8;
}
__device__ __forceinline__ stored sampled(const pack* x, long long sample, int channel, int positions) {
  return ((const stored*)x)[sample + (long long)channel * positions];
}
__device__ __forceinline__ float guess(stored value) {
  return warp_sum(make_float2(widen(value), 0.f)).x * (1.f / 32.f);
}

template <int N> __device__ __forceinline__ float2 gather(float2 sums, const floats<N>& x, float shift) {
#pragma unroll
  for (int v = 0; v < N; ++v) {
    const float d = x.at[v] - shift;
    sums.x += d;
    sums.y = fmaf(d, d, sums.y);
  }
  return sums;
}
template <int N>
__device__ __forceinline__ float2 gather(float2 sums, const floats<N>& dy, const floats<N>& x, float mean) {
#pragma unroll
  for (int v = 0; v < N; ++v) {
    sums.x += dy.at[v];
    sums.y = fmaf(dy.at[v], x.at[v] - mean, sums.y);
  }
  return sums;
}
template <int N> __device__ __forceinline__ bundle<N> apply(const floats<N>& x, affine map) {
  floats<N> y;
#pragma unroll
  for (int v = 0; v < N; ++v) y.at[v] = fmaf(x.at[v] - map.shift, map.scale, map.offset);
  return repack(y);
}
template <int N>
__device__ __forceinline__ bundle<N> apply(const floats<N>& dy, const floats<N>& x, backward map) {
  floats<N> dx;
#pragma unroll
  for (int v = 0; v < N; ++v) dx.at[v] = map.scale * (dy.at[v] - map.mean_dy - (x.at[v] - map.mean) * map.slope);
  return repack(dx);
}

#define STATISTICS float *mean, float *inv_std, float *running_mean, float *running_var
#define SHAPE int images, int channels, int positions

// ------------------------------------------------------------------------------------------------------------- block

extern "C" __global__ void __launch_bounds__(1024, 1)
forward_block(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
              const float* __restrict__ beta, STATISTICS, SHAPE, float eps, float momentum) {
  const int channel = blockIdx.x, packs = positions / VEC, count = images * packs;
  const statistics keep = {mean, inv_std, running_mean, running_var};
  const weights own = weights_of(gamma, beta, keep, channel, threadIdx.x == 0);
  const float numbers = (float)images * positions;
  const float shift = guess(sampled(x, sample_of(images, channels, positions), channel, positions));
  const walk<long long> begin(threadIdx.x, blockDim.x, channels, packs);
  x += (long long)channel * packs, y += (long long)channel * packs;
  float2 sums = make_float2(0.f, 0.f);
  walk<long long> here = begin;
  for (int e = threadIdx.x; e < count; e += blockDim.x, here.next())
    sums = gather(sums, unpack(load(x + here.at)), shift);
  sums = block_sum(sums);
  const affine map = finish(sums, shift, numbers, eps, own);
  here = begin;
  for (int e = threadIdx.x; e < count; e += blockDim.x, here.next()) y[here.at] = apply(unpack(load(x + here.at)), map);
  if (threadIdx.x == 0) remember(sums, shift, numbers, eps, momentum, own, channel, keep);
}

extern "C" __global__ void __launch_bounds__(1024, 1)
backward_block(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               float* dgamma, float* dbeta, SHAPE) {
  const int channel = blockIdx.x, packs = positions / VEC, count = images * packs;
  const float center = mean[channel], g = gamma[channel], r = inv_std[channel];
  const walk<long long> begin(threadIdx.x, blockDim.x, channels, packs);
  dy += (long long)channel * packs, x += (long long)channel * packs, dx += (long long)channel * packs;
  float2 sums = make_float2(0.f, 0.f);
  walk<long long> here = begin;
  for (int e = threadIdx.x; e < count; e += blockDim.x, here.next())
    sums = gather(sums, unpack(load(dy + here.at)), unpack(load(x + here.at)), center);
  sums = block_sum(sums);
  const backward map = prepare(sums, (float)images * positions, g, center, r);
  if (threadIdx.x == 0) remember(sums, r, channel, {dgamma, dbeta});
  here = begin;
  for (int e = threadIdx.x; e < count; e += blockDim.x, here.next())
    dx[here.at] = apply(unpack(load(dy + here.at)), unpack(load(x + here.at)), map);
}

// ------------------------------------------------------------------------------------------------------------- split
// Grid (parts, channels): block (j, c) owns the packs j * chunk to (j + 1) * chunk of channel c.

extern "C" __global__ void __launch_bounds__(512)
forward_sums(const pack* __restrict__ x, float2* partial, SHAPE, int chunk) {
  const int channel = blockIdx.y, packs = positions / VEC, count = images * packs;
  const int first = blockIdx.x * chunk, last = min(count, first + chunk);
  const float shift = guess(sampled(x, sample_of(images, channels, positions), channel, positions));
  walk<long long> here(first + threadIdx.x, blockDim.x, channels, packs);
  x += (long long)channel * packs;
  float2 sums = make_float2(0.f, 0.f);
#pragma unroll 4
  for (int e = first + threadIdx.x; e < last; e += blockDim.x, here.next())
    sums = gather(sums, unpack(load(x + here.at)), shift);
  sums = block_sum(sums);
  if (threadIdx.x == 0) partial[channel * gridDim.x + blockIdx.x] = sums;
}

// The same order of additions in every warp, so that all blocks of a channel get the same bits.
__device__ __forceinline__ float2 add_up(const float2* partial, int parts) {
  float2 sums = make_float2(0.f, 0.f);
  for (int j = threadIdx.x & 31; j < parts; j += 32) {
    const float2 one = __ldcg(partial + j);
    sums.x += one.x;
    sums.y += one.y;
  }
  return warp_sum(sums);
}

extern "C" __global__ void __launch_bounds__(512)
forward_apply(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
              const float* __restrict__ beta, const float2* partial, STATISTICS, SHAPE, int chunk, float eps,
              float momentum) {
  const int parts = gridDim.x, j = parts - 1 - blockIdx.x, channel = channels - 1 - blockIdx.y;  // last first: in L2
  const int packs = positions / VEC, first = j * chunk, last = min(images * packs, first + chunk);
  const statistics keep = {mean, inv_std, running_mean, running_var};
  const bool moves = j == 0 && threadIdx.x == 0;
  const weights own = weights_of(gamma, beta, keep, channel, moves);
  const float numbers = (float)images * positions;
  const float shift = guess(sampled(x, sample_of(images, channels, positions), channel, positions));
  const float2 sums = add_up(partial + channel * parts, parts);
  const affine map = finish(sums, shift, numbers, eps, own);
  walk<long long> here(first + threadIdx.x, blockDim.x, channels, packs);
  x += (long long)channel * packs, y += (long long)channel * packs;
#pragma unroll 4
  for (int e = first + threadIdx.x; e < last; e += blockDim.x, here.next())
    store_once(y + here.at, apply(unpack(load_once(x + here.at)), map));
  if (moves) remember(sums, shift, numbers, eps, momentum, own, channel, keep);
}

extern "C" __global__ void __launch_bounds__(512)
backward_sums(const pack* __restrict__ dy, const pack* __restrict__ x, const float* __restrict__ mean, float2* partial,
              SHAPE, int chunk) {
  const int channel = blockIdx.y, packs = positions / VEC;
  const int first = blockIdx.x * chunk, last = min(images * packs, first + chunk);
  const float center = mean[channel];
  walk<long long> here(first + threadIdx.x, blockDim.x, channels, packs);
  dy += (long long)channel * packs, x += (long long)channel * packs;
  float2 sums = make_float2(0.f, 0.f);
#pragma unroll 2
  for (int e = first + threadIdx.x; e < last; e += blockDim.x, here.next())
    sums = gather(sums, unpack(load(dy + here.at)), unpack(load(x + here.at)), center);
  sums = block_sum(sums);
  if (threadIdx.x == 0) partial[channel * gridDim.x + blockIdx.x] = sums;
}

extern "C" __global__ void __launch_bounds__(512)
backward_apply(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               const float2* partial, float* dgamma, float* dbeta, SHAPE, int chunk) {
  const int parts = gridDim.x, j = parts - 1 - blockIdx.x, channel = channels - 1 - blockIdx.y;
  const int packs = positions / VEC, first = j * chunk, last = min(images * packs, first + chunk);
  const float g = gamma[channel], center = mean[channel], r = inv_std[channel];
  const float2 sums = add_up(partial + channel * parts, parts);
  const backward map = prepare(sums, (float)images * positions, g, center, r);
  if (j == 0 && threadIdx.x == 0) remember(sums, r, channel, {dgamma, dbeta});
  walk<long long> here(first + threadIdx.x, blockDim.x, channels, packs);
  dy += (long long)channel * packs, x += (long long)channel * packs, dx += (long long)channel * packs;
#pragma unroll 2
  for (int e = first + threadIdx.x; e < last; e += blockDim.x, here.next())
    store_once(dx + here.at, apply(unpack(load_once(dy + here.at)), unpack(load_once(x + here.at)), map));
}
