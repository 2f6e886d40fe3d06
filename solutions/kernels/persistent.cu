// One read and one write: a cooperative launch in which every block keeps its part of a channel in shared memory.
// Follows images.cu in the same module.
//
// The grid works in rounds. In a round blocks / parts channels are handled, and each block holds one chunk of one of
// them. Two buffers take turns: the loads of the next round are under way before this round is finished, so waiting for
// the other blocks of a channel costs next to nothing.

template <class Partial>
__device__ __forceinline__ void publish(Partial* partial, unsigned* counters, int channel, int j, int parts,
                                        Partial value) {
  if (threadIdx.x == 0) {
    __stcg(partial + channel * parts + j, value);
    arrive(counters, channel);
  }
}
// Parts are (mean, sum of squared deviations) of a block's own numbers: with the data at hand, its own mean is the best
// shift. They are merged about the first part's mean (Chan, Golub and LeVeque 1983).
__device__ __forceinline__ float2 merge(const float2* partial, int parts, int chunk, int count, float& shift) {
  shift = __ldcg(partial).x;
  float2 sums = make_float2(0.f, 0.f);
  for (int j = threadIdx.x & 31; j < parts; j += 32) {
    const float2 part = __ldcg(partial + j);
    const float numbers = (float)(VEC * (min(count, (j + 1) * chunk) - j * chunk)), distance = part.x - shift;
    sums.x = fmaf(numbers, distance, sums.x);
    sums.y += fmaf(numbers * distance, distance, part.y);
  }
  return warp_sum(sums);
}

extern "C" __global__ void __launch_bounds__(512)
forward_persistent(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
                   const float* __restrict__ beta, float2* partial, unsigned* counters, STATISTICS, SHAPE, int parts,
                   int chunk, float eps, float momentum) {
  extern __shared__ pack held[];  // 2 * chunk; a thread reads what it wrote itself, so no barrier is needed
  const int packs = positions / VEC, count = images * packs, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts;
  if (start >= stride) return;
  const int first = j * chunk, last = min(count, first + chunk);
  const float numbers = (float)(VEC * (last - first));
  int turn = 0;
  for (int channel = start; channel - stride < channels; channel += stride, turn ^= 1) {
    if (channel < channels) {
      pack* mine = held + turn * chunk;
      float2 sums = make_float2(0.f, 0.f);
#pragma unroll 4
      for (int e = first + threadIdx.x; e < last; e += blockDim.x) {
        const pack loaded = load_once(x + place(e, channel, channels, packs));
        mine[e - first] = loaded;
        sums = gather(sums, unpack(loaded), 0.f);
      }
      const float own = block_sum(sums).x / numbers;
      sums = make_float2(0.f, 0.f);
      for (int e = first + threadIdx.x; e < last; e += blockDim.x) sums = gather(sums, unpack(mine[e - first]), own);
      sums = block_sum(sums);
      const float distance = sums.x / numbers;  // what rounding left in `own`
      publish(partial, counters, channel, j, parts, make_float2(own + distance, sums.y - sums.x * distance));
    }
    const int before = channel - stride;  // finish the previous round while these loads settle
    if (before >= 0) {
      const pack* mine = held + (turn ^ 1) * chunk;
      float shift;
      wait_for(counters, before, parts);
      const float2 sums = merge(partial + before * parts, parts, chunk, count, shift);
      leave(counters, before, parts);
      const affine map = finish(sums, shift, (float)images * positions, before, j == 0 && threadIdx.x == 0, eps,
                                momentum, gamma, beta, {mean, inv_std, running_mean, running_var});
#pragma unroll 4
      for (int e = first + threadIdx.x; e < last; e += blockDim.x)
        store_once(y + place(e, before, channels, packs), apply(unpack(mine[e - first]), map));
    }
  }
}

extern "C" __global__ void __launch_bounds__(512)
backward_persistent(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
                    const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
                    float2* partial, unsigned* counters, float* dgamma, float* dbeta, SHAPE, int parts, int chunk) {
  extern __shared__ pack held[];  // 4 * chunk: (x, dy) twice
  const int packs = positions / VEC, count = images * packs, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts;
  if (start >= stride) return;
  const int first = j * chunk, last = min(count, first + chunk);
  int turn = 0;
  for (int channel = start; channel - stride < channels; channel += stride, turn ^= 1) {
    if (channel < channels) {
      pack *held_x = held + 2 * turn * chunk, *held_dy = held_x + chunk;
      float2 sums = make_float2(0.f, 0.f);
#pragma unroll 2
      for (int e = first + threadIdx.x; e < last; e += blockDim.x) {
        const long long at = place(e, channel, channels, packs);
        const pack one_x = load_once(x + at), one_dy = load_once(dy + at);
        held_x[e - first] = one_x;
        held_dy[e - first] = one_dy;
        sums = gather(sums, unpack(one_dy), unpack(one_x), mean[channel]);
      }
      publish(partial, counters, channel, j, parts, block_sum(sums));
    }
    const int before = channel - stride;
    if (before >= 0) {
      const pack *held_x = held + 2 * (turn ^ 1) * chunk, *held_dy = held_x + chunk;
      wait_for(counters, before, parts);
      const float2 sums = add_up(partial + before * parts, parts);
      leave(counters, before, parts);
      const backward map = prepare(sums, (float)images * positions, before, j == 0 && threadIdx.x == 0, gamma, mean,
                                   inv_std, dgamma, dbeta);
#pragma unroll 2
      for (int e = first + threadIdx.x; e < last; e += blockDim.x)
        store_once(dx + place(e, before, channels, packs),
                   apply(unpack(held_dy[e - first]), unpack(held_x[e - first]), map));
    }
  }
}
