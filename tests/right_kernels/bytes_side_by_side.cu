// launch: 1 64
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ unsigned char seen[64];
  seen[threadIdx.x] = threadIdx.x < n;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.f;
    for (int i = 0; i < 64; ++i) sum += seen[i] ? x[i] : 0.f;
    y[0] = sum;
  }
}
