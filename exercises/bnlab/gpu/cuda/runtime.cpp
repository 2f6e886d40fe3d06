// The scheduler: every CUDA thread is a fiber, all in one thread of the machine, which runs until a barrier, a warp
// primitive, a spin or its end. So a launch is deterministic for a schedule: 0 forward, 1 backward, k >= 2 shuffled
// with seed k. faults.cpp adds what a fiber cannot say itself: endless loops and illegal addresses.
#include "runtime.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>

#include "faults.h"

extern "C" {
simt::Triple threadIdx, blockIdx, blockDim, gridDim;  // the kernel sees them as constants: they are, for a fiber
}

namespace simt {

std::vector<Fiber*> fibers;
Fiber* current;
int block_threads, resident_blocks;
volatile int inside;
Counters counters;
bool checked;
std::vector<Issue> issues;
const SimtModule* module;
char *stacks, *stacks_end;
std::vector<char> dynamic_memory;
size_t dynamic_size, dynamic_stride;

static std::vector<std::unique_ptr<Fiber>> pool;
static std::vector<char> saved_shared;  // of resident blocks, while another block's is in place
static size_t shared_size;
static int shared_slot;
static std::vector<std::pair<const SimtShared*, int>> inside_templates;  // and the turn in which it was poisoned
static int turn;
static jmp_buf scheduler;
static bool aborted, cooperative, spun, masks_asked;
static unsigned long long schedule;
static uint64_t random_state;
static long idle_rounds;
static void (*kernel)(void*);
static void* kernel_arguments;
enum { IDLE_ROUNDS = 2000 };  // rounds in which everybody only spins

struct Inside {  // the watchdog must not switch fibers while this lives
  Inside() { inside = inside + 1; }
  ~Inside() { inside = inside - 1; }
};

static uint32_t random_below(size_t n) {
  random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
  return (uint32_t)((random_state >> 11) % n);
}

static std::vector<int> permutation(size_t n) {
  std::vector<int> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = schedule == 1 ? n - 1 - i : i;
  if (schedule > 1)
    for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random_below(i)]);
  return order;
}

Issue blank(int kind, int line) {
  Issue issue = {};
  issue.kind = kind, issue.line = line, issue.array = NOWHERE;
  issue.thread = current ? current->thread : -1, issue.block = current ? current->block : -1;
  issue.other_thread = issue.other_block = -1;
  return issue;
}

void stop(const Issue& issue) {
  inside = 1;
  issues.insert(issues.begin(), issue);  // what ended the launch comes first
  aborted = true;
  _longjmp(scheduler, 1);
}

__attribute__((format(printf, 3, 4))) static Issue issue_of(int kind, int line, const char* format, ...) {
  Issue issue = blank(kind, line);
  va_list list;
  va_start(list, format);
  vsnprintf(issue.text, sizeof issue.text, format, list);
  va_end(list);
  return issue;
}

static Issue endless(const void* pc, int line) {
  Issue issue = issue_of(SPIN, line, "is in a loop that does not end: its condition stays true, or it waits for "
                         "something that no thread will do any more");
  issue.pc = pc, issue.other_pc = current->caller;
  return issue;
}

static void leave() {  // to the scheduler; returns when it is our turn again
  if (patience_ended(cooperative)) stop(endless(current->pc, current->line));
  counters.switches++;
  int depth = inside;
  if (!_setjmp(current->resume)) _longjmp(scheduler, 1);
  inside = depth;
}

// ---- spins ----------------------------------------------------------------------------------------------------------

void progress() { idle_rounds = 0, patience_restart(); }

void spin(const void* pc, int line, const void* caller) {
  current->pc = pc, current->line = line, current->caller = caller;
  if (idle_rounds > IDLE_ROUNDS) stop(endless(pc, line));
  spun = true;
  leave();
  current->caller = nullptr;
}

// ---- barriers -------------------------------------------------------------------------------------------------------

