#pragma once
#include <napi.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "stable-diffusion.h"

namespace sdcpp::params {

// Owns what the engine's C structs point to. Deques: addresses stay valid as it grows.
struct Arena {
  std::deque<std::string> strings;
  std::deque<std::vector<int>> integers;
  std::deque<std::vector<float>> numbers;
  std::deque<std::vector<uint8_t>> bytes;
};

// One member of a C struct: how it is read from JavaScript, and how it is shown. The checks are of representability
// (type, width, name of an enum); what makes sense is checked in lib/options/.
template <class S>
struct Field {
  std::string name;  // path in the options, "skipLayerGuidance.layers"
  const char* type;
  std::vector<std::string> values;  // of an enum
  std::function<void(S&, const Napi::Value&, const std::string& path, Arena&)> read;
  std::function<Napi::Value(Napi::Env, S&)> show;
};

template <class S>
using Table = std::vector<Field<S>>;

// Throw a TypeError with ERR_INVALID_OPTION and the option's path.
[[noreturn]] void fail(Napi::Env env, const std::string& path, const std::string& problem);
[[noreturn]] void reject(const Napi::Value& value, const std::string& path, const std::string& expected);

// The first argument of a call, which must be an object.
Napi::Object options_of(const Napi::CallbackInfo& info);

bool read_boolean(const Napi::Value& value, const std::string& path);
int read_integer(const Napi::Value& value, const std::string& path);
float read_number(const Napi::Value& value, const std::string& path);
int64_t read_bigint(const Napi::Value& value, const std::string& path);
const char* read_string(const Napi::Value& value, const std::string& path, Arena& arena);
int read_name(const Napi::Value& value, const std::string& path, const std::vector<std::string>& names);
std::vector<int>& read_integers(const Napi::Value& value, const std::string& path, Arena& arena);
std::vector<float>& read_numbers(const Napi::Value& value, const std::string& path, Arena& arena);

// A picture of `channels` bytes a pixel, copied; its data must have exactly the length that its size says.
sd_image_t read_image(const Napi::Value& value, const std::string& path, uint32_t channels, Arena& arena);
Napi::Value show_image(Napi::Env env, const sd_image_t& image);

// A scalar member; its C type decides how it is read.
template <class S, class Access>
Field<S> field(const char* name, Access access) {
  using T = std::decay_t<decltype(access(std::declval<S&>()))>;
  Field<S> f;
  f.name = name;
  if constexpr (std::is_same_v<T, bool>) {
    f.type = "boolean";
    f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena&) { access(s) = read_boolean(v, path); };
    f.show = [=](Napi::Env env, S& s) -> Napi::Value { return Napi::Boolean::New(env, access(s)); };
  } else if constexpr (std::is_same_v<T, int>) {
    f.type = "integer";
    f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena&) { access(s) = read_integer(v, path); };
    f.show = [=](Napi::Env env, S& s) -> Napi::Value { return Napi::Number::New(env, access(s)); };
  } else if constexpr (std::is_same_v<T, float>) {
    f.type = "number";
    f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena&) { access(s) = read_number(v, path); };
    f.show = [=](Napi::Env env, S& s) -> Napi::Value { return Napi::Number::New(env, access(s)); };
  } else if constexpr (std::is_same_v<T, int64_t>) {
    f.type = "bigint";
    f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena&) { access(s) = read_bigint(v, path); };
    f.show = [=](Napi::Env env, S& s) -> Napi::Value { return Napi::BigInt::New(env, access(s)); };
  } else {
    static_assert(std::is_same_v<T, const char*>, "no reader for this member type");
    f.type = "string";
    f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena& arena) { access(s) = read_string(v, path, arena); };
    f.show = [=](Napi::Env env, S& s) -> Napi::Value { return access(s) ? Napi::String::New(env, access(s)) : env.Null(); };
  }
  return f;
}

