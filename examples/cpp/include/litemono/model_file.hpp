// What a file of `litemono export` says about itself.
#pragma once

#include <map>
#include <stdexcept>
#include <string>

namespace litemono {

// What the user can correct, in one sentence.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct About {
  std::string model;
  int height, width;   // of the network's input, in pixels
  bool takes_uint8;    // (1, H, W, 3) uint8; otherwise (1, 3, H, W) float32 in [0, 1]
  bool gives_depth;    // otherwise disparity; (1, H, W) float32 both
  std::string kind;    // metric, up-to-scale or relative: what its disparity is known up to
  std::string licence, commit;
};

inline const std::string CHECKSUM = "litemono.sha256";

// properties: litemono.NAME -> value. Raises Error for a file of another program.
About about_from(const std::string& path, const std::map<std::string, std::string>& properties);

// The file's bytes. Raises Error.
std::string read_file(const std::string& path);

// Raises Error where a file is not as `litemono export` wrote it. stored: the sha256 in it, which was computed with 64
// zeros in its place.
void check_content(const std::string& path, std::string content, const std::string& stored);

}  // namespace litemono
