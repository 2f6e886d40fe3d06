// launch: 1 64
// shared: 256
__shared__ extern volatile float flat[];
__device__ float at(int i) {
  extern __shared__ float rows[][8];  // the same memory, of a size that the launch decides
  return rows[i / 8][i % 8];
}
extern "C" void __global__ k(const float* x, float* y, int n) {
  volatile extern __shared__ __align__(16) float mine[64];
  mine[threadIdx.x] = threadIdx.x < n ? x[threadIdx.x] : 0.f;
  __syncthreads();
  if (threadIdx.x != 0) return;
  float sum = 0.f;
  for (int i = 0; i < 32; ++i) sum += at(i) + flat[i + 32];
  y[0] = sum;
}
