#include "litemono/model_file.hpp"

#include <openssl/evp.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace litemono {
namespace {

std::string sha256(const std::string& content) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!EVP_Digest(content.data(), content.size(), digest, &size, EVP_sha256(), nullptr))
    throw std::runtime_error("OpenSSL computes no sha256");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    constexpr char DIGITS[] = "0123456789abcdef";
    text += DIGITS[digest[i] >> 4];
    text += DIGITS[digest[i] & 15];
  }
  return text;
}

}  // namespace

About about_from(const std::string& path, const std::map<std::string, std::string>& properties) {
  const auto value = [&](const std::string& name) {
    const auto found = properties.find("litemono." + name);
    if (found == properties.end())
      throw Error(path + ": not written by `litemono export` (it has no " + name + "); export the network again");
    return found->second;
  };
  try {
    return About{value("model"),
                 std::stoi(value("height")),
                 std::stoi(value("width")),
                 value("input") == "uint8",
                 value("output") == "depth",
                 value("kind"),
                 value("licence"),
                 value("commit")};
  } catch (const std::logic_error&) {  // of std::stoi
    throw Error(path + ": its size is no number; export the network again");
  }
}

std::string read_file(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) throw Error(path + ": there is no such file");
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw Error(path + ": cannot be read");
  return content;
}

void check_content(const std::string& path, std::string content, const std::string& stored) {
  const auto place = stored.size() == 64 ? content.find(stored) : std::string::npos;
  if (place != std::string::npos) content.replace(place, stored.size(), stored.size(), '0');
  if (place == std::string::npos || sha256(content) != stored)
    throw Error(path + ": was changed after its export (its checksum differs); export it again");
}

}  // namespace litemono
