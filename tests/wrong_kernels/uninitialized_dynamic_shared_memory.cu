// kind: uninitialized
// shared: 256
// says: byte \d+ of dynamic shared memory
extern "C" __global__ void k(const float* x, float* y, int n) {
  extern __shared__ float buffer[];
  if (threadIdx.x % 2 == 0) buffer[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = buffer[threadIdx.x];  // <-
}
