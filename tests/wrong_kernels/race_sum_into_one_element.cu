// kind: race
// launch: 2 32
// says: y\[0\]
extern "C" __global__ void k(const float* x, float* y, int n) {
  y[0] += x[blockIdx.x * blockDim.x + threadIdx.x];  // <-
}
