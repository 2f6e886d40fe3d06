// launch: 2 32
// cooperative
extern "C" __global__ void k(const float* x, float* y, int n) {
  volatile unsigned* flag = (volatile unsigned*)y + 1;
  float a = 0.f;
  for (int i = 2 * threadIdx.x + blockIdx.x; i < n; i += 64) a += x[i];
  for (int o = 16; o > 0; o /= 2) a += __shfl_down_sync(0xffffffff, a, o);
  if (threadIdx.x == 0 && blockIdx.x == 1) {
    y[2] = a;
    __threadfence();
    *flag = 1u;
  }
  if (threadIdx.x == 0 && blockIdx.x == 0) {
    while (*flag == 0u) {}
    __threadfence();
    y[0] = a + y[2];
  }
}
