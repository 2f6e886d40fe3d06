// One read and one write: a cooperative launch in which every block keeps its part of a channel in shared memory.
// Follows images.cu in the same module.
//
// The grid works in rounds. In a round blocks / parts channels are handled, and each block holds one chunk of one of
// them. Three buffers take turns, so that the memory is never idle: a block adds up a round and tells the others, then
// writes the round before; each pack that is written makes room for one of the round after next. The last warp does none
// of this: it receives the sums of a round while the others write. What a round needs from memory besides is read a round
// ahead: it would queue behind these copies.

// What a thread does: in round r its block holds the packs `base` to `last` of channel `start + r * stride`, and of these
// it takes `first`, `first + step`, ...; none of them if it is one of the last warp.
struct share {
  int part, base, first, last, step, start, stride, rounds;
  bool receives;
  __device__ __forceinline__ share(SHAPE, int parts, int chunk) {
    part = blockIdx.x % parts, start = blockIdx.x / parts, stride = gridDim.x / parts, step = blockDim.x - 32;
    base = part * chunk, last = min(images * (positions / VEC), base + chunk);
    receives = threadIdx.x >= step, first = receives ? last : base + threadIdx.x;
    rounds = start < min(stride, channels) ? (channels - start + stride - 1) / stride : 0;
  }
  __device__ __forceinline__ int channel(int round) const { return start + round * stride; }
};

extern "C" __global__ void __launch_bounds__(512, 2)
forward_persistent(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
                   const float* __restrict__ beta, letter* letters, unsigned* office, STATISTICS, SHAPE, int parts,
                   int chunk, float eps, float momentum) {
  extern __shared__ pack held[];  // 3 * chunk; a thread reads what it copied itself, so no barrier is needed
  const share mine(images, channels, positions, parts, chunk);
  const int packs = positions / VEC;
  const float numbers = (float)images * positions;
  const unsigned stamp = stamp_of(office);
  const long long sample = sample_of(images, channels, positions);
  const walk<int> begin(mine.first, mine.step, channels, packs);
  stored ahead = {};
  if (mine.rounds) ahead = sampled(x, sample, mine.start, positions);
  for (int round = 0; round < 2; ++round) {
    const pack* from = x + (long long)mine.channel(round) * packs;
    pack* to = held + round * chunk - mine.base;
    walk<int> here = begin;
    for (int e = mine.first; round < mine.rounds && e < mine.last; e += mine.step, here.next())
      copy_begin(to + e, from + here.at);
    copies_end();
  }
  __shared__ float2 found[2];  // sums of whole channels, for even and odd rounds; behind the next barrier
  float shift_before = 0.f, g_before = 0.f, b_before = 0.f;
  for (int round = 0, turn = 0; round <= mine.rounds; ++round, turn = turn == 2 ? 0 : turn + 1) {
    float shift = 0.f, g = 0.f, b = 0.f;
    if (round < mine.rounds) {
      const int channel = mine.channel(round);
      shift = guess(ahead), g = gamma[channel], b = beta[channel];
      if (round + 1 < mine.rounds) ahead = sampled(x, sample, mine.channel(round + 1), positions);
      const pack* values = held + turn * chunk - mine.base;
      copies_wait<1>();
      float2 sums = make_float2(0.f, 0.f);
      for (int e = mine.first; e < mine.last; e += mine.step) sums = gather(sums, unpack(values[e]), shift);
      sums = block_sum(sums);
      if (threadIdx.x == 0) post(letters + channel * parts + mine.part, sums, stamp);
      if (mine.receives) {
        sums = receive_all(letters + channel * parts, parts, stamp);
        if (threadIdx.x == mine.step) found[round & 1] = sums;
      }
    } else {
      __syncthreads();  // for `found`
    }
    pack* values = held + (turn == 0 ? 2 : turn - 1) * chunk - mine.base;  // the round before; then the one after next
    const pack* from = x + (long long)mine.channel(round + 2) * packs;
    const bool more = round + 2 < mine.rounds;
    walk<int> here = begin;
    if (round == 0) {
      for (int e = mine.first; more && e < mine.last; e += mine.step, here.next())
        copy_begin(values + e, from + here.at);
    } else {
      const int channel = mine.channel(round - 1);
      const float2 sums = found[round - 1 & 1];
      const affine map = finish(sums, shift_before, numbers, eps, g_before, b_before);
      pack* to = y + (long long)channel * packs;
      for (int e = mine.first; e < mine.last; e += mine.step, here.next()) {
        store_once(to + here.at, apply(unpack(values[e]), map));
        if (more) copy_begin(values + e, from + here.at);
      }
      if (mine.part == 0 && threadIdx.x == mine.step)
        remember(sums, shift_before, numbers, channel, eps, momentum, {mean, inv_std, running_mean, running_var});
    }
    copies_end();
    shift_before = shift, g_before = g, b_before = b;
  }
  leave(office, stamp);
}

