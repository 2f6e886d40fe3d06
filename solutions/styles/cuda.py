"""Right answers to the passes of notebook 10, and to its formulas, in other ways than the solution's."""

import numpy as np
from bnlab.gpu import RawKernel, xp

from solutions.styles import style

F4 = xp.float32
I4 = xp.int32
GIVEN = (
    "const float* x, const float* gamma, const float* beta, float* y, float* mu, float* inv_std, int images, "
    "int channels, int positions, float eps"
)
COMMON = r"""
#define AT(i) (((i) / positions * channels + c) * positions + (i) % positions)
__device__ float block_sum(float v, float* part) {
  __syncthreads();
  part[threadIdx.x] = v;
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
  }
  __syncthreads();
  return part[0];
}
"""
TREE = r"""
extern "C" __global__ void train(GIVEN) {
  __shared__ float part[64];
  const int c = blockIdx.x, m = images * positions;
  const float guess = 0.5f * (x[AT(0)] + x[AT(m - 1)]);
  float a = 0.f, b = 0.f;
  for (int i = threadIdx.x; i < m; i += 64) {
    const float d = x[AT(i)] - guess;
    a += d, b += d * d;
  }
  const float far = block_sum(a, part) / m, mean = guess + far;
  const float r = rsqrtf(fmaxf(block_sum(b, part) / m - far * far, 0.f) + eps);
  if (threadIdx.x == 0) mu[c] = mean, inv_std[c] = r;
  for (int i = threadIdx.x; i < m; i += 64) y[AT(i)] = fmaf((x[AT(i)] - mean) * r, gamma[c], beta[c]);
}"""
UNROLLED = TREE.replace(
    "for (int i = threadIdx.x; i < m; i += 64) {",
    "#pragma unroll 4\n  for (int i = threadIdx.x; i < m; i += 64) {",
).replace(
    "fmaf((x[AT(i)] - mean) * r, gamma[c], beta[c])",
    "gamma[c] * ((x[AT(i)] - mean) * r) + beta[c]",
)
WELFORD = r"""
extern "C" __global__ void train(GIVEN) {
  __shared__ float part[64], shared_mean;
  const int c = blockIdx.x, m = images * positions;
  float count = 0.f, mean = 0.f, m2 = 0.f;
  for (int i = threadIdx.x; i < m; i += 64) {
    const float value = x[AT(i)], step = value - mean;
    count += 1.f;
    mean += step / count;
    m2 += step * (value - mean);
  }
  const float base = x[AT(0)];
  const float whole = base + block_sum(count > 0.f ? count * (mean - base) : 0.f, part) / m;
  const float var = block_sum(m2 + count * (mean - whole) * (mean - whole), part) / m;
  const float r = 1.f / sqrtf(var + eps);
  if (threadIdx.x == 0) mu[c] = whole, inv_std[c] = r;
  for (int i = threadIdx.x; i < m; i += 64) y[AT(i)] = gamma[c] * r * (x[AT(i)] - whole) + beta[c];
}"""
HELD = r"""
extern "C" __global__ void train(GIVEN) {
  extern __shared__ float held[];
  __shared__ float part[64];
  const int m = images * positions;
  for (int c = blockIdx.x; c < channels; c += gridDim.x) {
    const float start = x[AT(0)];
    float a = 0.f, b = 0.f;
    for (int i = threadIdx.x; i < m; i += 64) held[i] = x[AT(i)], a += held[i] - start;
    const float mean = start + block_sum(a, part) / m;
    for (int i = threadIdx.x; i < m; i += 64) b += (held[i] - mean) * (held[i] - mean);
    const float r = 1.f / sqrtf(block_sum(b, part) / m + eps);
    if (threadIdx.x == 0) mu[c] = mean, inv_std[c] = r;
    for (int i = threadIdx.x; i < m; i += 64) y[AT(i)] = gamma[c] * ((held[i] - mean) * r) + beta[c];
  }
}"""
EACH_ITS_OWN = r"""
#define EACH for (int e = 0, i = threadIdx.x; e < 157; ++e, i += 64) if (i < m)
extern "C" __global__ void train(GIVEN) {
  float kept[157];
  __shared__ float part[64];
  const int m = images * positions;
  for (int c = blockIdx.x; c < channels; c += gridDim.x) {
    float a = 0.f, b = 0.f;
    EACH kept[e] = x[AT(i)], a += kept[e];
    const float mean = block_sum(a, part) / m;
    EACH b += (kept[e] - mean) * (kept[e] - mean);
    const float r = 1.f / sqrtf(block_sum(b, part) / m + eps);
    if (threadIdx.x == 0) mu[c] = mean, inv_std[c] = r;
    EACH y[AT(i)] = gamma[c] * ((kept[e] - mean) * r) + beta[c];
  }
}"""
TWO_LAUNCHES = r"""
extern "C" __global__ void find(GIVEN) {
  __shared__ float part[64];
  const int c = blockIdx.x, m = images * positions;
  const float start = x[AT(0)];
  float a = 0.f, b = 0.f;
  for (int i = threadIdx.x; i < m; i += 64) {
    const float d = x[AT(i)] - start;
    a += d, b += d * d;
  }
  a = block_sum(a, part) / m;
  b = block_sum(b, part) / m;
  if (threadIdx.x == 0) mu[c] = start + a, inv_std[c] = 1.f / sqrtf(fmaxf(b - a * a, 0.f) + eps);
}
extern "C" __global__ void use(GIVEN) {
  const int k = blockIdx.x * blockDim.x + threadIdx.x, c = k / positions % channels;
  if (k < images * channels * positions) y[k] = gamma[c] * ((x[k] - mu[c]) * inv_std[c]) + beta[c];
}"""
IN_DOUBLE = r"""
extern "C" __global__ void train(GIVEN) {
  __shared__ double one[64], two[64];
  const int c = blockIdx.x, t = threadIdx.x, m = images * positions;
  double a = 0, b = 0;
  for (int i = t; i < m; i += 64) {
    const double value = x[AT(i)];
    a += value, b += value * value;
  }
  one[t] = a, two[t] = b;
  __syncthreads();
  a = b = 0;
  for (int k = 0; k < 64; ++k) a += one[k], b += two[k];
  const double mean = a / m, r = 1 / sqrt(b / m - mean * mean + eps);
  if (t == 0) mu[c] = mean, inv_std[c] = r;
  for (int i = t; i < m; i += 64) y[AT(i)] = gamma[c] * (x[AT(i)] - mean) * r + beta[c];
}"""
GRADIENT = r"""
extern "C" __global__ void gradient(const float* dy, const float* x, const float* mu, const float* inv_std,
                                    const float* gamma, float* dx, float* dgamma, float* dbeta, int images,
                                    int channels, int positions) {
  __shared__ float part[64];
  const int c = blockIdx.x, m = images * positions;
  float a = 0.f, b = 0.f;
  for (int i = threadIdx.x; i < m; i += 64) {
    const float one = dy[AT(i)];
    a += one;
    b = fmaf(one, x[AT(i)] - mu[c], b);
  }
  a = block_sum(a, part);
  b = block_sum(b, part) * inv_std[c];
  if (threadIdx.x == 0) dbeta[c] = a, dgamma[c] = b;
  const float p = gamma[c] * inv_std[c], q = -p * inv_std[c] * b / m, r = -p * a / m;
  for (int i = threadIdx.x; i < m; i += 64) dx[AT(i)] = p * dy[AT(i)] + (q * (x[AT(i)] - mu[c]) + r);
}"""
NODES = GRADIENT.replace(
    "dx[AT(i)] = p * dy[AT(i)] + (q * (x[AT(i)] - mu[c]) + r)",
    "dx[AT(i)] = gamma[c] * inv_std[c] / m * (m * dy[AT(i)] - a - (x[AT(i)] - mu[c]) * inv_std[c] * b)",
)
TWO_BACKWARD = r"""
extern "C" __global__ void find(const float* dy, const float* x, const float* mu, const float* inv_std, float* dgamma,
                                float* dbeta, int images, int channels, int positions) {
  __shared__ float part[64];
  const int c = blockIdx.x, m = images * positions;
  float a = 0.f, b = 0.f;
  for (int i = threadIdx.x; i < m; i += 64) {
    const float one = dy[AT(i)];
    a += one, b += one * ((x[AT(i)] - mu[c]) * inv_std[c]);
  }
  a = block_sum(a, part);
  b = block_sum(b, part);
  if (threadIdx.x == 0) dbeta[c] = a, dgamma[c] = b;
}
extern "C" __global__ void use(const float* dy, const float* x, const float* mu, const float* inv_std,
                               const float* gamma, const float* dgamma, const float* dbeta, float* dx, int images,
                               int channels, int positions) {
  const int k = blockIdx.x * blockDim.x + threadIdx.x, c = k / positions % channels;
  const float m = (float)images * positions;
  if (k >= images * channels * positions) return;
  const float hat = (x[k] - mu[c]) * inv_std[c];
  dx[k] = gamma[c] * inv_std[c] * (dy[k] - dbeta[c] / m - hat * (dgamma[c] / m));
}"""
LINE = r"""
#define LINE(v) (gamma[c] * ((v - mu[c]) * inv_std[c]) + beta[c])
extern "C" __global__ void rows(const float* x, const float* mu, const float* inv_std, const float* gamma,
                                const float* beta, float* y, int channels, int positions) {
  const int c = blockIdx.x % channels;
  const float* from = x + (long long)blockIdx.x * positions;
  float* to = y + (long long)blockIdx.x * positions;
  if (positions % 4 == 0) {
    for (int k = threadIdx.x; k < positions / 4; k += blockDim.x) {
      const float4 v = reinterpret_cast<const float4*>(from)[k];
      reinterpret_cast<float4*>(to)[k] = make_float4(LINE(v.x), LINE(v.y), LINE(v.z), LINE(v.w));
    }
  } else {
    for (int k = threadIdx.x; k < positions; k += blockDim.x) to[k] = LINE(from[k]);
  }
}"""
ACROSS = r"""
__device__ float line(float v, const float* mu, const float* inv_std, const float* gamma, const float* beta, int c) {
  return (v - mu[c]) * (gamma[c] * inv_std[c]) + beta[c];
}
extern "C" __global__ void across(const float* x, const float* mu, const float* inv_std, const float* gamma,
                                  const float* beta, float* y, int channels, int positions, int size) {
  const int k = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
#define C(j) ((k + j) / positions % channels)
  if (k + 3 < size) {
    float4 v = *(const float4*)(x + k);
    v.x = line(v.x, mu, inv_std, gamma, beta, C(0));
    v.y = line(v.y, mu, inv_std, gamma, beta, C(1));
    v.z = line(v.z, mu, inv_std, gamma, beta, C(2));
    v.w = line(v.w, mu, inv_std, gamma, beta, C(3));
    *(float4*)(y + k) = v;
  } else {
    for (int j = 0; k + j < size; ++j) y[k + j] = line(x[k + j], mu, inv_std, gamma, beta, C(j));
  }
}"""