static void release_block(int slot) {  // when a thread arrives or ends
  int waiting = 0, done = 0, line = 0, other = 0;
  for (int t = 0; t < block_threads; ++t) {
    Fiber& f = peer(slot, t);
    done += f.state == DONE;
    if (f.state != AT_BARRIER) continue;
    waiting++;
    if (!line) line = f.line;
    if (f.line != line) other = f.line;
  }
  if (!waiting || waiting + done != block_threads) return;
  if (other)
    stop(issue_of(BARRIER, line, "divergent barrier: some threads of the block wait at the __syncthreads() of line %d, "
                  "others at that of line %d; all must reach the same one", line, other));
  if (done)
    stop(issue_of(BARRIER, line, "divergent barrier: %d of %d threads of the block wait at this __syncthreads(), the "
                  "others have returned and never reach it", waiting, block_threads));
  counters.barriers++;
  progress();
  if (checked) check_barrier(slot);
  int count = 0;
  for (int t = 0; t < block_threads; ++t) count += peer(slot, t).predicate;
  for (int t = 0; t < block_threads; ++t) {
    Fiber& f = peer(slot, t);
    f.state = READY, f.result = count, f.predicate = 0;
  }
}

// ---- warp primitives ------------------------------------------------------------------------------------------------

static int warp_lanes(int warp) { return std::min(32, block_threads - warp * 32); }

static bool everybody_came(int slot, const Fiber& first) {  // lanes that have returned are not waited for
  for (int lane = 0; lane < warp_lanes(first.warp); ++lane) {
    Fiber& f = peer(slot, first.warp * 32 + lane);
    if (!(first.mask >> lane & 1) || f.state == DONE) continue;
    if (f.state != AT_WARP) return false;
    if (f.mask != first.mask && !(f.mask >> first.lane & 1)) return false;  // it waits for others, and comes later
    if (f.mask != first.mask)
      stop(issue_of(WARP, first.line, "wrong mask: lane %d came with the mask 0x%08x, lane %d (line %d) with 0x%08x; "
                    "all lanes that a mask names must pass the same mask", first.lane, first.mask, lane, f.line, f.mask));
    if (f.line != first.line)
      stop(issue_of(WARP, first.line, "divergent warp: the mask 0x%08x names lane %d, which is at line %d; all lanes that "
                    "a mask names must call the same primitive", first.mask, lane, f.line));
  }
  return true;
}

static unsigned combined(int kind, unsigned a, unsigned b) {
  switch (kind) {
    case SIMT_ADD: return a + b;
    case SIMT_MIN: return std::min(a, b);
    case SIMT_MAX: return std::max(a, b);
    case SIMT_AND: return a & b;
    case SIMT_OR: return a | b;
    default: return a ^ b;
  }
}

static uint64_t result_of(const Fiber& f, unsigned came, unsigned ballot) {  // of a primitive to which these lanes came
  auto lane = [&](int k) -> const Fiber& { return peer(f.slot, f.warp * 32 + k); };
  if (f.kind == SIMT_SHUFFLE)
    return f.source < 32 && came >> f.source & 1 ? lane(f.source).value : ~0ull;  // NaN: undefined
  if (f.kind == SIMT_BALLOT) return ballot;
  unsigned equal = 0, total = f.kind == SIMT_MIN || f.kind == SIMT_AND ? ~0u : 0;
  for (int k = 0; k < 32; ++k) {
    if (!(came >> k & 1)) continue;
    equal |= (lane(k).value == f.value) << k;
    total = combined(f.kind, total, (unsigned)lane(k).value);
  }
  if (f.kind == SIMT_MATCH_ANY) return equal;
  if (f.kind == SIMT_MATCH_ALL) return equal == came ? came : 0;
  return total;
}

struct Absence {  // lanes that a mask named and that had returned by then
  unsigned line, mask, lanes;
};
static std::vector<Absence> absences;  // one for each line, at most 8

