// launch: 1 64
extern "C" __global__ void k(const float* x, float* y, int n) {
  __shared__ float sums[5];
  int t = threadIdx.x, key = t % 5;
  if (t < 5) sums[t] = 0.f;
  __syncthreads();
  float v = t < n ? x[t] : 0.f;
  unsigned same = __match_any_sync(0xffffffffu, key);
  float sum = 0.f;  // of the lanes with the same key
  for (unsigned left = 0xffffffffu; left; left &= left - 1) {
    int from = __ffs(left) - 1;
    float other = __shfl_sync(0xffffffffu, v, from);
    if (same >> from & 1) sum += other;
  }
  if (__ffs(same) - 1 == t % 32) atomicAdd(&sums[key], sum);
  int equal;
  __match_all_sync(0xffffffffu, key, &equal);
  if (equal) y[0] = 1e30f;
  __syncthreads();
  if (t == 0) y[0] = sums[0] + sums[1] + sums[2] + sums[3] + sums[4];
}
