// The checker sees every load and store of a kernel: the kernel is compiled with -fsanitize=thread, which calls the
// __tsan_* hooks below before each one. It finds races, reads of shared memory that nobody wrote, accesses outside of
// arrays and misaligned ones, and counts what the accesses cost.
#include <climits>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>

#include "order.h"
#include "traffic.h"

extern "C" {  // of the runtime itself: threadIdx and its like are in it
extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));
}

namespace simt {

void forget(Knowledge* k) { delete k; }

struct Cell {  // the last write, the last one that was no atomic, the last read that was none, and another read: of another
  Access write, plain_write, read, other_read;  // warp if there is one, else an atomic's
};

struct Region {         // memory with a name
  char *low, *high;     // its bytes
  char *from, *to;      // with the guards around it
  int array, grain;     // as in Issue; bytes that one cell stands for
  Cell* cells;
  long long loads, stores;
  size_t count() const { return (high - low + grain - 1) / grain; }
};

enum { FIRST_GUARD = -1 };  // the first entry of the table of variables
static Order order;
static Traffic traffic;
static std::vector<Region> arrays;                 // the arguments, and __device__ variables behind them
static std::vector<std::vector<Region>> shared;    // of each slot: its shared variables and dynamic shared memory
static bool launched;
static long long shared_used;

static Cell* cells_of(size_t count) {  // zero pages: only what is touched takes memory
  void* memory = mmap(nullptr, count * sizeof(Cell) + 1, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : (Cell*)memory;
}
static void free_cells(Region& r) {
  if (r.cells) munmap(r.cells, r.count() * sizeof(Cell) + 1);
  r.cells = nullptr;
}
static void refine(Region& r, int grain) {  // somebody accesses less than a cell: from now on, cells are smaller
  Region fine = r;
  fine.grain = grain, fine.cells = cells_of(fine.count());
  for (size_t i = 0; fine.cells && i < fine.count(); ++i) fine.cells[i] = r.cells[i * grain / r.grain];
  free_cells(r);
  r = fine;
}

// ---- issues ---------------------------------------------------------------------------------------------------------

static Issue issue_at(int kind, const Region* r, char* address, int size, bool write, const void* pc) {
  Issue issue = blank(kind, 0);
  issue.pc = pc, issue.size = size, issue.write = write;
  if (r) issue.array = r->array, issue.offset = address - r->low;
  return issue;
}

static void report(const Issue& issue) {  // once for each place in the program
  for (const Issue& old : issues)
    if (old.kind == issue.kind && (old.pc == issue.pc || (old.kind == RACE && old.pc == issue.other_pc))) return;
  if (issues.size() < MAX_ISSUES) issues.push_back(issue);
}

static Issue race(const Region& r, char* address, int size, bool write, const void* pc, const Access& other,
                  bool other_write) {
  Issue issue = issue_at(RACE, &r, address, size, write, pc);
  issue.other_pc = other.pc, issue.other_write = other_write;
  issue.other_thread = other.who % block_threads, issue.other_block = other.who / block_threads;
  return issue;
}

static void report_race(const Region& r, char* address, int size, bool write, const void* pc, const Access& other,
                        bool other_write) {
  report(race(r, address, size, write, pc, other, other_write));
}

void check_doubt() {
  if (current->doubt) report(*current->doubt);
  current->doubt.reset();
}

static void doubt_race(const Region& r, char* address, int size, const void* pc, const Access& other) {
  if (current->doubt && current->doubtful == address) return;
  check_doubt();
  current->doubt.reset(new Issue(race(r, address, size, false, pc, other, true)));
  current->doubtful = address;
}

// ---- one access -----------------------------------------------------------------------------------------------------

static void visit(Region& r, Cell& cell, char* address, int size, bool write, bool strong, const void* pc) {
  Fiber& me = *current;
  uintptr_t place = (uintptr_t)address;
  if (!cell.write.time && !cell.read.time && !cell.other_read.time)
    simt_progress();  // a long loop comes to what nobody has touched, again and again; an endless one does not
  auto races = [&](const Access& a) { return a.time && !(strong && a.atomic) && !order.before(a, me, place); };
  if (races(cell.write)) {
    if (write || strong || races(cell.plain_write)) report_race(r, address, size, write, pc, cell.write, true);
    else doubt_race(r, address, size, pc, cell.write);  // atomics alone wrote since
  } else if (races(cell.plain_write)) report_race(r, address, size, write, pc, cell.plain_write, true);
  Access access = {order.now, pc, Order::id(me), strong};
  if (!write && strong) {
    if (!cell.other_read.time || cell.other_read.atomic) cell.other_read = access;
    return;
  }
  if (!write) {
    int warp = (access.who / block_threads << 8) + me.warp;
    auto warp_of = [](const Access& a) { return (a.who / block_threads << 8) + a.who % block_threads / 32; };
    bool spare = !cell.other_read.time || cell.other_read.atomic || warp_of(cell.other_read) == warp;
    if (cell.read.time && cell.read.who != access.who && (warp_of(cell.read) != warp || spare)) cell.other_read = cell.read;
    cell.read = access;
    return;
  }
  if (races(cell.read)) report_race(r, address, size, write, pc, cell.read, false);
  else if (races(cell.other_read)) report_race(r, address, size, write, pc, cell.other_read, false);
  cell.write = access;
  if (!strong) cell.plain_write = access;
}

static Region* region_of(char* address, int size, bool& is_shared) {
  static size_t last;
  if (last < arrays.size() && address >= arrays[last].from && address + size <= arrays[last].to) {
    is_shared = false;
    return &arrays[last];
  }
  for (Region& r : shared[current->slot])
    if (address + size > r.from && address < r.to) return is_shared = true, &r;
  for (size_t i = 0; i < arrays.size(); ++i)
    if (address + size > arrays[i].from && address < arrays[i].to) return is_shared = false, last = i, &arrays[i];
  return nullptr;
}

static void believe(char* address, size_t size) {  // an atomicCAS: what this thread read here before is compared now
  Fiber& me = *current;
  if (me.doubtful == address) me.doubt.reset();
  bool is_shared;
  Region* r = region_of(address, 1, is_shared);
  if (!r || !r->cells || address < r->low || address + size > r->high) return;
  for (size_t i = (address - r->low) / r->grain, end = (address + size - 1 - r->low) / r->grain; i <= end; ++i)
    for (Access* read : {&r->cells[i].read, &r->cells[i].other_read})
      if (read->time && read->who == Order::id(me)) *read = Access{};
}

static Region* nearest(char* address) {  // what an address close to, but outside of everything was meant for
  Region* best = nullptr;
  long long distance = 32 << 10;
  auto look = [&](Region& r) {
    long long away = address < r.low ? r.low - address : address - r.high;
    if (r.high > r.low && away < distance) best = &r, distance = away;
  };
  for (Region& r : shared[current->slot]) look(r);
  for (Region& r : arrays) look(r);
  return best;
}

static void access(char* address, int size, bool write, const void* pc, bool is_volatile = false, int part = 0) {
  if (!current || !launched) return;
  if (address >= stacks && address < stacks_end) return;  // a local variable
  if (address >= __ehdr_start && address < _end) return;
  Fiber& me = *current;
  bool is_shared = false;
  Region* r = region_of(address, size > 16 ? 1 : size, is_shared);  // a copy is about what it begins in
  if (!r) {
    if (address >= module->low && address < module->high) return;  // constants, and what has no name
    if (Region* meant = nearest(address)) stop(issue_at(OUT_OF_BOUNDS, meant, address, size, write, pc));
    Issue issue = issue_at(ILLEGAL_ADDRESS, nullptr, address, size, write, pc);
    snprintf(issue.text, sizeof issue.text, "%s of %d bytes at the address %p, which belongs to no array",
             write ? "write" : "read", size, (void*)address);
    stop(issue);
  }
  if (r->array == FIRST_GUARD)
    if (Region* meant = nearest(address)) r = meant;
  if (address < r->low || address + size > r->high) stop(issue_at(OUT_OF_BOUNDS, r, address, size, write, pc));
  if (!part && (uintptr_t)address % size)  // part: the compiler knows that it may not be aligned, and takes care
    stop(issue_at(MISALIGNED, r, address, size, write, pc));
  order.now++;
  if (is_volatile && !is_shared && !me.atomic) {  // a flag: it synchronizes, and who reads it over and over waits
    if (!write && me.place == address && ++me.repeats > 16) me.repeats = 0, spin(pc, 0);
    if (me.place != address) me.place = address, me.repeats = 0;
    if (!write) order.acquire(me, (uintptr_t)address);
  }
  bool strong = me.atomic || (is_volatile && !is_shared);
  if (!me.atomic) {
    (write ? r->stores : r->loads) += size;
    Totals& t = traffic.totals;
    (is_shared ? (write ? t.shared_store_bytes : t.shared_load_bytes) : write ? t.store_bytes : t.load_bytes) += size;
    const int each = part ? part : size;
    for (int k = 0; k * each < size; ++k)
      traffic.note(me, pc, k, (uintptr_t)address + k * each, std::min(each, size - k * each), write, is_shared);
  } else if (!write && !is_shared) {
    traffic.totals.global_atomics++;  // each reads once, and writes where something changes
  }
  if (!r->cells) return;
  if (size < r->grain || (uintptr_t)(address - r->low) % r->grain) refine(*r, size % 2 || (address - r->low) % 2 ? 1 : 2);
  for (size_t i = (address - r->low) / r->grain, end = (address + size - 1 - r->low) / r->grain; i <= end; ++i) {
    if (is_shared && !write && !r->cells[i].write.time) report(issue_at(UNINITIALIZED, r, address, size, write, pc));
    visit(*r, r->cells[i], address, size, write, strong, pc);
  }
  if (is_volatile && !is_shared && !me.atomic && write) order.release(me, (uintptr_t)address);
}

// ---- what the scheduler tells ---------------------------------------------------------------------------------------

void check_launch() {
  order.start(resident_blocks);
  traffic.start();
  launched = true, shared_used = 0;
  for (auto& regions : shared)
    for (Region& r : regions) free_cells(r);
  shared.assign(resident_blocks, {});
  int number = GLOBAL;
  for (const SimtShared* v = module->globals; v < module->globals_end; ++v, --number) {
    char *low = (char*)v->address, *high = low + v->size;
    arrays.push_back({low, high, low, high, number, v->element < 4 ? (int)v->element : 4, nullptr, 0, 0});
  }
  for (Region& r : arrays) r.loads = r.stores = 0, free_cells(r), r.cells = cells_of(r.count());
}

static long long used_by(const std::vector<Region>& regions) {
  long long bytes = 0;
  for (const Region& r : regions)
    if (r.array != DYNAMIC && r.loads + r.stores) bytes += r.high - r.low;
  return bytes;
}

void check_block(int slot) {
  if (slot == 0) traffic.settle();
  shared_used = std::max(shared_used, used_by(shared[slot]));
  for (Region& r : shared[slot]) free_cells(r);
  shared[slot].clear(), order.barrier[slot] = 0, order.block[slot] = {}, order.fenced[slot] = {};
  int number = 0;
  for (const SimtShared* v = module->variables; v < module->variables_end; ++v, ++number) {
    char *low = (char*)v->address, *guard = (char*)v->guard;
    char* to = guard >= low && guard < low + v->size + 64 ? guard + SIMT_GUARD : low + v->size;
    Region r = {low, low + v->size, low, to, -1 - number, 4, nullptr, 0, 0};
    if (number == 0) r.to = low + 8 * SIMT_GUARD;
    r.cells = cells_of(r.count());
    shared[slot].push_back(r);
  }
  char* dynamic = dynamic_of(slot);
  Region r = {dynamic, dynamic + dynamic_size, dynamic - DYNAMIC_GUARD, dynamic + dynamic_stride, DYNAMIC, 4, nullptr, 0, 0};
  r.cells = cells_of(r.count());
  shared[slot].push_back(r);
}

void check_inside(int number, const SimtShared& v) {
  char* low = (char*)v.address;
  shared[current->slot].push_back({low, low + v.size, low, low + v.size, -1 - number, 4, nullptr, 0, 0});
  Region& r = shared[current->slot].back();
  r.cells = cells_of(r.count());
}

void check_barrier(int slot) { order.at_barrier(slot); }
void check_warp(int slot, int warp, unsigned lanes) { order.at_warp(slot, warp, lanes); }
void check_grid() { order.at_grid(); }
void check_fence() { order.at_fence(*current); }

static uintptr_t atomic_place;
void check_atomic(const volatile void* address, size_t size, bool compares) {
  if (compares) believe((char*)address, size);
  check_doubt();
  atomic_place = (uintptr_t)address;
  order.acquire(*current, atomic_place);
}
void check_atomic_end(bool changed) {
  if (changed) order.release(*current, atomic_place);
}

void check_end() {
  traffic.settle();
  for (auto& regions : shared) {
    shared_used = std::max(shared_used, used_by(regions));
    for (Region& r : regions) free_cells(r);
  }
  shared.clear();
  for (Region& r : arrays) free_cells(r);
  launched = false;
}

struct Hook {  // the watchdog waits meanwhile
  Hook() { inside = inside + 1; }
  ~Hook() { inside = inside - 1; }
};

}  // namespace simt

using namespace simt;

extern "C" {

void simt_arrays_clear() { arrays.clear(); }
void simt_array(char* low, long long bytes, long long guard, int number, int grain) {
  arrays.push_back({low, low + bytes, low - guard, low + bytes + guard, number, grain, nullptr, 0, 0});
}
void simt_traffic(long long* totals, long long* of_arrays, long long* used) {
  memcpy(totals, &traffic.totals, sizeof traffic.totals);
  for (size_t i = 0; i < arrays.size(); ++i) of_arrays[2 * i] = arrays[i].loads, of_arrays[2 * i + 1] = arrays[i].stores;
  *used = shared_used;
}

#define PC __builtin_return_address(0)
#define HOOK(name, n, write, is_volatile, part)               \
  void __tsan_##name##n(char* address) {                      \
    Hook hook;                                                \
    access(address, n, write, PC, is_volatile, part);         \
  }
#define HOOK_BOTH(name, n, part)                              \
  void __tsan_##name##n(char* address) {                      \
    Hook hook;                                                \
    access(address, n, false, PC, false, part);               \
    access(address, n, true, PC, false, part);                \
  }