static void note_absence(int slot, const Fiber& first) {
  unsigned lanes = 0;
  for (int lane = 0; lane < warp_lanes(first.warp); ++lane)
    if (first.mask >> lane & 1 && peer(slot, first.warp * 32 + lane).state == DONE) lanes |= 1u << lane;
  if (!lanes || first.kind == SIMT_BALLOT || absences.size() == 8) return;
  for (const Absence& old : absences)
    if (old.line == (unsigned)first.line) return;
  absences.push_back({(unsigned)first.line, first.mask, lanes});
}

static void release_warp(int slot, const Fiber& first) {
  unsigned mask = first.mask, came = 0, ballot = 0;
  int warp = first.warp, lanes = warp_lanes(warp);
  if (!everybody_came(slot, first)) return;
  counters.warp_operations++;
  note_absence(slot, first);
  progress();
  for (int lane = 0; lane < lanes; ++lane) {
    Fiber& f = peer(slot, warp * 32 + lane);
    if (!(mask >> lane & 1) || f.state != AT_WARP) continue;
    came |= 1u << lane;
    ballot |= f.value ? 1u << lane : 0;
  }
  if (checked) check_warp(slot, warp, came);
  for (int lane = 0; lane < lanes; ++lane) {
    if (!(came >> lane & 1)) continue;
    Fiber& f = peer(slot, warp * 32 + lane);
    f.result = result_of(f, came, ballot);
  }
  for (int lane = 0; lane < lanes; ++lane)
    if (came >> lane & 1) peer(slot, warp * 32 + lane).state = READY;
}

// __activemask(): the lanes of the warp that are at this line once no lane of it can go on (or everybody only spins).
static bool release_masks(bool anyway) {
  bool released = false;
  for (int slot = 0; slot < resident_blocks; ++slot)
    for (int begin = 0; begin < block_threads; begin += 32) {
      int lanes = warp_lanes(begin / 32), line = 0;
      unsigned mask = 0;
      bool busy = false;
      for (int lane = 0; lane < lanes; ++lane) {
        Fiber& f = peer(slot, begin + lane);
        busy |= f.state == READY;
        if (f.state != AT_MASK || (mask && f.line != line)) continue;
        mask |= 1u << lane, line = f.line;
      }
      if (busy && !anyway) continue;
      for (int lane = 0; lane < lanes; ++lane)
        if (mask >> lane & 1) peer(slot, begin + lane).state = READY, peer(slot, begin + lane).result = mask;
      released |= mask != 0;
    }
  return released;
}

// ---- running --------------------------------------------------------------------------------------------------------

static void entry() {
  inside = 0;
  kernel(kernel_arguments);
  Inside guard;
  if (checked) check_doubt();
  current->state = DONE;
  progress();
  release_block(current->slot);
  for (int lane = 0; lane < warp_lanes(current->warp); ++lane) {
    Fiber& f = peer(current->slot, current->warp * 32 + lane);
    if (f.state == AT_WARP) release_warp(current->slot, f);
  }
  _longjmp(scheduler, 1);
}

static void place_shared(int slot) {  // resident blocks share one linker section: exchange its contents
  if (!cooperative || slot == shared_slot || !shared_size) return;
  if (shared_slot >= 0) memcpy(&saved_shared[shared_slot * shared_size], module->shared, shared_size);
  memcpy(module->shared, &saved_shared[slot * shared_size], shared_size);
  shared_slot = slot;
}

static void run_fiber(Fiber* f) {
  place_shared(f->slot);
  threadIdx = f->thread_index, blockIdx = f->block_index;
  current = f;
  if (!_setjmp(scheduler)) {  // still inside: the fiber itself says when it is back in the kernel
    if (f->started) _longjmp(f->resume, 1);
    f->started = true;
    setcontext(&f->context);
  }
  inside = 1;
  current = nullptr;
}