extern "C" __global__ void __launch_bounds__(512, 2)
backward_persistent(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
                    const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
                    letter* letters, unsigned* office, float* dgamma, float* dbeta, SHAPE, int parts, int chunk) {
  extern __shared__ pack held[];  // 6 * chunk: (x, dy) three times
  const share mine(images, channels, positions, parts, chunk);
  const int packs = positions / VEC;
  const unsigned stamp = stamp_of(office);
  const walk<int> begin(mine.first, mine.step, channels, packs);
  float ahead = mine.rounds ? mean[mine.start] : 0.f;
  for (int round = 0; round < 2; ++round) {
    const long long offset = (long long)mine.channel(round) * packs;
    pack* to = held + 2 * round * chunk - mine.base;
    walk<int> here = begin;
    for (int e = mine.first; round < mine.rounds && e < mine.last; e += mine.step, here.next()) {
      copy_begin(to + e, x + offset + here.at);
      copy_begin(to + chunk + e, dy + offset + here.at);
    }
    copies_end();
  }
  __shared__ float2 found[2];
  float center_before = 0.f, g_before = 0.f, r_before = 0.f;
  for (int round = 0, turn = 0; round <= mine.rounds; ++round, turn = turn == 2 ? 0 : turn + 1) {
    const float center = ahead;
    float g = 0.f, r = 0.f;
    if (round < mine.rounds) {
      const int channel = mine.channel(round);
      g = gamma[channel], r = inv_std[channel];
      if (round + 1 < mine.rounds) ahead = mean[mine.channel(round + 1)];
      const pack *of_x = held + 2 * turn * chunk - mine.base, *of_dy = of_x + chunk;
      copies_wait<1>();
      float2 sums = make_float2(0.f, 0.f);
      for (int e = mine.first; e < mine.last; e += mine.step)
        sums = gather(sums, unpack(of_dy[e]), unpack(of_x[e]), center);
      sums = block_sum(sums);
      if (threadIdx.x == 0) post(letters + channel * parts + mine.part, sums, stamp);
      if (mine.receives) {
        sums = receive_all(letters + channel * parts, parts, stamp);
        if (threadIdx.x == mine.step) found[round & 1] = sums;
      }
    } else {
      __syncthreads();  // for `found`
    }
    pack *of_x = held + 2 * (turn == 0 ? 2 : turn - 1) * chunk - mine.base, *of_dy = of_x + chunk;
    const long long further = (long long)mine.channel(round + 2) * packs;
    const bool more = round + 2 < mine.rounds;
    walk<int> here = begin;
    if (round == 0) {
      for (int e = mine.first; more && e < mine.last; e += mine.step, here.next()) {
        copy_begin(of_x + e, x + further + here.at);
        copy_begin(of_dy + e, dy + further + here.at);
      }
    } else {
      const int channel = mine.channel(round - 1);
      const float2 sums = found[round - 1 & 1];
      const backward map = prepare(sums, (float)images * positions, g_before, center_before, r_before);
      if (mine.part == 0 && threadIdx.x == mine.step) remember(sums, r_before, channel, {dgamma, dbeta});
      pack* to = dx + (long long)channel * packs;
      for (int e = mine.first; e < mine.last; e += mine.step, here.next()) {
        store_once(to + here.at, apply(unpack(of_dy[e]), unpack(of_x[e]), map));
        if (more) {
          copy_begin(of_x + e, x + further + here.at);
          copy_begin(of_dy + e, dy + further + here.at);
        }
      }
    }
    copies_end();
    center_before = center, g_before = g, r_before = r;
  }
  leave(office, stamp);
}
