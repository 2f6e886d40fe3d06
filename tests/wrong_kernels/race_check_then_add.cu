// kind: race
// says: y\[0\]
// zero: 0
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (y[0] < 10.f)  // <-
    atomicAdd(&y[0], x[threadIdx.x]);  // <-
}
