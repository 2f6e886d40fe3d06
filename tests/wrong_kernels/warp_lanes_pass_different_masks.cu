// kind: warp
// says: all lanes that a mask names must pass the same mask
extern "C" __global__ void k(const float* x, float* y, int n) {
  float a = x[threadIdx.x];
  unsigned mask = threadIdx.x % 2 ? 0xffffffffu : 0x7fffffffu | 1u << 31 * (threadIdx.x / 31 % 2);
  a += __shfl_xor_sync(mask, a, 1);  // <-
  y[threadIdx.x] = a;
}
