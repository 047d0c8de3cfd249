// Elementary functions of the special function units.
#include <cfloat>
#include <cmath>

#include "../device/emulator.h"

extern "C" {

float emulator_exp2(float x) {
    float result = std::exp2(x);
    return result < FLT_MIN ? 0.0f : result;
}

} // extern "C"
