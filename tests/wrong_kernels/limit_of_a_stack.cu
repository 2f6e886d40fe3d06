// kind: illegal address
// launch: 1 32
// says: stack is full
extern "C" __global__ void k(const float* x, float* y, int n) {  // <-
  volatile float local[40000];
  for (int i = 0; i < 40000; ++i) local[i] = x[i % n];
  y[threadIdx.x] = local[n];
}
