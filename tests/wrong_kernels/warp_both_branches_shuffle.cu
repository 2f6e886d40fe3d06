// kind: warp
// says: divergent warp: .* all lanes that a mask names must call the same primitive
extern "C" __global__ void k(const float* x, float* y, int n) {
  float a = x[threadIdx.x];
  if (threadIdx.x % 2) {
    a += __shfl_xor_sync(0xffffffff, a, 2);  // <-
  } else {
    a -= __shfl_xor_sync(0xffffffff, a, 2);  // <-
  }
  y[threadIdx.x] = a;
}
