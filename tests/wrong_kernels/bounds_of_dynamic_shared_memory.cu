// kind: out of bounds
// shared: 128
// says: of dynamic shared memory, outside of the 128 bytes that the launch asks for
extern __shared__ float buffer[];
extern "C" __global__ void k(const float* x, float* y, int n) {
  buffer[threadIdx.x] = x[threadIdx.x];  // <-
  __syncthreads();
  y[threadIdx.x] = buffer[threadIdx.x];
}
