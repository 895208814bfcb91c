// A part of each of ggml's libraries on Windows, where a linker exports what is not hidden: the start-up code's functions have to stay within, as
// every library has its own.
__asm__(".section .drectve,\"yn\"\n.ascii \" -exclude-symbols:atexit,_CRT_INIT,__mingw_module_is_dll,unw_getcontext,__unw_getcontext\"\n.text\n");
