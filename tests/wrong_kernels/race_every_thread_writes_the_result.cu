// kind: race
// says: writes y\[0\].*one thread alone should do it
extern "C" __global__ void k(const float* x, float* y, int n) {
  y[0] = x[threadIdx.x];  // <-
}