static void run_resident() {
  for (volatile bool ready = true; ready && !aborted;) {
    ready = false;
    bool moved = false;
    const std::vector<int> slots = permutation(resident_blocks);
    for (volatile size_t s = 0; s < slots.size() && !aborted; s = s + 1) {
      const std::vector<int> threads = permutation(block_threads);
      for (volatile size_t i = 0; i < threads.size() && !aborted; i = i + 1) {
        Fiber* f = &peer(slots[s], threads[i]);
        if (f->state != READY) continue;
        spun = false;
        run_fiber(f);
        ready = true, moved |= !spun;
      }
    }
    if (masks_asked && release_masks(!moved)) ready = moved = true;
    idle_rounds = moved ? 0 : idle_rounds + 1;
  }
}

static const char* what_it_waits_at(const Fiber& f) {
  return f.state == AT_WARP ? "a warp primitive" : f.state == AT_GRID ? "the grid's barrier" : "__syncthreads()";
}

static void name_deadlock() {  // nobody can run and not all are done
  const Fiber *first = nullptr, *warp = nullptr;
  for (Fiber* f : fibers) {
    if (f->state != DONE && !first) first = f;
    if (f->state == AT_WARP && !warp) warp = f;
  }
  if (!first) return;
  Issue issue;
  if (warp) {
    unsigned absent = 0;
    int where = 0;
    bool at_barrier = false;
    for (int lane = 0; lane < 32; ++lane) {
      Fiber* f = lane < warp_lanes(warp->warp) ? &peer(warp->slot, warp->warp * 32 + lane) : nullptr;
      if (!f || !(warp->mask >> lane & 1) || f->state == DONE) continue;
      if (f->state == AT_WARP && f->mask == warp->mask) continue;
      absent |= 1u << lane, where = f->line, at_barrier = f->state == AT_BARRIER;
    }
    const bool passed_by = at_barrier && where < warp->line;  // these lanes may have gone past a barrier
    issue = issue_of(WARP, warp->line, "wrong mask: 0x%08x names lanes 0x%08x, which never come: they wait at line %d; name "
                     "only lanes that reach this line%s", warp->mask, absent, where,
                     passed_by ? ", or let all threads reach that barrier" : "");
    first = warp;
  } else if (first->state == AT_GRID) {
    issue = issue_of(BARRIER, first->line, "divergent barrier: not every thread of the grid reaches this grid barrier");
  } else {
    issue = issue_of(BARRIER, first->line, "deadlock: thread %d of block %d waits for ever at %s", first->thread,
                     first->block, what_it_waits_at(*first));
  }
  issue.thread = first->thread, issue.block = first->block;
  issues.insert(issues.begin(), issue);
  aborted = true;
}

