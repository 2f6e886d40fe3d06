// kind: spin
// launch: 2 32
// zero: 0
// schedules: forward
// says: endless loop
extern "C" __global__ void k(const float* x, float* y, int n) {
  volatile unsigned* flag = (volatile unsigned*)y;
  if (threadIdx.x == 0) {
    if (blockIdx.x == 0)
      while (*flag == 0u) __nanosleep(100);  // <-
    else
      *flag = 1u;
  }
}
