#include "../../engine/source/src/stable-diffusion.cpp"