static bool guarded_stacks(size_t count) {  // a page that nobody may touch below each: a stack that overflows ends there
  const size_t each = STACK + PAGE;
  void* memory = mmap(nullptr, count * each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  stacks = (char*)memory, stacks_end = stacks + count * each;
  for (size_t i = 0; i < count; ++i)
    if (mprotect(stacks + i * each, PAGE, PROT_NONE)) return false;
  return true;
}

static void reserve(size_t count) {
  if (pool.size() >= count) return;
  if (stacks) munmap(stacks, stacks_end - stacks);
  stacks = stacks_end = nullptr;
  if (!guarded_stacks(count)) {
    if (stacks) munmap(stacks, stacks_end - stacks);
    stacks = stacks_end = nullptr;
    pool.clear();
    issues.push_back(issue_of(LIMIT, 0, "no memory for the stacks of %zu threads that run together", count));
    aborted = true;
    return;
  }
  while (pool.size() < count) pool.emplace_back(new Fiber());
  for (size_t i = 0; i < count; ++i) pool[i]->stack = stacks + i * (STACK + PAGE) + PAGE;
}

static void prepare(Fiber& f, int slot, int block, int thread) {
  f.thread = thread, f.warp = thread / 32, f.lane = thread % 32, f.block = block, f.slot = slot;
  unsigned t = thread, b = block;
  f.thread_index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
  f.block_index = {b % gridDim.x, b / gridDim.x % gridDim.y, b / (gridDim.x * gridDim.y)};
  f.state = READY, f.line = 0, f.started = f.atomic = false, f.predicate = 0, f.place = f.doubtful = nullptr, f.doubt.reset(), f.repeats = 0;
  f.fence = f.fence_barrier = 0, f.known.reset(), f.pc = f.caller = nullptr;
  memset(f.seen, 0, sizeof f.seen);
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack, f.context.uc_stack.ss_size = STACK, f.context.uc_link = nullptr;
  makecontext(&f.context, entry, 0);
}

static void run_grid(int blocks) {
  const std::vector<int> order = permutation(blocks);
  for (turn = 0; turn < (cooperative ? 1 : blocks) && !aborted; turn = turn + 1) {
    memset(dynamic_memory.data(), 0xFF, dynamic_memory.size());  // NaN: what nobody has written yet
    if (shared_size) memset(module->shared, 0xFF, shared_size);
    std::fill(saved_shared.begin(), saved_shared.end(), (char)0xFF);
    for (int slot = 0; slot < resident_blocks; ++slot) {
      int block = cooperative ? slot : order[turn];
      for (int t = 0; t < block_threads; ++t) prepare(peer(slot, t), slot, block, t);
      if (checked) check_block(slot);
    }
    shared_slot = -1;
    patience_of_block();
    run_resident();
    if (!aborted) name_deadlock();
  }
}

}  // namespace simt

using namespace simt;

