// What a fiber cannot say itself: that it loops without end, or that it touched memory that is not there.
#pragma once

namespace simt {
struct Faults {  // while it lives, signals of this thread are ours
  Faults();
  ~Faults();
};
void patience_restart();
void patience_of_block();       // a block begins, or all that run together
bool patience_ended(bool many);  // many: blocks that run together
}  // namespace simt
