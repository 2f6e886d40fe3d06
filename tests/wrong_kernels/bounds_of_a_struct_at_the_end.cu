// kind: out of bounds
// says: x\[(6[4-9]|7\d)\]( on)?, outside of x, which has 64 elements
struct Row { float a[8]; };
extern "C" __global__ void k(const float* x, float* y, int n) {
  const Row* rows = (const Row*)x;
  __shared__ Row row[9];
  int t = threadIdx.x;
  if (t < 9) row[t] = rows[t];  // <-
  __syncthreads();
  y[t] = row[t / 8].a[t % 8];
}
