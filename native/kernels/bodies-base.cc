#define LOCKSTEP_BODIES BASE_BODIES
#define LOCKSTEP_VECTOR_BYTES 16
#include "body-table.h"
