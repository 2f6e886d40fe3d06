// kind: warp
// says: mask 0x000000ff, which leaves out the lane itself
extern "C" __global__ void k(const float* x, float* y, int n) {
  float a = x[threadIdx.x];
  a += __shfl_down_sync(0xff, a, 4);  // <-
  y[threadIdx.x] = a;
}
