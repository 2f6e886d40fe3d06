// Batch normalization of rows x channels with the channels last: features (N, C), or images stored as N, H, W, C.
//
// A block works on a slab of COLUMNS packs (side by side in memory; 8 or 16) and some of the rows; thread (row, column)
// walks down its column and keeps VEC pairs of sums. Where a second launch bound stands, the compiler would spill
// without it; elsewhere it would take more registers than it needs, and fewer blocks would fit. The tiers:
//
// block       one block a slab
// split       several blocks a slab, two launches; the last block of the first one adds up what the others found
// persistent  one cooperative launch; a block keeps of its rows what fits into shared memory (rows_persistent.cu)

#define SLAB (COLUMNS * VEC)  // channels of a slab

// Where this thread stands.
struct spot {
  int column, row, step;  // pack in the row, first row, rows between two visits
  bool inside;
};
__device__ __forceinline__ spot stand(int slab, int packs) {
  const int column = slab * COLUMNS + threadIdx.x % COLUMNS;
  return {column, (int)threadIdx.x / COLUMNS, (int)blockDim.x / COLUMNS, column < packs};
}

// The mean of eight rows spread over the batch, for the channels of one pack.
__device__ __forceinline__ wide guess(const pack* x, int column, int rows, int packs) {
  wide mean = {};
  constexpr int at_once = VEC > 4 ? 4 : 8;  // more would take too many registers
#pragma unroll at_once
  for (int k = 0; k < 8; ++k) {
    const wide value = unpack(load(x + (long long)rows * k / 8 * packs + column));
#pragma unroll
    for (int v = 0; v < VEC; ++v) mean.at[v] += 0.125f * value.at[v];
  }
  return mean;
}

// Sums of VEC channels in each thread to sums of SLAB channels, in `total`, which all threads may read afterwards.
// First over the lanes of a warp that stand in the same column, then over warps; blockDim.x is at most 512.
__device__ __forceinline__ void slab_sum(float2 (&sums)[VEC], float2* total) {
  __shared__ float2 of_warp[16 * SLAB];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
#pragma unroll
  for (int v = 0; v < VEC; ++v) {
#pragma unroll
    for (int distance = 16; distance >= COLUMNS; distance >>= 1) {
      sums[v].x += __shfl_xor_sync(ALL_LANES, sums[v].x, distance);
      sums[v].y += __shfl_xor_sync(ALL_LANES, sums[v].y, distance);
    }
  }
  __syncthreads();  // of_warp and total may still be read for an earlier sum
  if (lane < COLUMNS) {
#pragma unroll
    for (int v = 0; v < VEC; ++v) of_warp[warp * SLAB + lane * VEC + v] = sums[v];
  }
  __syncthreads();
  for (int k = threadIdx.x; k < SLAB; k += blockDim.x) {
    float2 sum = make_float2(0.f, 0.f);
    for (int w = 0; w < warps; ++w) {
      sum.x += of_warp[w * SLAB + k].x;
      sum.y += of_warp[w * SLAB + k].y;
    }
    total[k] = sum;
  }
  __syncthreads();
}

