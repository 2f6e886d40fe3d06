// One read and one write: a cooperative launch in which every block keeps its part of a channel in shared memory.
// Follows images.cu in the same module.
//
// The grid works in rounds. In a round blocks / parts channels are handled, and each block holds one chunk of one of
// them. Three buffers take turns, so that the memory stays busy: a block adds up a round and tells the others, then
// writes the round before, whose sums have arrived by then, as a rule; each pack that is written makes room for one of
// the round after next. What a round needs from memory besides is read ahead: it would queue behind these copies.

// What a block does: in round r it holds the packs `first` to `last` of channel `start + r * stride`.
struct share {
  int part, first, last, start, stride, rounds;
  __device__ __forceinline__ share(SHAPE, int parts, int chunk) {
    part = blockIdx.x % parts, start = blockIdx.x / parts, stride = gridDim.x / parts;
    first = part * chunk, last = min(images * (positions / VEC), first + chunk);
    rounds = start < min(stride, channels) ? (channels - start + stride - 1) / stride : 0;
  }
  __device__ __forceinline__ int channel(int round) const { return start + round * stride; }
};
// Of three buffers, that of the round before `turn`, which is also that of the round after next.
__device__ __forceinline__ int before(int turn) { return turn == 0 ? 2 : turn - 1; }

// The sums of all parts of a channel, for every thread of the block, in the same order in every block.
__device__ __forceinline__ float2 collect(const letter* letters, int parts, unsigned stamp) {
  __shared__ float2 found;
  if (threadIdx.x < 32) {
    const float2 sums = receive_all(letters, parts, stamp);
    if (threadIdx.x == 0) found = sums;
  }
  __syncthreads();
  return found;  // written again only behind a barrier of the next round
}

extern "C" __global__ void __launch_bounds__(512, 2)
forward_persistent(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
                   const float* __restrict__ beta, letter* letters, unsigned long long* begun, STATISTICS, SHAPE,
                   int parts, int chunk, float eps, float momentum) {
  extern __shared__ pack held[];  // 3 * chunk; a thread reads what it copied itself, so no barrier is needed
  __shared__ weights own[4];      // of the channels at work, one for each round modulo 4
  __shared__ unsigned stamp;
  const share mine(images, channels, positions, parts, chunk);
  const int packs = positions / VEC;
  const float numbers = (float)images * positions;
  const long long sample = sample_of(images, channels, positions);
  const walk<int> begin(mine.first + threadIdx.x, blockDim.x, channels, packs);
  const auto bring_weights = [&](int round) {
    if (threadIdx.x != 0 || round >= mine.rounds) return;
    const int channel = mine.channel(round);
    weights* to = own + (round & 3);
    copy_begin(&to->gamma, gamma + channel), copy_begin(&to->beta, beta + channel);
    if (mine.part) return;
    copy_begin(&to->running_mean, running_mean + channel), copy_begin(&to->running_var, running_var + channel);
  };
  stored ahead = {};
  if (mine.rounds) ahead = sampled(x, sample, mine.start, positions);
  for (int round = 0; round < 2; ++round) {
    bring_weights(round);
    const pack* from = x + (long long)mine.channel(round) * packs;
    pack* to = held + round * chunk - mine.first;
    walk<int> here = begin;
    for (int e = mine.first + threadIdx.x; round < mine.rounds && e < mine.last; e += blockDim.x, here.next())
      copy_begin<true>(to + e, from + here.at);
    copies_end();
  }
  enter(begun, &stamp);
  float shift_before = 0.f;
  for (int round = 0, turn = 0; round <= mine.rounds; ++round, turn = turn == 2 ? 0 : turn + 1) {
    float shift = 0.f;
    if (round < mine.rounds) {
      shift = guess(ahead);
      if (round + 1 < mine.rounds) ahead = sampled(x, sample, mine.channel(round + 1), positions);
      const pack* values = held + turn * chunk - mine.first;
      copies_wait<1>();
      float2 sums = make_float2(0.f, 0.f);
      for (int e = mine.first + threadIdx.x; e < mine.last; e += blockDim.x)
        sums = gather(sums, unpack(load(values + e)), shift);
      sums = block_sum(sums);
      if (threadIdx.x == 0) post(letters + mine.channel(round) * parts + mine.part, sums, stamp);
    } else {
      __syncthreads();  // what the last `collect` found may still be read
    }
    pack* values = held + before(turn) * chunk - mine.first;  // the round before; then the one after next
    const pack* from = x + (long long)mine.channel(round + 2) * packs;
    const bool more = round + 2 < mine.rounds;
    walk<int> here = begin;
    if (round == 0) {
      bring_weights(2);
      for (int e = mine.first + threadIdx.x; more && e < mine.last; e += blockDim.x, here.next())
        copy_begin<true>(values + e, from + here.at);
    } else {
      const int channel = mine.channel(round - 1);
      const float2 sums = collect(letters + channel * parts, parts, stamp);
      const weights& its = own[round - 1 & 3];
      const affine map = finish(sums, shift_before, numbers, eps, its);
      pack* to = y + (long long)channel * packs;
      for (int e = mine.first + threadIdx.x; e < mine.last; e += blockDim.x, here.next()) {
        store_once(to + here.at, apply(unpack(load(values + e)), map));
        if (more) copy_begin<true>(values + e, from + here.at);
      }
      if (mine.part == 0 && threadIdx.x == 0)
        remember(sums, shift_before, numbers, eps, momentum, its, channel, {mean, inv_std, running_mean, running_var});
      bring_weights(round + 2);
    }
    copies_end();
    shift_before = shift;
  }
}

