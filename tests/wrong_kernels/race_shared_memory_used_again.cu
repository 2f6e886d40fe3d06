// kind: race
// says: there is no barrier between
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float s[64];
  int t = threadIdx.x;
  for (int row = 0; row < 2; ++row) {
    s[t] = x[t] + row;  // <-
    __syncthreads();
    y[t] = s[63 - t];  // <-
  }
}
