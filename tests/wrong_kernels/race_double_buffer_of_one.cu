// kind: race
// says: buffer\[0\]\[\d+\]
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float buffer[2][64];
  int t = threadIdx.x;
  for (int step = 0; step < 4; ++step) {
    buffer[0][t] = x[t];  // <-
    __syncthreads();
    y[t] = buffer[0][63 - t];  // <-
  }
}
