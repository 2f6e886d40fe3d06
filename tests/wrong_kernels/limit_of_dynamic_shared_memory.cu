// kind: limit
// shared: 60000
// says: 60000 bytes of dynamic shared memory
extern "C" __global__ void k(const float* x, float* y, int n) {
  extern __shared__ float buffer[];  // <-
  buffer[threadIdx.x] = x[threadIdx.x];
}
