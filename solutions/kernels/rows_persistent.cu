// One read and one write for channels last: persistent.cu's plan on the slabs of rows.cu. Follows rows.cu in the module.
// A block holds a range of rows of one slab in shared memory while the sums of the other blocks travel.

// Sums of this launch, by letters (slabs, parts, SLAB).
__device__ __forceinline__ void post_slab(const float2* total, letter* letters, int slab, int parts, int j, unsigned stamp) {
  for (int k = threadIdx.x; k < SLAB; k += blockDim.x)
    post(letters + ((long long)slab * parts + j) * SLAB + k, total[k], stamp);
}
__device__ __forceinline__ void collect(const letter* letters, int slab, int parts, unsigned stamp, float2* total) {
  const letter* mine = letters + (long long)slab * parts * SLAB;
  __syncthreads();  // all have posted what `total` held
  over_parts(parts, total, [=](int j, int k) { return receive(mine + j * SLAB + k, stamp); });
}

extern "C" __global__ void __launch_bounds__(512, 2)
forward_persistent(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
                   const float* __restrict__ beta, letter* letters, unsigned* office, STATISTICS, SHAPE, int parts,
                   int chunk, float eps, float momentum) {
  extern __shared__ pack held[];  // 2 * chunk * COLUMNS; a thread reads what it copied itself
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  __shared__ affine maps[SLAB];
  const int packs = channels / VEC, slabs = (packs + COLUMNS - 1) / COLUMNS, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts, end = start < stride ? slabs : 0;
  const int first = j * chunk, last = min(rows, first + chunk), column = threadIdx.x % COLUMNS;
  const unsigned stamp = stamp_of(office);
  const auto load = [&](int slab, int turn) {
    const spot at = stand(slab, packs);
    pack* to = held + (turn * chunk - first) * COLUMNS + column;
    for (int row = first + at.row; at.inside && row < last; row += at.step)
      copy_begin(to + row * COLUMNS, x + (long long)row * packs + at.column);
  };
  if (start < end) load(start, 0);
  copies_end();
  int turn = 0;
  for (int slab = start; slab < end; slab += stride, turn ^= 1) {
    if (slab + stride < end) load(slab + stride, turn ^ 1);
    copies_end();
    const spot at = stand(slab, packs);
    const pack* mine = held + (turn * chunk - first) * COLUMNS + column;
    const wide shift = share_guess(x, slab, rows, packs, shifts);
    copies_wait<1>();
    float2 sums[VEC] = {};
    for (int row = first + at.row; at.inside && row < last; row += at.step)
      gather(sums, unpack(mine[row * COLUMNS]), shift);
    slab_sum(sums, total);
    post_slab(total, letters, slab, parts, j, stamp);
    collect(letters, slab, parts, stamp, total);
    finish_slab(total, shifts, maps, slab, rows, channels, j == 0, eps, momentum, gamma, beta,
                {mean, inv_std, running_mean, running_var});
    for (int row = first + at.row; at.inside && row < last; row += at.step)
      store_once(y + (long long)row * packs + at.column, apply(unpack(mine[row * COLUMNS]), maps + column * VEC));
  }
  leave(office, stamp);
}

extern "C" __global__ void __launch_bounds__(512, 2)
backward_persistent(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
                    const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
                    letter* letters, unsigned* office, float* dgamma, float* dbeta, SHAPE, int parts, int chunk) {
  extern __shared__ pack held[];  // 4 * chunk * COLUMNS: (x, dy) twice
  __shared__ float2 total[SLAB];
  __shared__ backward maps[SLAB];
  const int packs = channels / VEC, slabs = (packs + COLUMNS - 1) / COLUMNS, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts, end = start < stride ? slabs : 0;
  const int first = j * chunk, last = min(rows, first + chunk), column = threadIdx.x % COLUMNS;
  const unsigned stamp = stamp_of(office);
  const auto load = [&](int slab, int turn) {
    const spot at = stand(slab, packs);
    pack* to = held + (2 * turn * chunk - first) * COLUMNS + column;
    for (int row = first + at.row; at.inside && row < last; row += at.step) {
      const long long i = (long long)row * packs + at.column;
      copy_begin(to + row * COLUMNS, x + i);
      copy_begin(to + (row + chunk) * COLUMNS, dy + i);
    }
  };
  if (start < end) load(start, 0);
  copies_end();
  int turn = 0;
  for (int slab = start; slab < end; slab += stride, turn ^= 1) {
    if (slab + stride < end) load(slab + stride, turn ^ 1);
    copies_end();
    const spot at = stand(slab, packs);
    const pack *held_x = held + (2 * turn * chunk - first) * COLUMNS + column, *held_dy = held_x + chunk * COLUMNS;
    wide means = {};
    if (at.inside) means = of_channels(mean, at.column);
    copies_wait<1>();
    float2 sums[VEC] = {};
    for (int row = first + at.row; at.inside && row < last; row += at.step)
      gather(sums, unpack(held_dy[row * COLUMNS]), unpack(held_x[row * COLUMNS]), means);
    slab_sum(sums, total);
    post_slab(total, letters, slab, parts, j, stamp);
    collect(letters, slab, parts, stamp, total);
    prepare_slab(total, maps, slab, rows, channels, j == 0, gamma, mean, inv_std, dgamma, dbeta);
    for (int row = first + at.row; at.inside && row < last; row += at.step)
      store_once(dx + (long long)row * packs + at.column,
                 apply(unpack(held_dy[row * COLUMNS]), unpack(held_x[row * COLUMNS]), maps + column * VEC));
  }
  leave(office, stamp);
}
