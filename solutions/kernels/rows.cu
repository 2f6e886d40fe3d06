// Batch normalization of rows x channels with the channels last: features (N, C), or images stored as N, H, W, C.
//
// A block works on a slab of COLUMNS packs (side by side in memory) and a range of rows; thread (row, column) walks down
// its column and keeps VEC pairs of sums. The three tiers are those of images.cu: block, split, persistent.

#define COLUMNS 8
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
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const wide value = unpack(x[(long long)rows * k / 8 * packs + column]);
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
__device__ __forceinline__ pack apply(const wide& x, const affine* maps) {
  wide y;
#pragma unroll
  for (int v = 0; v < VEC; ++v) y.at[v] = fmaf(x.at[v] - maps[v].shift, maps[v].scale, maps[v].offset);
  return repack(y);
}
__device__ __forceinline__ pack apply(const wide& dy, const wide& x, const backward* maps) {
  wide dx;
#pragma unroll
  for (int v = 0; v < VEC; ++v)
    dx.at[v] = maps[v].scale * (dy.at[v] - maps[v].mean_dy - (x.at[v] - maps[v].mean) * maps[v].slope);
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

// Sums over rows first to last of this block's slab.
__device__ __forceinline__ void sum_rows(const pack* x, spot at, int packs, int first, int last, const wide& shift,
                                         float2* total) {
  float2 sums[VEC] = {};
  if (at.inside) {
#pragma unroll 4
    for (int row = first + at.row; row < last; row += at.step)
      gather(sums, unpack(x[(long long)row * packs + at.column]), shift);
  }
  slab_sum(sums, total);
}
__device__ __forceinline__ void sum_rows(const pack* dy, const pack* x, spot at, int packs, int first, int last,
                                         const wide& mean, float2* total) {
  float2 sums[VEC] = {};
  if (at.inside) {
#pragma unroll 2
    for (int row = first + at.row; row < last; row += at.step) {
      const long long i = (long long)row * packs + at.column;
      gather(sums, unpack(dy[i]), unpack(x[i]), mean);
    }
  }
  slab_sum(sums, total);
}

// What all parts say of each channel of a slab, added up in `total`: `part(j, k)` is what part j says of channel k.
// All threads help: strand s of a channel takes the parts s, s + strands, ...
__device__ __forceinline__ float2* strand_sums() {
  __shared__ float2 of_strand[512];
  return of_strand;
}
template <class Part> __device__ __forceinline__ void over_parts(int parts, float2* total, Part part) {
  float2* of_strand = strand_sums();
  const int k = threadIdx.x % SLAB, strand = threadIdx.x / SLAB, strands = blockDim.x / SLAB;
  float2 sums = make_float2(0.f, 0.f);
#pragma unroll 4
  for (int j = strand; j < parts; j += strands) {
    const float2 one = part(j, k);
    sums.x += one.x;
    sums.y += one.y;
  }
  of_strand[threadIdx.x] = sums;
  __syncthreads();
  if (strand == 0) {
    for (int s = 1; s < strands; ++s) {
      sums.x += of_strand[s * SLAB + k].x;
      sums.y += of_strand[s * SLAB + k].y;
    }
    total[k] = sums;
  }
  __syncthreads();
}
// Sums of another launch; partial is (slabs, parts, SLAB).
__device__ __forceinline__ void add_up(const float2* partial, int slab, int parts, float2* total) {
  const float2* mine = partial + (long long)slab * parts * SLAB;
  over_parts(parts, total, [=](int j, int k) { return __ldcg(mine + j * SLAB + k); });
}
__device__ __forceinline__ void publish(const float2* total, float2* partial, int slab, int parts, int j) {
  for (int k = threadIdx.x; k < SLAB; k += blockDim.x) partial[((long long)slab * parts + j) * SLAB + k] = total[k];
}

// From sums to the maps of a slab's channels. `shifts` holds the shift of each channel of the slab.
__device__ __forceinline__ void finish_slab(const float2* total, const float* shifts, affine* maps, int slab, SHAPE,
                                            bool writes, float eps, float momentum, const float* gamma,
                                            const float* beta, statistics keep) {
  for (int k = threadIdx.x; k < SLAB; k += blockDim.x) {
    const int channel = slab * SLAB + k;
    if (channel < channels)
      maps[k] = finish(total[k], shifts[k], (float)rows, channel, writes, eps, momentum, gamma, beta, keep);
  }
  __syncthreads();
}
__device__ __forceinline__ void prepare_slab(const float2* total, backward* maps, int slab, SHAPE, bool writes,
                                             const float* gamma, const float* mean, const float* inv_std, float* dgamma,
                                             float* dbeta) {
  for (int k = threadIdx.x; k < SLAB; k += blockDim.x) {
    const int channel = slab * SLAB + k;
    if (channel < channels)
      maps[k] = prepare(total[k], (float)rows, channel, writes, gamma, mean, inv_std, dgamma, dbeta);
  }
  __syncthreads();
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

// ------------------------------------------------------------------------------------------------------------- block
// Grid (slabs).

extern "C" __global__ void __launch_bounds__(512)
forward_block(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
              const float* __restrict__ beta, STATISTICS, SHAPE, float eps, float momentum) {
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  __shared__ affine maps[SLAB];
  const int slab = blockIdx.x, packs = channels / VEC;
  const spot at = stand(slab, packs);
  const wide shift = share_guess(x, slab, rows, packs, shifts);
  sum_rows(x, at, packs, 0, rows, shift, total);
  finish_slab(total, shifts, maps, slab, rows, channels, true, eps, momentum, gamma, beta,
              {mean, inv_std, running_mean, running_var});
  if (!at.inside) return;
  for (int row = at.row; row < rows; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    y[i] = apply(unpack(x[i]), maps + threadIdx.x % COLUMNS * VEC);
  }
}

extern "C" __global__ void __launch_bounds__(512)
backward_block(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               float* dgamma, float* dbeta, SHAPE) {
  __shared__ float2 total[SLAB];
  __shared__ backward maps[SLAB];
  const int slab = blockIdx.x, packs = channels / VEC;
  const spot at = stand(slab, packs);
  wide means = {};
  if (at.inside) means = of_channels(mean, at.column);
  sum_rows(dy, x, at, packs, 0, rows, means, total);
  prepare_slab(total, maps, slab, rows, channels, true, gamma, mean, inv_std, dgamma, dbeta);
  if (!at.inside) return;
  for (int row = at.row; row < rows; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    dx[i] = apply(unpack(dy[i]), unpack(x[i]), maps + threadIdx.x % COLUMNS * VEC);
  }
}

// ------------------------------------------------------------------------------------------------------------- split
// Grid (parts, slabs): block (j, s) owns rows j * chunk to (j + 1) * chunk of slab s.

extern "C" __global__ void __launch_bounds__(512)
forward_sums(const pack* __restrict__ x, float2* partial, SHAPE, int chunk) {
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  const int packs = channels / VEC, first = blockIdx.x * chunk, last = min(rows, first + chunk);
  const spot at = stand(blockIdx.y, packs);
  const wide shift = share_guess(x, blockIdx.y, rows, packs, shifts);
  sum_rows(x, at, packs, first, last, shift, total);
  publish(total, partial, blockIdx.y, gridDim.x, blockIdx.x);
}

extern "C" __global__ void __launch_bounds__(512)
forward_apply(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
              const float* __restrict__ beta, const float2* partial, STATISTICS, SHAPE, int chunk, float eps,
              float momentum) {
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  __shared__ affine maps[SLAB];
  const int parts = gridDim.x, j = parts - 1 - blockIdx.x, slab = gridDim.y - 1 - blockIdx.y;  // last first: in L2
  const int packs = channels / VEC, first = j * chunk, last = min(rows, first + chunk);
  const spot at = stand(slab, packs);
  share_guess(x, slab, rows, packs, shifts);
  add_up(partial, slab, parts, total);
  finish_slab(total, shifts, maps, slab, rows, channels, j == 0, eps, momentum, gamma, beta,
              {mean, inv_std, running_mean, running_var});
  if (!at.inside) return;
#pragma unroll 4
  for (int row = first + at.row; row < last; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    store_once(y + i, apply(unpack(load_once(x + i)), maps + threadIdx.x % COLUMNS * VEC));
  }
}

extern "C" __global__ void __launch_bounds__(512)
backward_sums(const pack* __restrict__ dy, const pack* __restrict__ x, const float* __restrict__ mean, float2* partial,
              SHAPE, int chunk) {
  __shared__ float2 total[SLAB];
  const int packs = channels / VEC, first = blockIdx.x * chunk, last = min(rows, first + chunk);
  const spot at = stand(blockIdx.y, packs);
  wide means = {};
  if (at.inside) means = of_channels(mean, at.column);
  sum_rows(dy, x, at, packs, first, last, means, total);
  publish(total, partial, blockIdx.y, gridDim.x, blockIdx.x);
}

extern "C" __global__ void __launch_bounds__(512)
backward_apply(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
               const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
               const float2* partial, float* dgamma, float* dbeta, SHAPE, int chunk) {
  __shared__ float2 total[SLAB];
  __shared__ backward maps[SLAB];
  const int parts = gridDim.x, j = parts - 1 - blockIdx.x, slab = gridDim.y - 1 - blockIdx.y;
  const int packs = channels / VEC, first = j * chunk, last = min(rows, first + chunk);
  const spot at = stand(slab, packs);
  add_up(partial, slab, parts, total);
  prepare_slab(total, maps, slab, rows, channels, j == 0, gamma, mean, inv_std, dgamma, dbeta);
  if (!at.inside) return;
#pragma unroll 2
  for (int row = first + at.row; row < last; row += at.step) {
    const long long i = (long long)row * packs + at.column;
    store_once(dx + i, apply(unpack(load_once(dy + i)), unpack(load_once(x + i)), maps + threadIdx.x % COLUMNS * VEC));
  }
}