__device__ __forceinline__ void gather(float2 (&sums)[VEC], const wide& x, const wide& shift) {
#pragma unroll
  for (int v = 0; v < VEC; ++v) {
    const float d = x.at[v] - shift.at[v];
    sums[v].x += d;
    sums[v].y = fmaf(d, d, sums[v].y);
  }
}
__device__ __forceinline__ void gather(float2 (&sums)[VEC], const wide& dy, const wide& x, const wide& mean) {
#pragma unroll
  for (int v = 0; v < VEC; ++v) {
    sums[v].x += dy.at[v];
    sums[v].y = fmaf(dy.at[v], x.at[v] - mean.at[v], sums[v].y);
  }
}
template <class Map> struct maps_of { Map at[VEC]; };
template <class Map> __device__ __forceinline__ maps_of<Map> maps_here(const Map* maps) {
  maps_of<Map> found;
#pragma unroll
  for (int v = 0; v < VEC; ++v) found.at[v] = maps[threadIdx.x % COLUMNS * VEC + v];
  return found;
}
__device__ __forceinline__ pack apply(const wide& x, const maps_of<affine>& maps) {
  wide y;
#pragma unroll
  for (int v = 0; v < VEC; ++v) y.at[v] = fmaf(x.at[v] - maps.at[v].shift, maps.at[v].scale, maps.at[v].offset);
  return repack(y);
}
__device__ __forceinline__ pack apply(const wide& dy, const wide& x, const maps_of<backward>& maps) {
  wide dx;
#pragma unroll
  for (int v = 0; v < VEC; ++v)
    dx.at[v] = maps.at[v].scale * (dy.at[v] - maps.at[v].mean_dy - (x.at[v] - maps.at[v].mean) * maps.at[v].slope);
  return repack(dx);
}
__device__ __forceinline__ wide of_channels(const float* values, int column) {
  wide found;
#pragma unroll
  for (int v = 0; v < VEC; ++v) found.at[v] = values[column * VEC + v];
  return found;
}

#define STATISTICS float *mean, float *inv_std, float *running_mean, float *running_var
#define SHAPE int rows, int channels

// Adds rows first to last of this thread's column to its sums.
__device__ __forceinline__ void add_rows(float2 (&sums)[VEC], const pack* x, spot at, int packs, int first, int last,
                                         const wide& shift) {
  if (!at.inside) return;
#pragma unroll 4
  for (int row = first + at.row; row < last; row += at.step)
    gather(sums, unpack(load(x + (long long)row * packs + at.column)), shift);
}
__device__ __forceinline__ void add_rows(float2 (&sums)[VEC], const pack* dy, const pack* x, spot at, int packs, int first,
                                         int last, const wide& mean) {
  if (!at.inside) return;
#pragma unroll 2
  for (int row = first + at.row; row < last; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    gather(sums, unpack(load(dy + i)), unpack(load(x + i)), mean);
  }
}

// The guess for the slab's channels, in `shifts` for all threads; the first COLUMNS threads read for the others.
__device__ __forceinline__ wide share_guess(const pack* x, int slab, int rows, int packs, float* shifts) {
  const int first = slab * COLUMNS + threadIdx.x;
  if (threadIdx.x < COLUMNS) {
    wide shift = {};
    if (first < packs) shift = guess(x, first, rows, packs);
#pragma unroll
    for (int v = 0; v < VEC; ++v) shifts[threadIdx.x * VEC + v] = shift.at[v];
  }
  __syncthreads();
  return of_channels(shifts, threadIdx.x % COLUMNS);
}

// Thread k prepares channel k of the slab, so blockDim.x is at least SLAB. What that takes from memory is read early.
__device__ __forceinline__ weights slab_weights(const float* gamma, const float* beta, statistics keep, int channel,
                                                int channels, bool moves) {
  return threadIdx.x < SLAB && channel < channels ? weights_of(gamma, beta, keep, channel, moves) : weights{};
}
struct backward_weights {
  float gamma = 0.f, mean = 0.f, inv_std = 0.f;
  __device__ __forceinline__ backward_weights(const float* gammas, const float* means, const float* inv_stds, int channel,
                                              int channels) {
    if (threadIdx.x < SLAB && channel < channels)
      gamma = gammas[channel], mean = means[channel], inv_std = inv_stds[channel];
  }
};
__device__ __forceinline__ maps_of<affine> finish_slab(const float2* total, const float* shifts, affine* maps, int rows,
                                                       float eps, weights own) {
  const int k = threadIdx.x;
  if (k < SLAB) maps[k] = finish(total[k], shifts[k], (float)rows, eps, own);
  __syncthreads();
  return maps_here(maps);
}
__device__ __forceinline__ maps_of<backward> prepare_slab(const float2* total, backward* maps, int rows,
                                                          backward_weights weights) {
  const int k = threadIdx.x;
  if (k < SLAB) maps[k] = prepare(total[k], (float)rows, weights.gamma, weights.mean, weights.inv_std);
  __syncthreads();
  return maps_here(maps);
}

