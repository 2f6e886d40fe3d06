// Cooperative groups: the block, the grid, and tiles of a warp.
#pragma once

namespace cooperative_groups {
struct thread_block {
  void sync(int line = __builtin_LINE()) const { simt_barrier(line); }
  unsigned thread_rank() const {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  }
  unsigned size() const { return blockDim.x * blockDim.y * blockDim.z; }
  unsigned num_threads() const { return size(); }
  dim3 group_index() const { return dim3(blockIdx.x, blockIdx.y, blockIdx.z); }
  dim3 thread_index() const { return dim3(threadIdx.x, threadIdx.y, threadIdx.z); }
  dim3 dim_threads() const { return blockDim; }
  dim3 group_dim() const { return blockDim; }
};
static inline thread_block this_thread_block() { return {}; }

struct grid_group {
  void sync(int line = __builtin_LINE()) const { simt_grid_barrier(line); }
  bool is_valid() const { return true; }
  unsigned long long block_rank() const { return blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z); }
  unsigned long long num_blocks() const { return (unsigned long long)gridDim.x * gridDim.y * gridDim.z; }
  unsigned long long thread_rank() const {
    return block_rank() * this_thread_block().size() + this_thread_block().thread_rank();
  }
  unsigned long long size() const { return num_blocks() * this_thread_block().size(); }
  unsigned long long num_threads() const { return size(); }
  dim3 block_index() const { return dim3(blockIdx.x, blockIdx.y, blockIdx.z); }
  dim3 dim_blocks() const { return gridDim; }
  dim3 group_dim() const { return gridDim; }
};
static inline grid_group this_grid() { return {}; }

template <unsigned N, class Parent = thread_block> struct thread_block_tile {
  static_assert(N == 1 || N == 2 || N == 4 || N == 8 || N == 16 || N == 32, "a tile has 1, 2, 4, 8, 16 or 32 threads");
  unsigned mask() const { return N == 32 ? 0xffffffffu : ((1u << (N & 31)) - 1) << (simt_lane() & ~(N - 1)); }
  void sync(int line = __builtin_LINE()) const { __syncwarp(mask(), line); }
  unsigned thread_rank() const { return simt_lane() & (N - 1); }
  unsigned meta_group_rank() const { return this_thread_block().thread_rank() / N; }
  unsigned meta_group_size() const { return (this_thread_block().size() + N - 1) / N; }
  static constexpr unsigned size() { return N; }
  static constexpr unsigned num_threads() { return N; }
  template <class T> T shfl(T v, int lane, int line = __builtin_LINE()) const {
    return __shfl_sync(mask(), v, lane, N, line);
  }
  template <class T> T shfl_down(T v, int by, int line = __builtin_LINE()) const {
    return __shfl_down_sync(mask(), v, by, N, line);
  }
  template <class T> T shfl_up(T v, int by, int line = __builtin_LINE()) const {
    return __shfl_up_sync(mask(), v, by, N, line);
  }
  template <class T> T shfl_xor(T v, int bits, int line = __builtin_LINE()) const {
    return __shfl_xor_sync(mask(), v, bits, N, line);
  }
  int any(int p, int line = __builtin_LINE()) const { return __any_sync(mask(), p, line); }
  int all(int p, int line = __builtin_LINE()) const { return __all_sync(mask(), p, line); }
  unsigned ballot(int p, int line = __builtin_LINE()) const {
    return __ballot_sync(mask(), p, line) >> (simt_lane() & ~(N - 1));
  }
  template <class T> unsigned match_any(T v, int line = __builtin_LINE()) const {
    return __match_any_sync(mask(), v, line) >> (simt_lane() & ~(N - 1));
  }
};
template <unsigned N, class Parent> static inline thread_block_tile<N> tiled_partition(const Parent&) { return {}; }
struct coalesced_group {  // lanes of a warp that came together, by their rank among each other
  unsigned lanes;
  unsigned size() const { return __popc(lanes); }
  unsigned num_threads() const { return size(); }
  unsigned thread_rank() const { return __popc(lanes & ((1u << simt_lane()) - 1)); }
  int lane_of(unsigned rank) const {
    unsigned left = lanes;
    for (; rank > 0; --rank) left &= left - 1;
    return __ffs(left) - 1;
  }
  void sync(int line = __builtin_LINE()) const { __syncwarp(lanes, line); }
  template <class T> T shfl(T v, unsigned rank, int line = __builtin_LINE()) const {
    return __shfl_sync(lanes, v, lane_of(rank % size()), 32, line);
  }
  template <class T> T shfl_down(T v, unsigned by, int line = __builtin_LINE()) const {
    unsigned rank = thread_rank();
    return __shfl_sync(lanes, v, lane_of(rank + by < size() ? rank + by : rank), 32, line);
  }
  template <class T> T shfl_up(T v, unsigned by, int line = __builtin_LINE()) const {
    unsigned rank = thread_rank();
    return __shfl_sync(lanes, v, lane_of(rank >= by ? rank - by : rank), 32, line);
  }
  int any(int p, int line = __builtin_LINE()) const { return __any_sync(lanes, p, line); }
  int all(int p, int line = __builtin_LINE()) const { return __all_sync(lanes, p, line); }
  unsigned ballot(int p, int line = __builtin_LINE()) const {
    unsigned voted = __ballot_sync(lanes, p, line), packed = 0;
    for (unsigned rank = 0; rank < size(); ++rank) packed |= (voted >> lane_of(rank) & 1u) << rank;
    return packed;
  }
};
static inline coalesced_group coalesced_threads(int line = __builtin_LINE()) { return {__activemask(line)}; }

// cooperative_groups/reduce.h
template <class T> struct plus { T operator()(T a, T b) const { return a + b; } };
template <class T> struct less { T operator()(T a, T b) const { return b < a ? b : a; } };
template <class T> struct greater { T operator()(T a, T b) const { return a < b ? b : a; } };
template <class T> struct bit_and { T operator()(T a, T b) const { return a & b; } };
template <class T> struct bit_or { T operator()(T a, T b) const { return a | b; } };
template <class T> struct bit_xor { T operator()(T a, T b) const { return a ^ b; } };
template <unsigned N, class Parent, class T, class F>
static inline T reduce(const thread_block_tile<N, Parent>& tile, T v, F both, int line = __builtin_LINE()) {
  for (int bits = N / 2; bits > 0; bits /= 2) v = both(v, tile.shfl_xor(v, bits, line));
  return v;
}
template <class T, class F>
static inline T reduce(const coalesced_group& group, T v, F both, int line = __builtin_LINE()) {
  T total = group.shfl(v, 0, line);
  for (unsigned rank = 1; rank < group.size(); ++rank) total = both(total, group.shfl(v, rank, line));
  return total;
}
template <class Group> static inline void sync(const Group& group, int line = __builtin_LINE()) { group.sync(line); }
}  // namespace cooperative_groups
