// One launch for channels last, all of whose blocks are resident: each owns some rows of one slab. Follows rows.cu in the
// module.
//
// A channel of images stored as N, H, W, C lies in every row, so no part of it can be finished before all rows have been
// read. Of its rows a block keeps in shared memory what fits; the others it reads again, the last ones first, which the
// L2 cache still has in part. Blocks take rows in turn, so that together they sweep memory from one end to the other: a
// stretch of its own for each of them was slower on an H100.

#define FEW 32  // blocks, at most, that read each other's letters

// The sums of all blocks of a slab, in `total` of each of them; letters are SLAB * (parts + 1) a slab. Where there are
// few blocks, each reads what all have said. Elsewhere the channels are divided among the blocks, one warp adds up what
// all say of a channel, then each block reads the answers.
__device__ __forceinline__ void all_reduce(float2* total, letter* letters, int parts, int part, unsigned stamp) {
  const int warp = threadIdx.x >> 5, warps = blockDim.x >> 5, k = threadIdx.x % SLAB;
  if (parts <= FEW) {
    if (threadIdx.x < SLAB) post(letters + part * SLAB + k, total[k], stamp);
    add_strands(receive_sum(letters + k, SLAB, threadIdx.x / SLAB, blockDim.x / SLAB, parts, stamp), total);
    return;
  }
  if (threadIdx.x < SLAB) post(letters + k * (parts + 1) + part, total[k], stamp);
  for (int channel = part + warp * parts; channel < SLAB; channel += warps * parts) {
    letter* mine = letters + channel * (parts + 1);
    const float2 sums = receive_all(mine, parts, stamp);
    if (threadIdx.x % 32 == 0) post(mine + parts, sums, stamp);
  }
  if (threadIdx.x < SLAB) total[k] = receive(letters + k * (parts + 1) + parts, stamp);
  __syncthreads();
}

// What a block does. All threads together visit blockDim.x / COLUMNS rows of a slab at once; visits are dealt to the
// blocks of the slab in turn. The last `kept` visits of each block, all of them full, are kept; rows below `middle` are
// read twice.
struct share {
  int slab, part, middle;
  __device__ __forceinline__ share(int rows, int parts, int kept) {
    slab = blockIdx.x / parts, part = blockIdx.x % parts;
    middle = max(0, rows - kept * parts * (int)(blockDim.x / COLUMNS));
  }
  __device__ __forceinline__ spot stand(int packs, int parts) const {
    const spot at = ::stand(slab, packs);
    return {at.column, at.row + part * at.step, at.step * parts, at.inside};
  }
  // Where a thread begins to read rows again, backwards; below 0 where it has none.
  __device__ __forceinline__ int backwards(spot at) const {
    const int span = middle - at.row;
    return at.row + (span > 0 ? (span - 1) / at.step : -1) * at.step;
  }
};

