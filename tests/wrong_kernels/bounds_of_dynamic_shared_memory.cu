// kind: out of bounds
// shared: 128
// says: outside of the 128 bytes of dynamic shared memory
extern __shared__ float buffer[];
extern "C" __global__ void k(const float* x, float* y, int n) {
  buffer[threadIdx.x] = x[threadIdx.x];  // <-
  __syncthreads();
  y[threadIdx.x] = buffer[threadIdx.x];
}
