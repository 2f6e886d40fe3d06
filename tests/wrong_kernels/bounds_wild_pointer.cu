// kind: illegal address
// says: belongs to no array
extern "C" __global__ void k(const float* x, float* y, int n) {
  y[threadIdx.x] = x[threadIdx.x + (1ll << 40)];  // <-
}
