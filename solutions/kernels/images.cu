// Batch normalization of images in the layout N, C, H, W (or of anything with a position axis behind the channels).
//
// block       one block a channel; x is read twice                                    3 B forward, 5 B backward
// split       several blocks a channel, two launches; the second starts where the     as above, less what is still
//             first one ended                                                         in the L2 cache
// persistent  one cooperative launch; blocks keep their part of a channel in shared   2 B forward, 3 B backward
//             memory while the sums travel
//
// B is the size of x. Elements of a channel are counted in packs: pack e of channel c lies at `place(e, ...)`.

__device__ __forceinline__ long long place(int e, int channel, int channels, int packs) {
  const int image = e / packs;  // packs of one image's channel
  return ((long long)image * channels + channel) * packs + (e - image * packs);
}

// The mean of eight numbers spread over the channel: a cheap guess at the mean, the same in every warp of every block,
// so that partial sums of (x - shift) add up.
__device__ __forceinline__ float guess(const stored* x, int channel, int images, int channels, int positions) {
  const int lane = threadIdx.x & 31;
  const long long e = (long long)images * positions * (lane >> 2) / 8;
  const float value = widen(x[((e / positions) * channels + channel) * positions + e % positions]);
  return warp_sum(make_float2(value, 0.f)).x * (1.f / 32.f);
}

__device__ __forceinline__ float2 gather(float2 sums, const wide& x, float shift) {
#pragma unroll
  for (int v = 0; v < VEC; ++v) {
    const float d = x.at[v] - shift;
    sums.x += d;
    sums.y = fmaf(d, d, sums.y);
  }
  return sums;
}
__device__ __forceinline__ float2 gather(float2 sums, const wide& dy, const wide& x, float mean) {
#pragma unroll
  for (int v = 0; v < VEC; ++v) {
    sums.x += dy.at[v];
    sums.y = fmaf(dy.at[v], x.at[v] - mean, sums.y);
  }
  return sums;
}
__device__ __forceinline__ pack apply(const wide& x, affine map) {
  wide y;
#pragma unroll
  for (int v = 0; v < VEC; ++v) y.at[v] = fmaf(x.at[v] - map.shift, map.scale, map.offset);
  return repack(y);
}
__device__ __forceinline__ pack apply(const wide& dy, const wide& x, backward map) {
  wide dx;
#pragma unroll
  for (int v = 0; v < VEC; ++v) dx.at[v] = map.scale * (dy.at[v] - map.mean_dy - (x.at[v] - map.mean) * map.slope);
  return repack(dx);
}

#define STATISTICS float *mean, float *inv_std, float *running_mean, float *running_var
#define SHAPE int images, int channels, int positions

// ------------------------------------------------------------------------------------------------------------- block

extern "C" __global__ void __launch_bounds__(1024)
forward_block(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
              const float* __restrict__ beta, STATISTICS, SHAPE, float eps, float momentum) {
  const int channel = blockIdx.x, packs = positions / VEC, count = images * packs;
  const float shift = guess((const stored*)x, channel, images, channels, positions);
  float2 sums = make_float2(0.f, 0.f);
  for (int e = threadIdx.x; e < count; e += blockDim.x)
    sums = gather(sums, unpack(x[place(e, channel, channels, packs)]), shift);
  const affine map = finish(block_sum(sums), shift, (float)images * positions, channel, threadIdx.x == 0, eps, momentum,
                            gamma, beta, {mean, inv_std, running_mean, running_var});
  for (int e = threadIdx.x; e < count; e += blockDim.x) {
    const long long at = place(e, channel, channels, packs);
    y[at] = apply(unpack(x[at]), map);
  }
}

extern "C" __global__ void __launch_bounds__(1024)
backward_block(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               float* dgamma, float* dbeta, SHAPE) {
  const int channel = blockIdx.x, packs = positions / VEC, count = images * packs;
  float2 sums = make_float2(0.f, 0.f);
  for (int e = threadIdx.x; e < count; e += blockDim.x) {
    const long long at = place(e, channel, channels, packs);
    sums = gather(sums, unpack(dy[at]), unpack(x[at]), mean[channel]);
  }
  const backward map = prepare(block_sum(sums), (float)images * positions, channel, threadIdx.x == 0, gamma, mean,
                               inv_std, dgamma, dbeta);
  for (int e = threadIdx.x; e < count; e += blockDim.x) {
    const long long at = place(e, channel, channels, packs);
    dx[at] = apply(unpack(dy[at]), unpack(x[at]), map);
  }
}

// ------------------------------------------------------------------------------------------------------------- split
// Grid (parts, channels): block (j, c) owns the packs j * chunk to (j + 1) * chunk of channel c.

extern "C" __global__ void __launch_bounds__(512)
forward_sums(const pack* __restrict__ x, float2* partial, SHAPE, int chunk) {
  const int channel = blockIdx.y, packs = positions / VEC, count = images * packs;
  const int first = blockIdx.x * chunk, last = min(count, first + chunk);
  const float shift = guess((const stored*)x, channel, images, channels, positions);
  float2 sums = make_float2(0.f, 0.f);
#pragma unroll 4
  for (int e = first + threadIdx.x; e < last; e += blockDim.x)
    sums = gather(sums, unpack(x[place(e, channel, channels, packs)]), shift);
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
  const float shift = guess((const stored*)x, channel, images, channels, positions);
  const affine map = finish(add_up(partial + channel * parts, parts), shift, (float)images * positions, channel,
                            j == 0 && threadIdx.x == 0, eps, momentum, gamma, beta,
                            {mean, inv_std, running_mean, running_var});
#pragma unroll 4
  for (int e = first + threadIdx.x; e < last; e += blockDim.x) {
    const long long at = place(e, channel, channels, packs);
    store_once(y + at, apply(unpack(load_once(x + at)), map));
  }
}

extern "C" __global__ void __launch_bounds__(512)
backward_sums(const pack* __restrict__ dy, const pack* __restrict__ x, const float* __restrict__ mean, float2* partial,
              SHAPE, int chunk) {
  const int channel = blockIdx.y, packs = positions / VEC;
  const int first = blockIdx.x * chunk, last = min(images * packs, first + chunk);
  float2 sums = make_float2(0.f, 0.f);
#pragma unroll 2
  for (int e = first + threadIdx.x; e < last; e += blockDim.x) {
    const long long at = place(e, channel, channels, packs);
    sums = gather(sums, unpack(dy[at]), unpack(x[at]), mean[channel]);
  }
  sums = block_sum(sums);
  if (threadIdx.x == 0) partial[channel * gridDim.x + blockIdx.x] = sums;
}

extern "C" __global__ void __launch_bounds__(512)
backward_apply(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               const float2* partial, float* dgamma, float* dbeta, SHAPE, int chunk) {
  const int parts = gridDim.x, j = parts - 1 - blockIdx.x, channel = channels - 1 - blockIdx.y;
  const int packs = positions / VEC, first = j * chunk, last = min(images * packs, first + chunk);
  const backward map = prepare(add_up(partial + channel * parts, parts), (float)images * positions, channel,
                               j == 0 && threadIdx.x == 0, gamma, mean, inv_std, dgamma, dbeta);
#pragma unroll 2
  for (int e = first + threadIdx.x; e < last; e += blockDim.x) {
    const long long at = place(e, channel, channels, packs);
    store_once(dx + at, apply(unpack(load_once(dy + at)), unpack(load_once(x + at)), map));
  }
}
