"""Right answers to the sums of notebook 10, in other ways than the solution's."""

from bnlab.gpu import RawKernel, xp

from solutions.styles import style

F4 = xp.float32
I4 = xp.int32
GIVEN = "const float* x, const float* shift, float* s1, float* s2, int images, int channels, int positions"
ATOMICS = r"""
extern "C" __global__ void sums(GIVEN) {
  __shared__ float one, two;
  if (threadIdx.x == 0) one = two = 0.f;
  __syncthreads();
  for (int i = threadIdx.x; i < images * positions; i += blockDim.x) {
    const float d = x[(i / positions * channels + blockIdx.x) * positions + i % positions] - shift[blockIdx.x];
    atomicAdd(&one, d);
    atomicAdd(&two, d * d);
  }
  __syncthreads();
  if (threadIdx.x == 0) s1[blockIdx.x] = one, s2[blockIdx.x] = two;
}"""
PAIRS = r"""
extern "C" __global__ void sums(GIVEN) {
  extern __shared__ float both[];
  float *one = both, *two = both + blockDim.x;
  const int t = threadIdx.x, c = blockIdx.x;
  one[t] = two[t] = 0.f;
  for (int n = 0; n < images; ++n)
    for (int p = t; p < positions; p += blockDim.x) {
      const float d = x[(n * channels + c) * positions + p] - shift[c];
      one[t] += d;
      two[t] = fmaf(d, d, two[t]);
    }
  __syncthreads();
  for (int far = 1; far < blockDim.x; far *= 2) {
    const int at = 2 * far * t;
    if (at + far < blockDim.x) one[at] += one[at + far], two[at] += two[at + far];
    __syncthreads();
  }
  if (t == 0) s1[c] = *one, s2[c] = *two;
}"""
BY_THREAD_0 = r"""
extern "C" __global__ void sums(GIVEN) {
  __shared__ double one[64], two[64];
  const int t = threadIdx.x, c = blockIdx.x;
  double a = 0, b = 0;
  for (int i = t; i < images * positions; i += 64) {
    const double d = x[(i / positions * channels + c) * positions + i % positions] - shift[c];
    a += d, b += d * d;
  }
  one[t] = a, two[t] = b;
  __syncthreads();
  if (t) return;
  for (int k = 1; k < 64; ++k) a += one[k], b += two[k];
  s1[c] = a, s2[c] = b;
}"""
BUTTERFLY = r"""
extern "C" __global__ void sums(GIVEN) {
  __shared__ float of_warp[2][2];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, c = blockIdx.x;
  float a = 0.f, b = 0.f;
  for (int i = threadIdx.x; i < images * positions; i += 64) {
    const float d = x[(i / positions * channels + c) * positions + i % positions] - shift[c];
    a += d;
    b += d * d;
  }
#pragma unroll
  for (int bit = 1; bit < 32; bit <<= 1) {
    a += __shfl_xor_sync(~0u, a, bit);
    b += __shfl_xor_sync(~0u, b, bit);
  }
  if (lane == 0) of_warp[warp][0] = a, of_warp[warp][1] = b;
  __syncthreads();
  if (threadIdx.x < 2) (threadIdx.x ? s2 : s1)[c] = of_warp[0][threadIdx.x] + of_warp[1][threadIdx.x];
}"""
ONE_WARP = r"""
extern "C" __global__ void sums(GIVEN) {
  float a = 0.f, b = 0.f;
  for (int i = threadIdx.x; i < images * positions; i += 32) {
    const float d = x[(i / positions * channels + blockIdx.x) * positions + i % positions] - shift[blockIdx.x];
    a += d;
    b += d * d;
  }
  for (int far = 16; far; far >>= 1) {
    a += __shfl_down_sync(0xffffffff, a, far);
    b += __shfl_down_sync(0xffffffff, b, far);
  }
  if (threadIdx.x == 0) s1[blockIdx.x] = a, s2[blockIdx.x] = b;
}"""
WARP_ATOMICS = r"""
extern "C" __global__ void sums(GIVEN) {
  __shared__ float one, two;
  const int t = threadIdx.x, c = blockIdx.x;
  if (t == 0) one = 0.f, two = 0.f;
  float a = 0.f, b = 0.f;
  for (int i = t; i < images * positions; i += blockDim.x) {
    const float d = x[(i / positions * channels + c) * positions + i % positions] - shift[c];
    a += d;
    b += d * d;
  }
  for (int far = 16; far; far >>= 1) {
    a += __shfl_down_sync(0xffffffff, a, far);
    b += __shfl_down_sync(0xffffffff, b, far);
  }
  __syncthreads();
  if (t % 32 == 0) atomicAdd(&one, a), atomicAdd(&two, b);
  __syncthreads();
  if (t == 0) s1[c] = one, s2[c] = two;
}"""
PARTIALS = r"""
extern "C" __global__ void part_sums(const float* x, const float* shift, float* partial, int images, int channels,
                                     int positions) {
  const int c = blockIdx.y, m = images * positions, step = gridDim.x * 32;
  float a = 0.f, b = 0.f;
  for (int i = blockIdx.x * 32 + threadIdx.x; i < m; i += step) {
    const float d = x[(i / positions * channels + c) * positions + i % positions] - shift[c];
    a += d;
    b += d * d;
  }
  for (int far = 16; far; far >>= 1) {
    a += __shfl_down_sync(0xffffffff, a, far);
    b += __shfl_down_sync(0xffffffff, b, far);
  }
  float* mine = partial + 2 * (c * gridDim.x + blockIdx.x);
  if (threadIdx.x == 0) mine[0] = a, mine[1] = b;
}
extern "C" __global__ void add_up(const float* partial, float* s1, float* s2, int parts) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  float a = 0.f, b = 0.f;
  for (int j = 0; j < parts; ++j) a += partial[2 * (c * parts + j)], b += partial[2 * (c * parts + j) + 1];
  s1[c] = a, s2[c] = b;
}"""
EVERY_THREAD = r"""
extern "C" __global__ void sums(GIVEN, int chunk) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x, m = images * positions;
  for (int k = i; k < m; k += gridDim.x * blockDim.x) {
    const float d = x[(k / positions * channels + blockIdx.y) * positions + k % positions] - shift[blockIdx.y];
    atomicAdd(s1 + blockIdx.y, d);
    atomicAdd(s2 + blockIdx.y, d * d);
  }
}"""
LAST_BLOCK = r"""
extern "C" __global__ void sums(GIVEN, float* partial, unsigned* done) {
  const int t = threadIdx.x, c = blockIdx.y, j = blockIdx.x, parts = gridDim.x;
  float a = 0.f, b = 0.f;
  for (int i = j * 32 + t; i < images * positions; i += 32 * parts) {
    const float d = x[(i / positions * channels + c) * positions + i % positions] - shift[c];
    a += d;
    b += d * d;
  }
  for (int far = 16; far; far >>= 1) {
    a += __shfl_down_sync(0xffffffff, a, far);
    b += __shfl_down_sync(0xffffffff, b, far);
  }
  if (t) return;
  volatile float* all = partial + 2 * c * parts;
  all[2 * j] = a, all[2 * j + 1] = b;
  __threadfence();
  if (atomicAdd(done + c, 1u) != parts - 1u) return;
  __threadfence();
  a = b = 0.f;
  for (int k = 0; k < parts; ++k) a += all[2 * k], b += all[2 * k + 1];
  s1[c] = a, s2[c] = b;
}"""


