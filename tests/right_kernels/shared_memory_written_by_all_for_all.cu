// launch: 2 32
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float first, rest[31];
  int t = threadIdx.x, b = blockIdx.x;
  float a = 0.f;
  for (int i = b * 32 + t; i < n; i += 64) a += x[i];
  if (t == 0) first = a; else rest[t - 1] = a;
  __syncthreads();
  if (t == 5) {
    float sum = first;
    for (int i = 0; i < 31; ++i) sum += rest[i];
    atomicAdd(&y[0], sum);
  }
}
