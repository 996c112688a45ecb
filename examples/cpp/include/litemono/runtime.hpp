// What runs a network: ONNX Runtime (src/onnx_runtime.cpp) or AOTInductor (src/aoti_runtime.cpp), chosen by linking.
#pragma once

#include <memory>
#include <opencv2/core.hpp>
#include <string>

#include "litemono/model_file.hpp"

namespace litemono {

class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual const About& about() const = 0;
  // input: continuous, one image as about() says. Returns the network's output, (H, W) float32, valid until the next call.
  virtual cv::Mat run(const cv::Mat& input) = 0;
};

std::unique_ptr<Runtime> open_runtime(const std::string& path, int threads);

// Raises Error unless a file computes one image at a time.
inline void check_batch(const std::string& path, long batch) {
  if (batch > 1)
    throw Error(path + ": computes " + std::to_string(batch) + " images at a time; export it without --batch");
}

}  // namespace litemono