def sizes(x):
    n, c, h, w = x.shape
    return I4(n), I4(c), I4(h * w)


def launch(code, x, shift, threads, shared=0):
    """One block a channel."""
    c = x.shape[1]
    s1, s2 = xp.empty(c, F4), xp.empty(c, F4)
    kernel = RawKernel(code.replace("GIVEN", GIVEN), "sums")
    kernel((c,), (threads,), (x, shift, s1, s2, *sizes(x)), shared_mem=shared)
    return s1, s2


@style("channel-sums")
def atomics_in_shared_memory(x, shift):
    return launch(ATOMICS, x, shift, 64)


@style("channel-sums")
def dynamic_memory_and_growing_steps(x, shift):
    return launch(PAIRS, x, shift, 64, 512)


@style("channel-sums")
def thread_0_adds_up_in_double(x, shift):
    return launch(BY_THREAD_0, x, shift, 64)


@style("channel-sums")
def by_warps_already(x, shift):
    return launch(BUTTERFLY, x, shift, 64)


@style("warp-sums")
def butterfly(x, shift):
    return launch(BUTTERFLY, x, shift, 64)


@style("warp-sums")
def one_warp_a_block(x, shift):
    return launch(ONE_WARP, x, shift, 32)


@style("warp-sums")
def warps_meet_by_atomics(x, shift):
    return launch(WARP_ATOMICS, x, shift, 128)


@style("warp-sums")
def no_shuffle_but_few_barriers(x, shift):
    return launch(BY_THREAD_0, x, shift, 64)


@style("split-sums")
def partial_sums_and_a_second_kernel(x, shift, parts):
    n, c, h, w = x.shape
    partial, s1, s2 = xp.empty((c, parts, 2), F4), xp.empty(c, F4), xp.empty(c, F4)
    RawKernel(PARTIALS, "part_sums")((parts, c), (32,), (x, shift, partial, *sizes(x)))
    RawKernel(PARTIALS, "add_up")((1,), (c,), (partial, s1, s2, I4(parts)))
    return s1, s2


@style("split-sums")
def partial_sums_added_as_arrays(x, shift, parts):
    partial = xp.empty((x.shape[1], parts, 2), F4)
    RawKernel(PARTIALS, "part_sums")((parts, x.shape[1]), (32,), (x, shift, partial, *sizes(x)))
    return partial[:, :, 0].sum(axis=1), partial[:, :, 1].sum(axis=1)


@style("split-sums")
def every_thread_adds_by_itself(x, shift, parts):
    c = x.shape[1]
    s1, s2 = xp.zeros(c, F4), xp.zeros(c, F4)
    kernel = RawKernel(EVERY_THREAD.replace("GIVEN", GIVEN), "sums")
    kernel((parts, c), (32,), (x, shift, s1, s2, *sizes(x), I4(0)))
    return s1, s2


@style("split-sums")
def the_last_block_finishes(x, shift, parts):
    c = x.shape[1]
    s1, s2, partial, done = xp.empty(c, F4), xp.empty(c, F4), xp.empty((c, parts, 2), F4), xp.zeros(c, xp.uint32)
    kernel = RawKernel(LAST_BLOCK.replace("GIVEN", GIVEN), "sums")
    kernel((parts, c), (32,), (x, shift, s1, s2, *sizes(x), partial, done))
    return s1, s2