// ------------------------------------------------------------------------------------------------------------- block
// Grid (slabs).

extern "C" __global__ void __launch_bounds__(512)
forward_block(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
              const float* __restrict__ beta, STATISTICS, SHAPE, float eps, float momentum) {
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  __shared__ affine maps[SLAB];
  const int slab = blockIdx.x, packs = channels / VEC, channel = slab * SLAB + threadIdx.x;
  const spot at = stand(slab, packs);
  const statistics keep = {mean, inv_std, running_mean, running_var};
  const weights own = slab_weights(gamma, beta, keep, channel, channels, true);
  const wide shift = share_guess(x, slab, rows, packs, shifts);
  float2 sums[VEC] = {};
  add_rows(sums, x, at, packs, 0, rows, shift);
  slab_sum(sums, total);
  const maps_of<affine> map = finish_slab(total, shifts, maps, rows, eps, own);
  for (int row = at.row; at.inside && row < rows; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    y[i] = apply(unpack(load(x + i)), map);
  }
  if (threadIdx.x < SLAB && channel < channels)
    remember(total[threadIdx.x], shifts[threadIdx.x], (float)rows, eps, momentum, own, channel, keep);
}

extern "C" __global__ void __launch_bounds__(512, 2)
backward_block(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               float* dgamma, float* dbeta, SHAPE) {
  __shared__ float2 total[SLAB];
  __shared__ backward maps[SLAB];
  const int slab = blockIdx.x, packs = channels / VEC, channel = slab * SLAB + threadIdx.x;
  const spot at = stand(slab, packs);
  const backward_weights weights(gamma, mean, inv_std, channel, channels);
  wide means = {};
  if (at.inside) means = of_channels(mean, at.column);
  float2 sums[VEC] = {};
  add_rows(sums, dy, x, at, packs, 0, rows, means);
  slab_sum(sums, total);
  if (threadIdx.x < SLAB && channel < channels)
    remember(total[threadIdx.x], weights.inv_std, channel, {dgamma, dbeta});
  const maps_of<backward> map = prepare_slab(total, maps, rows, weights);
  for (int row = at.row; at.inside && row < rows; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    dx[i] = apply(unpack(load(dy + i)), unpack(load(x + i)), map);
  }
}

// ------------------------------------------------------------------------------------------------------------- split
// Grid (parts, slabs): block (j, s) owns rows j * chunk to (j + 1) * chunk of slab s.

// Sums of strands, threadIdx.x / SLAB, each of channel threadIdx.x % SLAB, added up in `total`.
__device__ __forceinline__ void add_strands(float2 sums, float2* total) {
  __shared__ float2 of_strand[512];
  of_strand[threadIdx.x] = sums;
  __syncthreads();
  if (threadIdx.x < SLAB) {
    for (int e = threadIdx.x + SLAB; e < blockDim.x; e += SLAB) {
      sums.x += of_strand[e].x;
      sums.y += of_strand[e].y;
    }
    total[threadIdx.x] = sums;
  }
  __syncthreads();
}
// Leaves this block's sums in `partial`, (slabs, parts, SLAB); the last block of the slab to come adds them up into
// `sums`, (slabs, SLAB). `arrived`, one number a slab, is zero before and after.
__device__ __forceinline__ void add_parts(const float2* total, float2* partial, unsigned* arrived, float2* sums) {
  __shared__ bool last;
  const int parts = gridDim.x, slab = blockIdx.y;
  float2* mine = partial + (long long)slab * parts * SLAB;
  if (threadIdx.x < SLAB) {
    mine[blockIdx.x * SLAB + threadIdx.x] = total[threadIdx.x];
    __threadfence();
  }
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(arrived + slab, 1u) == parts - 1u;
  __syncthreads();
  if (!last) return;
  __threadfence();  // what the others left is read behind their arrival
  float2 own = make_float2(0.f, 0.f);
#pragma unroll 8
  for (int j = threadIdx.x / SLAB; j < parts; j += blockDim.x / SLAB) {
    const float2 one = __ldcg(mine + j * SLAB + threadIdx.x % SLAB);
    own.x += one.x;
    own.y += one.y;
  }
  add_strands(own, sums + slab * SLAB);
  if (threadIdx.x == 0) arrived[slab] = 0u;
}

