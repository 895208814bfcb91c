# Node-API for a build with another compiler than Microsoft's, which has no import library for it and no delay-load hook: its functions are found
# in the executable that has loaded the addon, whatever its name is (node.exe, that of an Electron app). Sets node_api_source.
execute_process(
  COMMAND node -p "Object.values(require('node-api-headers').def_paths).join(';')"
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
  OUTPUT_VARIABLE node_api_lists OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(node_api_names "")
foreach(list ${node_api_lists})
  file(STRINGS ${list} names REGEX "^(napi|node_api)_")
  list(APPEND node_api_names ${names})
endforeach()
list(REMOVE_DUPLICATES node_api_names)

set(pointers "")
set(rows "")
foreach(name ${node_api_names})
  string(APPEND pointers "void* __imp_${name};\n") # what a call of a function from a DLL goes through
  string(APPEND rows "    {&__imp_${name}, \"${name}\"},\n")
endforeach()
set(node_api_source ${CMAKE_BINARY_DIR}/node_api.c)
file(CONFIGURE OUTPUT ${node_api_source} @ONLY CONTENT [[
#include <windows.h>
@pointers@
static const struct { void** pointer; const char* name; } functions[] = {
@rows@};
__attribute__((constructor)) static void find_node_api(void) {
  HMODULE host = GetModuleHandleW(NULL);
  for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) *functions[i].pointer = (void*)GetProcAddress(host, functions[i].name);
}
]])
