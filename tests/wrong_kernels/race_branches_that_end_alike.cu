// kind: race
// launch: 2 32
// says: race: thread \d+ of block \d .* of block \d (wrote|read)( at line \d)?; blocks run in any order
// clang++ makes one store of the two: it has no line of its own, and the nearest is told
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (blockIdx.x == 0)  // <-
    y[threadIdx.x] = x[threadIdx.x];  // <-
  else
    y[threadIdx.x + 32] = y[threadIdx.x];  // <-
}
