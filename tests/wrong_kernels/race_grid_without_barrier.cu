// kind: race
// launch: 2 32
// cooperative
// says: blocks run in any order
extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];  // <-
  __syncthreads();
  float other = y[63 - i];  // <-
  if (other > 1e30f) y[i] = 1;  // <-
}
