#pragma once

namespace lockstep {

// Calls part(context, index) for each index below `parts`, on this thread and on those helpers of the process that are free, and
// returns when all are done. `threads` is how many threads there may be, this one included. Helpers serve one caller at a time: a second
// does all by itself, and so does a process that was forked, which has none.
void share_out(int parts, int threads, void (*part)(void* context, int index), void* context);

}  // namespace lockstep