// An enum; `names` in the order of its values.
template <class S, class Access>
Field<S> choice(const char* name, Access access, std::vector<std::string> names) {
  using E = std::decay_t<decltype(access(std::declval<S&>()))>;
  static_assert(std::is_enum_v<E>);
  Field<S> f;
  f.name = name;
  f.type = "enum";
  f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena&) { access(s) = static_cast<E>(read_name(v, path, names)); };
  f.show = [=](Napi::Env env, S& s) -> Napi::Value {
    const auto i = static_cast<size_t>(access(s));
    return i < names.size() ? Napi::String::New(env, names[i]) : env.Null();
  };
  for (const std::string& n : names) {
    if (!n.empty()) f.values.push_back(n);
  }
  return f;
}

// A pointer with a count.
template <class S, class Data, class Count>
Field<S> list(const char* name, Data data, Count count) {
  using T = std::remove_pointer_t<std::decay_t<decltype(data(std::declval<S&>()))>>;
  Field<S> f;
  f.name = name;
  f.type = std::is_same_v<T, int> ? "integers" : "numbers";
  f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena& arena) {
    auto& values = [&]() -> std::vector<T>& {
      if constexpr (std::is_same_v<T, int>)
        return read_integers(v, path, arena);
      else
        return read_numbers(v, path, arena);
    }();
    data(s) = values.data();
    count(s) = static_cast<std::decay_t<decltype(count(s))>>(values.size());
  };
  f.show = [=](Napi::Env env, S& s) -> Napi::Value {
    Napi::Array array = Napi::Array::New(env);
    for (uint32_t i = 0; i < static_cast<uint32_t>(count(s)); i++) array[i] = Napi::Number::New(env, data(s)[i]);
    return array;
  };
  return f;
}

// A picture.
template <class S, class Access>
Field<S> picture(const char* name, Access access, uint32_t channels) {
  Field<S> f;
  f.name = name;
  f.type = "image";
  f.read = [=](S& s, const Napi::Value& v, const std::string& path, Arena& arena) { access(s) = read_image(v, path, channels, arena); };
  f.show = [=](Napi::Env env, S& s) { return show_image(env, access(s)); };
  return f;
}

// The names an engine function gives to 0 … count-1.
template <class E>
std::vector<std::string> names_of(const char* (*name)(E), int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; i++) {
    const char* text = name(static_cast<E>(i));
    names.emplace_back(text ? text : "");
  }
  return names;
}

#define SDCPP_MEMBER(S, member) \
  [](S & s) -> auto& { return s.member; }

// Lays `options` over `target`. A member the table does not know is an error: the two sides have drifted.
template <class S>
void read(const Table<S>& table, const Napi::Object& options, S& target, Arena& arena, const std::string& prefix = "") {
  const Napi::Array names = options.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string path = prefix + names.Get(i).As<Napi::String>().Utf8Value();
    const Napi::Value value = options.Get(names.Get(i));
    if (value.IsUndefined()) continue;
    bool known = false;
    for (const Field<S>& f : table) {
      if (f.name != path) continue;
      f.read(target, value, path, arena);
      known = true;
    }
    if (!known && value.IsObject() && !value.IsArray()) {
      read(table, value.As<Napi::Object>(), target, arena, path + ".");
      known = true;
    }
    if (!known) fail(options.Env(), path, "no such option");
  }
}

// The table for JavaScript: name, type, values of an enum, and what `target` holds.
template <class S>
Napi::Array describe(Napi::Env env, const Table<S>& table, S& target) {
  Napi::Array rows = Napi::Array::New(env, table.size());
  for (uint32_t i = 0; i < table.size(); i++) {
    Napi::Object row = Napi::Object::New(env);
    row["name"] = table[i].name;
    row["type"] = table[i].type;
    if (!table[i].values.empty()) {
      Napi::Array values = Napi::Array::New(env);
      for (uint32_t j = 0; j < table[i].values.size(); j++) values[j] = table[i].values[j];
      row["values"] = values;
    }
    row["value"] = table[i].show(env, target);
    rows[i] = row;
  }
  return rows;
}

}  // namespace sdcpp::params
