// kind: spin
// says: endless loop
extern "C" __global__ void k(const float* x, float* y, int n) {
  volatile float* flag = y;
  if (threadIdx.x == 0)
    while (flag[0] != 1.f) {}  // <-
}
