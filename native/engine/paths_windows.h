#pragma once
// Included before every unit of the engine on Windows, where the standard library takes a file's name to be in the system's code page:
// ours are in UTF-8.
#include <filesystem>
#include <fstream>
#include <string>

namespace sdcpp::engine {

template <typename Stream>
class NamedInUtf8 : public Stream {
 public:
  using Stream::open;
  using Stream::Stream;
  NamedInUtf8(const std::string& path, std::ios::openmode mode) : Stream(std::filesystem::u8path(path), mode) {}
  void open(const std::string& path, std::ios::openmode mode) { Stream::open(std::filesystem::u8path(path), mode); }
};

}  // namespace sdcpp::engine

namespace std {  // where the engine looks for them
using sdcpp_ifstream = sdcpp::engine::NamedInUtf8<ifstream>;
using sdcpp_ofstream = sdcpp::engine::NamedInUtf8<ofstream>;
}  // namespace std
#define ifstream sdcpp_ifstream
#define ofstream sdcpp_ofstream