def sizes(x):
    n, c, h, w = x.shape
    return I4(n), I4(c), I4(h * w)


def train(code, x, gamma, beta, eps, blocks=None, shared=0, names=("train",)):
    n, c, h, w = x.shape
    y, mu, inv_std = xp.empty_like(x), xp.empty(c, F4), xp.empty(c, F4)
    given = (x, gamma, beta, y, mu, inv_std, *sizes(x), F4(eps))
    for name in names:
        grid = -(-x.size // 64) if name == "use" else blocks or c
        RawKernel(COMMON + code.replace("GIVEN", GIVEN), name)((grid,), (64,), given, shared_mem=shared)
    return y, (x, mu, inv_std, gamma)


@style("cuda-train", "cuda-train-speed")
def tree_with_another_guess(x, gamma, beta, eps=1e-5):
    return train(TREE, x, gamma, beta, eps)


@style("cuda-train", "cuda-train-speed")
def tree_unrolled(x, gamma, beta, eps=1e-5):
    return train(UNROLLED, x, gamma, beta, eps)


@style("cuda-train")
def welford_in_the_kernel(x, gamma, beta, eps=1e-5):
    return train(WELFORD, x, gamma, beta, eps)


@style("cuda-train", "cuda-train-speed")
def statistics_first_then_y(x, gamma, beta, eps=1e-5):
    return train(TWO_LAUNCHES, x, gamma, beta, eps, names=("find", "use"))


@style("cuda-train", "cuda-train-speed")
def sums_in_double(x, gamma, beta, eps=1e-5):
    return train(IN_DOUBLE, x, gamma, beta, eps)


@style("one-read")
def two_passes_over_shared_memory(x, gamma, beta, eps=1e-5):
    return train(HELD, x, gamma, beta, eps, min(4, x.shape[1]), 4 * (x.size // x.shape[1]))


@style("one-read")
def two_blocks_for_all_channels(x, gamma, beta, eps=1e-5):
    return train(HELD, x, gamma, beta, eps, min(2, x.shape[1]), 4 * (x.size // x.shape[1]))


@style("one-read")
def a_single_block(x, gamma, beta, eps=1e-5):
    return train(HELD, x, gamma, beta, eps, 1, 4 * (x.size // x.shape[1]))


@style("one-read")
def more_memory_than_needed(x, gamma, beta, eps=1e-5):
    return train(HELD, x, gamma, beta, eps, min(3, x.shape[1]), 40_000)


@style("one-read")
def registers_of_each_thread(x, gamma, beta, eps=1e-5):
    return train(EACH_ITS_OWN, x, gamma, beta, eps, min(4, x.shape[1]))


def gradient(code, dy, cache, names=("gradient",)):
    x, mu, inv_std, gamma = cache
    c = dy.shape[1]
    dx, dgamma, dbeta = xp.empty_like(dy), xp.empty(c, F4), xp.empty(c, F4)
    if names == ("gradient",):
        given = (dy, x, mu, inv_std, gamma, dx, dgamma, dbeta, *sizes(dy))
        RawKernel(COMMON + code, "gradient")((c,), (64,), given)
    else:
        RawKernel(COMMON + code, "find")((c,), (64,), (dy, x, mu, inv_std, dgamma, dbeta, *sizes(dy)))
        given = (dy, x, mu, inv_std, gamma, dgamma, dbeta, dx, *sizes(dy))
        RawKernel(COMMON + code, "use")((-(-dy.size // 64),), (64,), given)
    return dx, dgamma, dbeta


@style("cuda-backward", "cuda-backward-speed")
def a_plane_in_dy_and_x(dy, cache):
    return gradient(GRADIENT, dy, cache)


@style("cuda-backward", "cuda-backward-speed")
def m_times_dy(dy, cache):
    return gradient(NODES, dy, cache)


@style("cuda-backward", "cuda-backward-speed")
def sums_first_then_dx(dy, cache):
    return gradient(TWO_BACKWARD, dy, cache, names=("find", "use"))


@style("cuda-backward", "cuda-backward-speed")
def sums_by_the_kernel_dgamma_scaled_outside(dy, cache):
    """The kernel gets inv_std = 1 where it only needs a scale, and the host's code multiplies C numbers."""
    x, mu, inv_std, gamma = cache
    dx, dgamma, dbeta = gradient(NODES, dy, (x, mu, inv_std, gamma))
    return dx, dgamma * F4(1), dbeta + F4(0)


def rows(x, mu, inv_std, gamma, beta, threads):
    n, c, h, w = x.shape
    y = xp.empty_like(x)
    RawKernel(LINE, "rows")((n * c,), (threads,), (x, mu, inv_std, gamma, beta, y, I4(c), I4(h * w)))
    return y


@style("vector-loads")
def a_block_for_each_row(x, mu, inv_std, gamma, beta):
    return rows(x, mu, inv_std, gamma, beta, 64)


@style("vector-loads")
def a_warp_for_each_row(x, mu, inv_std, gamma, beta):
    return rows(x, mu, inv_std, gamma, beta, 32)


@style("vector-loads")
def vectors_across_channels(x, mu, inv_std, gamma, beta):
    """The whole array begins at a multiple of 16: four neighbours, each with the channel of its own, and a tail."""
    n, c, h, w = x.shape
    y = xp.empty_like(x)
    given = (x, mu, inv_std, gamma, beta, y, I4(c), I4(h * w), I4(x.size))
    RawKernel(ACROSS, "across")((-(-x.size // 256),), (64,), given)
    return y


@style("vector-loads")
def scale_worked_out_as_arrays(x, mu, inv_std, gamma, beta):
    return rows(x, mu, gamma * inv_std, xp.ones_like(gamma), beta, 64)


def naive(values):
    return np.mean(np.square(values), axis=1) - np.square(np.mean(values, axis=1))


def shifted(x):
    d = x - x[:, 0][:, None]
    s1, s2, m = d.sum(axis=1), (d * d).sum(axis=1), np.float32(x.shape[1])
    return s2 / m - (s1 / m) ** 2


@style("variance-formulas")
def row_by_row(x):
    found = {"naive": [], "welford": [], "shifted": []}
    for row in x:
        mean = m2 = np.float32(0)
        for i, value in enumerate(row, 1):
            step = value - mean
            mean = mean + step / np.float32(i)
            m2 = m2 + step * (value - mean)
        found["welford"].append(m2 / np.float32(len(row)))
        found["naive"].append(naive(row[None])[0])
        found["shifted"].append(shifted(row[None])[0])
    return {name: np.array(values, np.float32) for name, values in found.items()}


def by_columns(x, m2_of):
    mean, m2 = x[:, 0].copy(), np.zeros_like(x[:, 0])
    for i in range(1, x.shape[1]):
        step = x[:, i] - mean
        m2 = m2_of(m2, step, np.float32(i))
        mean = mean + step / np.float32(1 + i)
    return m2 / np.float32(x.shape[1])


@style("variance-formulas")
def welford_with_one_product(x):
    """m2 + step**2 * i / (i + 1): the same, without the new mean."""
    welford = by_columns(x, lambda m2, step, i: m2 + step * step * (i / (i + np.float32(1))))
    return {"naive": naive(x), "welford": welford, "shifted": shifted(x)}


@style("variance-formulas")
def sums_by_einsum(x):
    m = np.float32(x.shape[1])
    d = x - x[:, :1]
    welford = by_columns(x, lambda m2, step, i: m2 + step * (step - step / (i + np.float32(1))))
    naive_of = lambda v: np.einsum("cm,cm->c", v, v) / m - (np.einsum("cm->c", v) / m) ** 2  # noqa: E731
    return {"shifted": naive_of(d), "welford": welford, "naive": naive_of(x)}


@style("variance-formulas")
def one_number_after_the_other(x):
    def last(values):
        return np.cumsum(values, axis=1, dtype=np.float32)[:, -1] / np.float32(x.shape[1])

    d = x - x[:, :1]
    welford = by_columns(x, lambda m2, step, i: m2 + step * step * (i / (i + np.float32(1))))
    return {"naive": last(x * x) - last(x) ** 2, "welford": welford, "shifted": last(d * d) - last(d) ** 2}
