// kind: warp
// says: wrong mask: 0x00000003 names lanes 0x00000002, which never come
extern "C" __global__ void k(const float* x, float* y, int n) {
  int lane = threadIdx.x % 32;
  if (lane == 0) __syncwarp(3);  // <-
  if (lane == 1) __syncwarp(6);
  if (lane == 2) __syncwarp(5);
  y[threadIdx.x] = x[threadIdx.x];
}