extern "C" {

int simt_launch(const SimtModule* kernel_module, const unsigned* d, size_t dynamic, int coop, unsigned long long order,
                void (*function)(void*), void* arguments) {
  Inside guard;
  module = kernel_module, kernel = function, kernel_arguments = arguments;
  gridDim = {d[0], d[1], d[2]}, blockDim = {d[3], d[4], d[5]};
  int blocks = d[0] * d[1] * d[2];
  block_threads = d[3] * d[4] * d[5], resident_blocks = coop ? blocks : 1;
  cooperative = coop, schedule = order, random_state = (order + 1) * 0x9E3779B97F4A7C15ull;
  aborted = masks_asked = false, idle_rounds = 0, counters = Counters{}, issues.clear(), inside_templates.clear(), absences.clear();
  shared_size = module->shared_end - module->shared;
  dynamic_size = dynamic, dynamic_stride = (dynamic + 127) / 128 * 128 + DYNAMIC_GUARD;
  dynamic_memory.assign(DYNAMIC_GUARD + resident_blocks * dynamic_stride, (char)0xFF);
  saved_shared.assign(coop ? resident_blocks * shared_size : 0, (char)0xFF);
  fibers.clear();
  reserve((size_t)resident_blocks * block_threads);
  for (size_t i = 0; !aborted && i < (size_t)resident_blocks * block_threads; ++i) fibers.push_back(pool[i].get());
  if (checked) check_launch();
  if (!aborted) {
    Faults faults;
    run_grid(blocks);
  }
  if (checked) check_end();
  return aborted;
}

int simt_loop(void (*function)(void*), void* arguments) {
  static const SimtModule nothing = {};
  const unsigned one[6] = {1, 1, 1, 1, 1, 1};
  checked = false;
  return simt_launch(&nothing, one, 0, 0, 0, function, arguments);
}

void simt_progress() { progress(), patience_of_block(); }

void simt_barrier(int line) { simt_barrier_count(0, line); }

int simt_barrier_count(int predicate, int line) {
  Inside guard;
  if (checked) check_doubt();
  current->state = AT_BARRIER, current->line = line, current->predicate = predicate != 0;
  release_block(current->slot);
  if (current->state == AT_BARRIER || schedule) leave();
  return (int)current->result;
}

void simt_grid_barrier(int line) {
  Inside guard;
  if (!cooperative)
    stop(issue_of(BARRIER, line, "a barrier of the whole grid needs a cooperative launch: give the kernel "
                  "enable_cooperative_groups=True"));
  if (checked) check_doubt();
  current->state = AT_GRID, current->line = line;
  size_t waiting = 0;
  for (Fiber* f : fibers) waiting += f->state == AT_GRID;
  if (waiting < fibers.size()) return leave();
  counters.barriers++;
  progress();
  if (checked) check_grid();
  for (Fiber* f : fibers) f->state = READY;
}

uint64_t simt_warp(unsigned mask, uint64_t value, int source, int kind, int line) {
  Inside guard;
  if (checked) check_doubt();
  Fiber* me = current;
  if (!(mask >> me->lane & 1))
    stop(issue_of(WARP, line, "wrong mask: lane %d calls a *_sync primitive with the mask 0x%08x, which leaves out the lane "
                  "itself", me->lane, mask));
  me->mask = mask, me->value = value, me->source = source, me->kind = kind, me->line = line, me->state = AT_WARP;
  release_warp(me->slot, *me);
  if (me->state == AT_WARP || schedule) leave();
  return me->result;
}

void simt_fence() {
  Inside guard;
  if (checked) check_fence();
}

void simt_spin(int line) {
  Inside guard;
  spin(nullptr, line);
}

void simt_atomic_begin(const volatile void* address, size_t size, int compares, int line) {
  Inside guard;
  counters.atomics++;
  if (current->place == address && ++current->repeats > 16) current->repeats = 0, spin(nullptr, line);
  if (current->place != address) current->place = address, current->repeats = 0;
  if (checked) check_atomic(address, size, compares);
  current->atomic = true;
}

void simt_atomic_end(int changed) {
  Inside guard;
  if (checked) check_atomic_end(changed);
  current->atomic = false;
  if (changed) idle_rounds = 0, current->repeats = 0;
}

void simt_fail(const char*, int line, const char* text) {
  Inside guard;
  stop(issue_of(ASSERT, line, "%s", text));
}

void* simt_dynamic_shared() { return dynamic_of(current->slot); }
int simt_cooperative() { return cooperative; }

void simt_shared_inside(const SimtShared* variable) {
  Inside guard;
  size_t k = 0;
  while (k < inside_templates.size() && inside_templates[k].first != variable) ++k;
  if (k == inside_templates.size()) inside_templates.push_back({variable, -1});
  if (inside_templates[k].second == turn) return;
  inside_templates[k].second = turn;
  memset(variable->address, 0xFF, variable->size);
  if (checked) check_inside((int)(module->variables_end - module->variables + k), *variable);
}
int simt_inside(const SimtShared** out, int most) {  // what the last launch found
  int count = std::min<int>(inside_templates.size(), most);
  for (int k = 0; k < count; ++k) out[k] = inside_templates[k].first;
  return count;
}

unsigned simt_active_mask(int line) {
  Inside guard;
  masks_asked = true;
  current->state = AT_MASK, current->line = line;
  leave();
  return (unsigned)current->result;
}

long long simt_clock() { return counters.switches; }
int simt_lane() { return current->lane; }

int simt_printf(const char* format, ...) {
  Inside guard;
  va_list list;
  va_start(list, format);
  int written = vprintf(format, list);
  va_end(list);
  fflush(stdout);
  return written;
}

void simt_checked(int on) { checked = on; }
void simt_counters(long long* out) { memcpy(out, &counters, sizeof counters); }
int simt_issues(Issue* out) {
  int count = std::min<int>(issues.size(), MAX_ISSUES);
  std::copy(issues.begin(), issues.begin() + count, out);
  return count;
}
int simt_absences(unsigned* out) {  // room for 8
  if (!absences.empty()) memcpy(out, absences.data(), absences.size() * sizeof(Absence));
  return absences.size();
}
int simt_issue_size() { return sizeof(Issue); }
}