extern "C" __global__ void __launch_bounds__(512, 2)
forward_persistent(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
                   const float* __restrict__ beta, letter* letters, unsigned long long* begun, STATISTICS, SHAPE,
                   int parts, int kept, float eps, float momentum) {
  extern __shared__ pack held[];  // kept * blockDim.x; a thread reads what it copied itself
  __shared__ unsigned stamp;
  __shared__ float2 total[SLAB];
  __shared__ float shifts[SLAB];
  __shared__ affine maps[SLAB];
  const int packs = channels / VEC;
  const share mine(rows, parts, kept);
  const int channel = mine.slab * SLAB + threadIdx.x;
  const spot at = mine.stand(packs, parts);
  pack* here = held + threadIdx.x;
  for (int row = mine.middle + at.row, e = 0; at.inside && row < rows; row += at.step, e += blockDim.x)
    copy_begin(here + e, x + (long long)row * packs + at.column);
  copies_end();
  const statistics keep = {mean, inv_std, running_mean, running_var};
  const weights own = slab_weights(gamma, beta, keep, channel, channels, mine.part == 0);
  enter(begun, &stamp);  // behind the copies and the weights
  const wide shift = share_guess(x, mine.slab, rows, packs, shifts);
  float2 sums[VEC] = {};
  add_rows(sums, x, at, packs, 0, mine.middle, shift);
  copies_wait<0>();
#pragma unroll 2
  for (int row = mine.middle + at.row, e = 0; at.inside && row < rows; row += at.step, e += blockDim.x)
    gather(sums, unpack(load(here + e)), shift);
  slab_sum(sums, total);
  all_reduce(total, letters + (long long)mine.slab * SLAB * (parts + 1), parts, mine.part, stamp);
  const maps_of<affine> map = finish_slab(total, shifts, maps, rows, eps, own);
#pragma unroll 4
  for (int row = mine.backwards(at); at.inside && row >= 0; row -= at.step) {
    const long long i = (long long)row * packs + at.column;
    store_once(y + i, apply(unpack(load_once(x + i)), map));
  }
#pragma unroll 2
  for (int row = mine.middle + at.row, e = 0; at.inside && row < rows; row += at.step, e += blockDim.x)
    store_once(y + (long long)row * packs + at.column, apply(unpack(load(here + e)), map));
  if (mine.part == 0 && threadIdx.x < SLAB && channel < channels)
    remember(total[threadIdx.x], shifts[threadIdx.x], (float)rows, eps, momentum, own, channel, keep);
}

extern "C" __global__ void __launch_bounds__(512, 2)
backward_persistent(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
                    const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
                    letter* letters, unsigned long long* begun, float* dgamma, float* dbeta, SHAPE, int parts,
                    int kept) {
  extern __shared__ pack held[];  // 2 * kept * blockDim.x: x, then dy
  __shared__ unsigned stamp;
  __shared__ float2 total[SLAB];
  __shared__ backward maps[SLAB];
  const int packs = channels / VEC;
  const share mine(rows, parts, kept);
  const int channel = mine.slab * SLAB + threadIdx.x;
  const spot at = mine.stand(packs, parts);
  pack *of_x = held + threadIdx.x, *of_dy = of_x + kept * blockDim.x;
  for (int row = mine.middle + at.row, e = 0; at.inside && row < rows; row += at.step, e += blockDim.x) {
    const long long i = (long long)row * packs + at.column;
    copy_begin(of_x + e, x + i);
    copy_begin(of_dy + e, dy + i);
  }
  copies_end();
  const backward_weights weights(gamma, mean, inv_std, channel, channels);
  wide means = {};
  if (at.inside) means = of_channels(mean, at.column);
  enter(begun, &stamp);
  float2 sums[VEC] = {};
  add_rows(sums, dy, x, at, packs, 0, mine.middle, means);
  copies_wait<0>();
#pragma unroll 2
  for (int row = mine.middle + at.row, e = 0; at.inside && row < rows; row += at.step, e += blockDim.x)
    gather(sums, unpack(load(of_dy + e)), unpack(load(of_x + e)), means);
  slab_sum(sums, total);
  all_reduce(total, letters + (long long)mine.slab * SLAB * (parts + 1), parts, mine.part, stamp);
  if (mine.part == 0 && threadIdx.x < SLAB && channel < channels)
    remember(total[threadIdx.x], weights.inv_std, channel, {dgamma, dbeta});
  const maps_of<backward> map = prepare_slab(total, maps, rows, weights);
#pragma unroll 2
  for (int row = mine.backwards(at); at.inside && row >= 0; row -= at.step) {
    const long long i = (long long)row * packs + at.column;
    store_once(dx + i, apply(unpack(load_once(dy + i)), unpack(load_once(x + i)), map));
  }
#pragma unroll 2
  for (int row = mine.middle + at.row, e = 0; at.inside && row < rows; row += at.step, e += blockDim.x)
    store_once(dx + (long long)row * packs + at.column, apply(unpack(load(of_dy + e)), unpack(load(of_x + e)), map));
}
