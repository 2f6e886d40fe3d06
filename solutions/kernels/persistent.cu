// One read and one write: a cooperative launch in which every block keeps its part of a channel in shared memory.
// Follows images.cu in the same module.
//
// The grid works in rounds. In a round blocks / parts channels are handled, and each block holds one chunk of one of
// them. Two buffers take turns: whenever a pack has been written to y, a copy of the round after next takes its place, so
// that reads and writes keep the memory busy together, and a round is there before its turn. What a round needs from
// memory besides is read a round ahead: it would have to queue behind these copies.

// The sums of all parts of a channel, for every thread of the block, in the same order in every block.
__device__ __forceinline__ float2 collect(const letter* letters, int parts, unsigned stamp) {
  __shared__ float2 found;
  if (threadIdx.x < 32) {
    float2 sums = make_float2(0.f, 0.f);
    for (int j = threadIdx.x; j < parts; j += 32) {
      const float2 one = receive(letters + j, stamp);
      sums.x += one.x;
      sums.y += one.y;
    }
    sums = warp_sum(sums);
    if (threadIdx.x == 0) found = sums;
  }
  __syncthreads();
  return found;  // written again only behind the barriers of the next round
}

extern "C" __global__ void __launch_bounds__(512, 2)
forward_persistent(const pack* __restrict__ x, pack* __restrict__ y, const float* __restrict__ gamma,
                   const float* __restrict__ beta, letter* letters, unsigned* office, STATISTICS, SHAPE, int parts,
                   int chunk, float eps, float momentum) {
  extern __shared__ pack held[];  // 2 * chunk; a thread reads what it copied itself, so no barrier is needed
  const int packs = positions / VEC, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts, end = start < stride ? channels : 0;
  const int first = j * chunk, last = min(images * packs, first + chunk);
  const unsigned stamp = stamp_of(office);
  const long long sample = sample_of(images, channels, positions);
  const walk<long long> begin(first + threadIdx.x, blockDim.x, channels, packs);
  stored ahead = {};
  if (start < end) ahead = sampled(x, sample, start, positions);
  for (int turn = 0; turn < 2; ++turn) {
    const int channel = start + turn * stride;
    const pack* from = x + (long long)channel * packs;
    walk<long long> here = begin;
    for (int e = first + threadIdx.x; channel < end && e < last; e += blockDim.x, here.next())
      copy_begin(held + turn * chunk + e - first, from + here.at);
    copies_end();
  }
  int turn = 0;
  for (int channel = start; channel < end; channel += stride, turn ^= 1) {
    const float shift = guess(ahead);
    if (channel + stride < end) ahead = sampled(x, sample, channel + stride, positions);
    pack* mine = held + turn * chunk - first;
    copies_wait<1>();
    float2 sums = make_float2(0.f, 0.f);
    for (int e = first + threadIdx.x; e < last; e += blockDim.x) sums = gather(sums, unpack(mine[e]), shift);
    sums = block_sum(sums);
    if (threadIdx.x == 0) post(letters + channel * parts + j, sums, stamp);
    const affine map = finish(collect(letters + channel * parts, parts, stamp), shift, (float)images * positions, channel,
                              j == 0 && threadIdx.x == 0, eps, momentum, gamma, beta,
                              {mean, inv_std, running_mean, running_var});
    pack* to = y + (long long)channel * packs;
    const pack* from = x + (long long)(channel + 2 * stride) * packs;
    const bool more = channel + 2 * stride < end;
    walk<long long> here = begin;
    for (int e = first + threadIdx.x; e < last; e += blockDim.x, here.next()) {
      store_once(to + here.at, apply(unpack(mine[e]), map));
      if (more) copy_begin(mine + e, from + here.at);
    }
    copies_end();
  }
  leave(office, stamp);
}

extern "C" __global__ void __launch_bounds__(512, 2)
backward_persistent(const pack* __restrict__ dy, const pack* __restrict__ x, pack* __restrict__ dx,
                    const float* __restrict__ gamma, const float* __restrict__ mean, const float* __restrict__ inv_std,
                    letter* letters, unsigned* office, float* dgamma, float* dbeta, SHAPE, int parts, int chunk) {
  extern __shared__ pack held[];  // 4 * chunk: (x, dy) twice
  const int packs = positions / VEC, stride = gridDim.x / parts;
  const int j = blockIdx.x % parts, start = blockIdx.x / parts, end = start < stride ? channels : 0;
  const int first = j * chunk, last = min(images * packs, first + chunk);
  const unsigned stamp = stamp_of(office);
  const walk<long long> begin(first + threadIdx.x, blockDim.x, channels, packs);
  float ahead = start < end ? mean[start] : 0.f;
  for (int turn = 0; turn < 2; ++turn) {
    const int channel = start + turn * stride;
    const long long offset = (long long)channel * packs;
    pack* to = held + 2 * turn * chunk - first;
    walk<long long> here = begin;
    for (int e = first + threadIdx.x; channel < end && e < last; e += blockDim.x, here.next()) {
      copy_begin(to + e, x + offset + here.at);
      copy_begin(to + chunk + e, dy + offset + here.at);
    }
    copies_end();
  }
  int turn = 0;
  for (int channel = start; channel < end; channel += stride, turn ^= 1) {
    const float center = ahead;
    if (channel + stride < end) ahead = mean[channel + stride];
    pack *held_x = held + 2 * turn * chunk - first, *held_dy = held_x + chunk;
    copies_wait<1>();
    float2 sums = make_float2(0.f, 0.f);
    for (int e = first + threadIdx.x; e < last; e += blockDim.x)
      sums = gather(sums, unpack(held_dy[e]), unpack(held_x[e]), center);
    sums = block_sum(sums);
    if (threadIdx.x == 0) post(letters + channel * parts + j, sums, stamp);
    const backward map = prepare(collect(letters + channel * parts, parts, stamp), (float)images * positions, channel,
                                 j == 0 && threadIdx.x == 0, gamma, mean, inv_std, dgamma, dbeta);
    pack* to = dx + (long long)channel * packs;
    const long long further = (long long)(channel + 2 * stride) * packs;
    const bool more = channel + 2 * stride < end;
    walk<long long> here = begin;
    for (int e = first + threadIdx.x; e < last; e += blockDim.x, here.next()) {
      store_once(to + here.at, apply(unpack(held_dy[e]), unpack(held_x[e]), map));
      if (more) {
        copy_begin(held_x + e, x + further + here.at);
        copy_begin(held_dy + e, dy + further + here.at);
      }
    }
    copies_end();
  }
  leave(office, stamp);
}
