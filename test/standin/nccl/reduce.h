#pragma once

#include <cstddef>

namespace standin {

// Bytes of an element of a type of NCCL; 0 where there is no such type.
size_t element_bytes(int type);
bool known_op(int op);
const char* type_name(int type);

// into[i] = into[i] op from[i].
void reduce_into(void* into, const void* from, size_t count, int type, int op);
// What an average still lacks: into[i] / ranks.
void divide(void* into, size_t count, int type, int ranks);

}  // namespace standin