extern "C" __global__ void __launch_bounds__(512)
forward_sums(const pack* __restrict__ x, float2* partial, unsigned* arrived, float2* sums, SHAPE, int chunk) {
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  const int packs = channels / VEC, first = blockIdx.x * chunk, last = min(rows, first + chunk);
  const spot at = stand(blockIdx.y, packs);
  const wide shift = share_guess(x, blockIdx.y, rows, packs, shifts);
  float2 own[VEC] = {};
  add_rows(own, x, at, packs, first, last, shift);
  slab_sum(own, total);
  add_parts(total, partial, arrived, sums);
}

extern "C" __global__ void __launch_bounds__(512, 2)
forward_apply(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
              const float* __restrict__ beta, const float2* __restrict__ sums, STATISTICS, SHAPE, int chunk, float eps,
              float momentum) {
  __shared__ float shifts[SLAB];
  __shared__ affine maps[SLAB];
  const int j = gridDim.x - 1 - blockIdx.x, slab = gridDim.y - 1 - blockIdx.y;  // last first: in the L2 cache
  const int packs = channels / VEC, first = j * chunk, last = min(rows, first + chunk);
  const int channel = slab * SLAB + threadIdx.x;
  const spot at = stand(slab, packs);
  const statistics keep = {mean, inv_std, running_mean, running_var};
  const weights own = slab_weights(gamma, beta, keep, channel, channels, j == 0);
  share_guess(x, slab, rows, packs, shifts);
  const maps_of<affine> map = finish_slab(sums + slab * SLAB, shifts, maps, rows, eps, own);
#pragma unroll 4
  for (int row = first + at.row; at.inside && row < last; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    store_once(y + i, apply(unpack(load_once(x + i)), map));
  }
  if (j == 0 && threadIdx.x < SLAB && channel < channels)
    remember(sums[channel], shifts[threadIdx.x], (float)rows, eps, momentum, own, channel, keep);
}

extern "C" __global__ void __launch_bounds__(512)
backward_sums(const pack* __restrict__ dy, const pack* __restrict__ x, const float* __restrict__ mean, float2* partial,
              unsigned* arrived, float2* sums, SHAPE, int chunk) {
  __shared__ float2 total[SLAB];
  const int packs = channels / VEC, first = blockIdx.x * chunk, last = min(rows, first + chunk);
  const spot at = stand(blockIdx.y, packs);
  wide means = {};
  if (at.inside) means = of_channels(mean, at.column);
  float2 own[VEC] = {};
  add_rows(own, dy, x, at, packs, first, last, means);
  slab_sum(own, total);
  add_parts(total, partial, arrived, sums);
}

extern "C" __global__ void __launch_bounds__(512)
backward_apply(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               const float2* __restrict__ sums, float* dgamma, float* dbeta, SHAPE, int chunk) {
  __shared__ backward maps[SLAB];
  const int j = gridDim.x - 1 - blockIdx.x, slab = gridDim.y - 1 - blockIdx.y;
  const int packs = channels / VEC, first = j * chunk, last = min(rows, first + chunk);
  const int channel = slab * SLAB + threadIdx.x;
  const spot at = stand(slab, packs);
  const backward_weights weights(gamma, mean, inv_std, channel, channels);
  if (j == 0 && threadIdx.x < SLAB && channel < channels)
    remember(sums[channel], weights.inv_std, channel, {dgamma, dbeta});
  const maps_of<backward> map = prepare_slab(sums + slab * SLAB, maps, rows, weights);
#pragma unroll 2
  for (int row = first + at.row; at.inside && row < last; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    store_once(dx + i, apply(unpack(load_once(dy + i)), unpack(load_once(x + i)), map));
  }
}