#define HOOKS(n)                                                                                    \
  HOOK(read, n, false, false, 0) HOOK(write, n, true, false, 0)                                     \
  HOOK(unaligned_read, n, false, false, 4) HOOK(unaligned_write, n, true, false, 4)                 \
  HOOK(volatile_read, n, false, true, 0) HOOK(volatile_write, n, true, true, 0)                     \
  HOOK(unaligned_volatile_read, n, false, true, 4) HOOK(unaligned_volatile_write, n, true, true, 4) \
  HOOK_BOTH(read_write, n, 0) HOOK_BOTH(unaligned_read_write, n, 4)
HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)

struct Called : Hook {  // a fault in here is that of the caller's line
  Called(const void* pc) {
    if (current) current->caller = pc;
  }
  ~Called() {
    if (current) current->caller = nullptr;
  }
};

static void range(const void* address, size_t size, bool write, const void* pc) {
  Hook hook;
  if (size) access((char*)address, (int)std::min<size_t>(size, INT_MAX), write, pc, false, 16);
}
static bool known(const void* address) {  // the arguments of a launch are copied too, and lie elsewhere
  bool is_shared;
  return current && launched && (region_of((char*)address, 1, is_shared) || nearest((char*)address));
}
void* simt_copy(void* to, const void* from, size_t size, const void* pc) {
  if (known(from)) range(from, size, false, pc);
  if (launched) range(to, size, true, pc);
  Called call(pc);
  return memmove(to, from, size);
}
void* simt_fill(void* to, int value, size_t size, const void* pc) {
  if (launched) range(to, size, true, pc);
  Called call(pc);
  return memset(to, value, size);
}
void __tsan_read_range(char* address, size_t size) { range(address, size, false, PC); }
void __tsan_write_range(char* address, size_t size) { range(address, size, true, PC); }
void* __tsan_memset(void* to, int value, size_t size) {
  range(to, size, true, PC);
  return memset(to, value, size);
}
void* __tsan_memcpy(void* to, const void* from, size_t size) {
  range(from, size, false, PC), range(to, size, true, PC);
  return memcpy(to, from, size);
}
void* __tsan_memmove(void* to, const void* from, size_t size) {
  range(from, size, false, PC), range(to, size, true, PC);
  return memmove(to, from, size);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
}