extern "C" __global__ void __launch_bounds__(512, 2)
backward_persistent(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
                    const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
                    letter* letters, unsigned long long* begun, float* dgamma, float* dbeta, SHAPE, int parts,
                    int chunk) {
  extern __shared__ pack held[];  // 6 * chunk: (x, dy) three times
  __shared__ unsigned stamp;
  const share mine(images, channels, positions, parts, chunk);
  const int packs = positions / VEC;
  const walk<int> begin(mine.first + threadIdx.x, blockDim.x, channels, packs);
  float center_ahead = mine.rounds ? mean[mine.start] : 0.f;
  for (int round = 0; round < 2; ++round) {
    const long long offset = (long long)mine.channel(round) * packs;
    pack* to = held + 2 * round * chunk - mine.first;
    walk<int> here = begin;
    for (int e = mine.first + threadIdx.x; round < mine.rounds && e < mine.last; e += blockDim.x, here.next()) {
      copy_begin<true>(to + e, x + offset + here.at);
      copy_begin<true>(to + chunk + e, dy + offset + here.at);
    }
    copies_end();
  }
  enter(begun, &stamp);
  float center_before = 0.f, g_before = 0.f, r_before = 0.f;
  for (int round = 0, turn = 0; round <= mine.rounds; ++round, turn = turn == 2 ? 0 : turn + 1) {
    const float center = center_ahead;
    float g = 0.f, r = 0.f;
    if (round < mine.rounds) {
      g = gamma[mine.channel(round)], r = inv_std[mine.channel(round)];
      if (round + 1 < mine.rounds) center_ahead = mean[mine.channel(round + 1)];
      const pack *of_x = held + 2 * turn * chunk - mine.first, *of_dy = of_x + chunk;
      copies_wait<1>();
      float2 sums = make_float2(0.f, 0.f);
      for (int e = mine.first + threadIdx.x; e < mine.last; e += blockDim.x)
        sums = gather(sums, unpack(load(of_dy + e)), unpack(load(of_x + e)), center);
      sums = block_sum(sums);
      if (threadIdx.x == 0) post(letters + mine.channel(round) * parts + mine.part, sums, stamp);
    } else {
      __syncthreads();  // what the last `collect` found may still be read
    }
    pack *of_x = held + 2 * before(turn) * chunk - mine.first, *of_dy = of_x + chunk;
    const long long further = (long long)mine.channel(round + 2) * packs;
    const bool more = round + 2 < mine.rounds;
    walk<int> here = begin;
    if (round == 0) {
      for (int e = mine.first + threadIdx.x; more && e < mine.last; e += blockDim.x, here.next()) {
        copy_begin<true>(of_x + e, x + further + here.at);
        copy_begin<true>(of_dy + e, dy + further + here.at);
      }
    } else {
      const int channel = mine.channel(round - 1);
      const float2 sums = collect(letters + channel * parts, parts, stamp);
      const backward map = prepare(sums, (float)images * positions, g_before, center_before, r_before);
      if (mine.part == 0 && threadIdx.x == 0) remember(sums, r_before, channel, {dgamma, dbeta});
      pack* to = dx + (long long)channel * packs;
      for (int e = mine.first + threadIdx.x; e < mine.last; e += blockDim.x, here.next()) {
        store_once(to + here.at, apply(unpack(load(of_dy + e)), unpack(load(of_x + e)), map));
        if (more) {
          copy_begin<true>(of_x + e, x + further + here.at);
          copy_begin<true>(of_dy + e, dy + further + here.at);
        }
      }
    }
    copies_end();
    center_before = center, g_before = g, r_before = r;
  }
}
