// kind: barrier
// launch: 2 32
// cooperative
// says: not every thread of the grid
#include <cooperative_groups.h>
extern "C" __global__ void k(const float* x, float* y, int n) {
  if (blockIdx.x == 1) return;
  cooperative_groups::this_grid().sync();  // <-
}
