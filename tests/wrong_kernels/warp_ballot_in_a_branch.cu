// kind: warp
// says: wrong mask: 0xffffffff names lanes 0xaaaaaaaa
extern "C" __global__ void k(const float* x, float* y, int n) {
  unsigned votes = 0;
  if (threadIdx.x % 2 == 0) votes = __ballot_sync(0xffffffff, x[threadIdx.x] > 0);  // <-
  __syncthreads();
  y[threadIdx.x] = votes;
}
