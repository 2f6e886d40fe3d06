// launch: 1 64
// shared: 512
extern "C" __global__ void k(const float* x, float* y, int n) {
  extern __shared__ __align__(16) unsigned char memory[];
  float* a = (float*)memory;
  float* b = a + 64;
  a[threadIdx.x] = threadIdx.x < n ? x[threadIdx.x] : 0.f;
  __syncthreads();
  b[threadIdx.x] = a[63 - threadIdx.x];
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.f;
    for (int i = 0; i < 64; ++i) sum += b[i];
    y[0] = sum;
  }
}
