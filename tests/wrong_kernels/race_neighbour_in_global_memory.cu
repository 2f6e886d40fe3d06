// kind: race
// says: [xy]\[
extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = threadIdx.x;
  y[i] = 2 * x[i];  // <-
  if (i + 1 < n) y[i] += y[i + 1];  // <-
}
