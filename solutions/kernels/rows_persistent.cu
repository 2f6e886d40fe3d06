// One read and one write for channels last: persistent.cu's plan on the slabs of rows.cu. Follows rows.cu in the module.
// A block holds a range of rows of one slab in shared memory while the sums of the other blocks travel.

// As `merge` for images: parts are (mean, sum of squared deviations), merged about the first part's mean.
__device__ __forceinline__ void merge_slab(const float2* partial, int slab, SHAPE, int parts, int chunk, float2* total,
                                           float* shifts) {
  for (int k = threadIdx.x; k < SLAB; k += blockDim.x) {
    const int channel = slab * SLAB + k;
    if (channel >= channels) continue;
    const float2* mine = partial + channel * parts;
    const float shift = __ldcg(mine).x;
    float2 sums = make_float2(0.f, 0.f);
    for (int j = 0; j < parts; ++j) {
      const float2 part = __ldcg(mine + j);
      const float numbers = (float)(min(rows, (j + 1) * chunk) - j * chunk), distance = part.x - shift;
      sums.x = fmaf(numbers, distance, sums.x);
      sums.y += fmaf(numbers * distance, distance, part.y);
    }
    shifts[k] = shift;
    total[k] = sums;
  }
  __syncthreads();
}

__device__ __forceinline__ void announce(unsigned* counters, int slab) {
  __threadfence();
  __syncthreads();  // all threads have published
  if (threadIdx.x == 0) arrive(counters, slab);
}

extern "C" __global__ void __launch_bounds__(512)
forward_persistent(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
                   const float* __restrict__ beta, float2* partial, unsigned* counters, STATISTICS, SHAPE, int parts,
                   int chunk, float eps, float momentum) {
  extern __shared__ pack held[];  // 2 * chunk * COLUMNS; a thread reads what it wrote itself
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  __shared__ affine maps[SLAB];
  const int packs = channels / VEC, slabs = (packs + COLUMNS - 1) / COLUMNS, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts, column = threadIdx.x % COLUMNS;
  if (start >= stride) return;
  const int first = j * chunk, last = min(rows, first + chunk);
  const float numbers = (float)(last - first);
  int turn = 0;
  for (int slab = start; slab - stride < slabs; slab += stride, turn ^= 1) {
    if (slab < slabs) {
      pack* mine = held + turn * chunk * COLUMNS + column;
      const spot at = stand(slab, packs);
      float2 sums[VEC] = {};
      wide own = {};
      if (at.inside) {
        for (int row = first + at.row; row < last; row += at.step) {
          const pack loaded = load_once(x + (long long)row * packs + at.column);
          mine[(row - first) * COLUMNS] = loaded;
          gather(sums, unpack(loaded), own);
        }
      }
      slab_sum(sums, total);
#pragma unroll
      for (int v = 0; v < VEC; ++v) {
        own.at[v] = total[column * VEC + v].x / numbers;
        sums[v] = make_float2(0.f, 0.f);
      }
      if (at.inside) {
        for (int row = first + at.row; row < last; row += at.step) gather(sums, unpack(mine[(row - first) * COLUMNS]), own);
      }
      if (threadIdx.x < COLUMNS) {
#pragma unroll
        for (int v = 0; v < VEC; ++v) shifts[column * VEC + v] = own.at[v];
      }
      slab_sum(sums, total);
      for (int k = threadIdx.x; k < SLAB; k += blockDim.x) {
        const int channel = slab * SLAB + k;
        const float distance = total[k].x / numbers;  // what rounding left in the block's own mean
        if (channel < channels)
          __stcg(partial + channel * parts + j,
                 make_float2(shifts[k] + distance, total[k].y - total[k].x * distance));
      }
      announce(counters, slab);
    }
    const int before = slab - stride;
    if (before >= 0) {
      const pack* mine = held + (turn ^ 1) * chunk * COLUMNS + column;
      const spot at = stand(before, packs);
      wait_for(counters, before, parts);
      merge_slab(partial, before, rows, channels, parts, chunk, total, shifts);
      leave(counters, before, parts);
      finish_slab(total, shifts, maps, before, rows, channels, j == 0, eps, momentum, gamma, beta,
                  {mean, inv_std, running_mean, running_var});
      if (at.inside) {
        for (int row = first + at.row; row < last; row += at.step)
          store_once(y + (long long)row * packs + at.column,
                     apply(unpack(mine[(row - first) * COLUMNS]), maps + column * VEC));
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(512)
backward_persistent(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
                    const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
                    float2* partial, unsigned* counters, float* dgamma, float* dbeta, SHAPE, int parts, int chunk) {
  extern __shared__ pack held[];  // 4 * chunk * COLUMNS: (x, dy) twice
  __shared__ float2 total[SLAB];
  __shared__ backward maps[SLAB];
  const int packs = channels / VEC, slabs = (packs + COLUMNS - 1) / COLUMNS, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts, column = threadIdx.x % COLUMNS;
  if (start >= stride) return;
  const int first = j * chunk, last = min(rows, first + chunk);
  int turn = 0;
  for (int slab = start; slab - stride < slabs; slab += stride, turn ^= 1) {
    if (slab < slabs) {
      pack *held_x = held + 2 * turn * chunk * COLUMNS + column, *held_dy = held_x + chunk * COLUMNS;
      const spot at = stand(slab, packs);
      float2 sums[VEC] = {};
      if (at.inside) {
        const wide means = of_channels(mean, at.column);
        for (int row = first + at.row; row < last; row += at.step) {
          const long long i = (long long)row * packs + at.column;
          const pack one_x = load_once(x + i), one_dy = load_once(dy + i);
          held_x[(row - first) * COLUMNS] = one_x;
          held_dy[(row - first) * COLUMNS] = one_dy;
          gather(sums, unpack(one_dy), unpack(one_x), means);
        }
      }
      slab_sum(sums, total);
      publish(total, partial, slab, channels, parts, j);
      announce(counters, slab);
    }
    const int before = slab - stride;
    if (before >= 0) {
      const pack *held_x = held + 2 * (turn ^ 1) * chunk * COLUMNS + column, *held_dy = held_x + chunk * COLUMNS;
      const spot at = stand(before, packs);
      wait_for(counters, before, parts);
      add_up(partial, before, channels, parts, total);
      leave(counters, before, parts);
      prepare_slab(total, maps, before, rows, channels, j == 0, gamma, mean, inv_std, dgamma, dbeta);
      if (at.inside) {
        for (int row = first + at.row; row < last; row += at.step)
          store_once(dx + (long long)row * packs + at.column,
                     apply(unpack(held_dy[(row - first) * COLUMNS]), unpack(held_x[(row - first) * COLUMNS]),
                           maps + column * VEC));
      }
    }
  }
}
