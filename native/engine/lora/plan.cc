#include "engine/lora/plan.h"

#include <stdexcept>

#include "errors.h"
#include "json.hpp"

namespace sdcpp::engine::lora {
namespace {

using Json = nlohmann::json;

Form form_of(const std::string& name) {
  static const std::map<std::string, Form> forms = {
      {"lora", Form::Lora}, {"loha", Form::Loha}, {"lokr", Form::Lokr}, {"glora", Form::Glora}, {"full", Form::Full}};
  return forms.at(name);
}

// Sizes whose products fit into 64 bits.
int64_t length_of(const Json& value) {
  const int64_t length = value.get<int64_t>();
  if (length < 1 || length > int64_t{1} << 31) throw std::out_of_range("length");
  return length;
}

Change read_change(const Json& json, const std::vector<Tensor>& tensors) {
  Change change;
  change.target = json.at("target").get<std::string>();
  change.weight = json.at("weight").get<std::string>();
  change.third = json.value("third", -1);
  change.halves = json.value("halves", false);
  change.form = form_of(json.at("form").get<std::string>());
  change.rows = length_of(json.at("rows"));
  change.columns = length_of(json.at("columns"));
  if (json.contains("rank")) change.rank = length_of(json.at("rank"));
  if (change.form == Form::Lokr) {
    change.first_rows = length_of(json.at("first").at(0));
    change.first_columns = length_of(json.at("first").at(1));
  }
  if (json.contains("alpha")) change.alpha = json.at("alpha").get<float>();
  change.root_of_rank = json.value("rootOfRank", false);
  change.magnitude_of_rows = json.value("magnitudeOf", "rows") == "rows";
  for (const auto& [role, index] : json.at("roles").items()) change.tensors[role] = tensors.at(index.get<size_t>());
  if (change.third > 2 || change.tensors.empty()) throw std::out_of_range("change");
  return change;
}

Plan read(const Json& json) {
  Plan plan;
  plan.size = json.at("size").get<uint64_t>();
  std::vector<Tensor> tensors;
  for (const Json& row : json.at("tensors")) {
    Tensor tensor;
    tensor.name = row.at("name").get<std::string>();
    tensor.type = row.at("type").get<std::string>();
    tensor.offset = row.at("offset").get<uint64_t>();
    tensor.bytes = row.at("bytes").get<uint64_t>();
    tensor.elements = row.at("elements").get<int64_t>();
    tensors.push_back(std::move(tensor));
  }
  for (const Json& row : json.at("changes")) plan.changes.push_back(read_change(row, tensors));
  plan.homeless = json.at("homeless").at("names").get<std::vector<std::string>>();
  plan.homeless_count = json.at("homeless").at("count").get<size_t>();
  return plan;
}

}  // namespace

const Tensor* Change::find(const std::string& role) const {
  const auto found = tensors.find(role);
  return found == tensors.end() ? nullptr : &found->second;
}

const std::string& Change::name() const { return tensors.begin()->second.name; }

Plan read_plan(const std::string& json) {
  try {
    return read(Json::parse(json));
  } catch (const std::exception& error) {
    throw Failure(code::ModelFile, std::string("loras: the plan of a LoRA cannot be followed: ") + error.what());
  }
}

}  // namespace sdcpp::engine::lora
